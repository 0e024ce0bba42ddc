"""Third-party plugins: described in a child process, never imported by the core just to read a configuration.

The description holds configuration schemas, metrics and texts, as JSON, so that forms and `ilot check` work without
running the plugin's code in the hub. The child has resource limits but runs as the hub's user: it contains accidents,
not an attacker who got a package installed. A third-party plugin *runs* only where the configuration says `isolation:
none` explicitly, and then in the core's own process: pluggy is not a security boundary.
"""
