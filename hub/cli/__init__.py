"""The `ilot` command: one module for each subcommand, imported when it is called.

    main        the table of subcommands, and how an error becomes an exit code
    output      tables, JSON and messages
    hub_client  questions to a running hub over its control socket
    demo/       `ilot demo`, a hub, a backend and a simulated building on this machine

Data go to stdout, messages to stderr; every command takes `--json`. The exit codes are in `main`.

May import every room.
"""
