"""What the hub and the backend both know of Sigfox: the operator's callbacks and his payload grammar.

    callback    the fields of a callback, by any of its forms → `Callback`                              pure
    grammar     the "custom payload config" of the operator's page: bytes → named values                pure
    server      a small HTTP server that takes callbacks: who may, how much, what is answered           I/O

The integration serves the door in a building that the operator reaches; the backend serves it where no building is
reached, and keeps what comes until a hub fetches it (docs/adr/0015-sigfox-callbacks.md). Packs use the grammar.
"""
