"""Privacy: protection of personal data.

    rules_engine/     rules applied to each report before anything touches the disk
    window_publisher  counts and means over a window of time, published when it ends
    consent/          consents, their withdrawal, and what follows from it
    erasure_requests  erasures that the backend has to confirm

May import `automation`, `history` and lower rooms.
"""
