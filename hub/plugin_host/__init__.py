"""How plugins run in this hub: from a configured instance to a supervised coroutine, and what each is handed.

installed    what is there to be configured: type -> models
plugins      starts, stops and replaces instances, each for itself
supervisor   keeps one running: classify the error, back off, report health
pausing      which may not run now, and why
probing      is what the configuration names reachable?
runtime      an integration's `hub.session.Session`, over the pipeline
exporting    an exporter's `hub.session.View`, over the live values
notifying    a notifier's `hub.session.Notices`: a queue that outlives the process

An uplink is handed its `hub.session.Uplink` by `hub.link`, which runs it.
"""
