"""Plugins that this distribution does not ship: never imported by the core.

Today a stranger's plugin is *described* in a child process: configuration schemas, metrics, texts, as JSON, so
that forms and `ilot check` work without running its code in the hub. That child is bounded, and it is the hub's user:
it keeps accidents away, not an attacker who got a package installed. It *runs* only where the configuration says
`isolation: none` in so many words, and then in the core's own process: pluggy is not a boundary.
"""
