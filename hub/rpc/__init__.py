"""What a running hub answers its people: each module has the `calls` of one idea, which the command line (over
`hub.control`) and the pages make.

overview       how the hub stands: `ilot status` and what it is made of; `autonomy`: how long it can go on alone
radio          links, margins, batteries and gateways
availability   how much of each day a device was there
recalling      what is remembered of readings
declaring      what privacy does here, in plain words
auditing       the audit log
diagnosing     one archive for whoever helps, which names nobody (`redacting`)
packing        packs, seen and installed
writing        commands to devices
rekey          another radio key for a known device
"""
