"""Findings about the machine and the service of a hub, each with its remedy: `ilot doctor`.

    findings     a finding and its names
    machine      files and commands of a machine, bounded; also of a recorded tree
    service      the installed unit: user, configuration, state
    file_owners  owner and rights of the files of the hub, and their repair
    storage      a written and synced test file, room, errors and wear of the card
    board        power, temperature, memory
    timekeeping  clock, time server, battery-backed clock, time zone
    serial_ports serial ports and who holds them
    bluez        adapters, radio switches, BlueZ
    running      the running hub's own status
    examination  the command, run for the pages

What is read under /sys and /proc is hostile: bounded, and a number only where it reads as one.
"""
