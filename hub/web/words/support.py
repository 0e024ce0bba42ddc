"""The file for support, and the factory reset."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "support": "File for support",
    "support-intro": "One file about this device for whoever helps you: its last 200 frames, its errors, versions, its part of the configuration, the log. It names nobody and holds no secret. Read it before you send it: each line says what it is.",
    "support-take": "Download the file",
    "support-personal": "Put in bytes of frames that may tell of people",
    "support-personal-help": "Without this the bytes of meters and of presence are left out. With it, the reason stands in the audit log; give the file to nobody but who asked for it.",
    "support-why": "Why",
    "support-log": "An hour of a more detailed log",
    "support-log-help": "For the integration of this device, from now on, without a restart. It ends by itself. Then take the file: the lines are in it.",
    "support-raise": "Record for an hour",
    "support-raised": "Recorded for {span} more.",
    "support-end": "Stop recording",
    "factory": "Factory reset",
    "factory-intro": "Keys, accounts, devices, history and configuration are destroyed. Readings that the district has not received yet are lost. Nothing brings them back but a state backup.",
    "factory-told": "The district is told first. Then this hub begins anew, under another id, and waits to be claimed.",
    "factory-hub": "Type the id of this hub: {hub}",
    "factory-password": "Your password",
    "factory-why": "Reason, for the district",
    "factory-now": "Destroy everything",
    "factory-badge": "Sign in with an account of this hub, not with a badge.",
    "factory-begun": "This hub ends now, and begins anew within a minute.",
    "factory-code": "Write this claim code down, it is shown once:",
}
