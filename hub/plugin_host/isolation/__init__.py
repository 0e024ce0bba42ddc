"""Third-party plugins: described and run in child processes, never imported by the core.

    describe        configuration schemas, metrics and texts as JSON, from a child (`__main__`), for forms
    runs            an instance, a notifier or an exporter in a process of its own: what `plugins` calls
    errands         a probe, a search or an attempt to read, in a process for that alone
    host            one such run, from the hub's side: start, pings, log, end
    wire            the messages of both sides, with wire_base and wire_roles
    framing         their bytes; failures: exceptions among them
    link            writes frames to either end
    served          carries out what the child of an integration says, with calls, emits and served_access
    served_access   HTTP, connections (streams, datagrams) and serial lines of a child
    served_decoders frames that the child's decoders read; served_notices, served_exporter: other kinds of plugins
    usage, bucket   what a process uses, whether its import goes on, and rates
    child           the process: imports the plugin and runs it with child_session, child_notices, child_exporter or
                    child_errands, over child_link
    launch          starts the process, with the limits of limits and confine: itself, or by the starter
    starter         the small program of root that gives each plugin a user and namespaces of its own, with by_starter,
                    request, private_root, own_users, control_groups

The child that describes has resource limits but runs as the hub's user: it contains accidents, not an attacker who got
a package installed. `isolation: none` runs such a plugin in the core's own process: pluggy is not a security boundary.
"""
