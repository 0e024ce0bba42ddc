"""The `ilot` command: one module for each subcommand, imported when it is called.

    main        the table of subcommands, and the exit code of each error
    output      tables, JSON and messages
    hub_client  calls of a running hub over its control socket
    hex_input   frames as people type them: hexadecimal or JSON
    demo/       `ilot demo`, a hub, a backend and a simulated building on this machine

Data go to stdout, messages to stderr; every command takes `--json`. The exit codes are in `main`.

May import every room.
"""
