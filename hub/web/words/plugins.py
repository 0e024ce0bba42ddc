"""Plugins of vendors."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "plugins": "Plugins",
    "plugins-intro": "A plugin of a vendor is a signed file. It runs in a process of its own, shut in, and may do what you "
    "accept here.",
    "plugins-none": "No plugin of a vendor is installed.",
    "plugins-no-vendors": "The configuration trusts no vendor yet: name one and its key in the section “plugins”.",
    "plugin-offered": "{id} {version}",
    "plugin-accept-why": "It may do more than anybody has accepted yet. Install it only if you need it to.",
    "plugin-accept": "Accept and install",
    "plugin-install": "Install",
    "plugin-discard": "Forget this file",
    "plugin-vendor": "Vendor",
    "plugin-instances": "Instances that ran",
    "plugin-remove": "Remove",
    "plugin-remove-state": "also what its instances remember",
    "plugin-remove-help": "Its readings stay. Which version it was stays noted, so that nobody brings back an older one.",
    "plugin-remove-sure": "Remove {id}",
    "plugin-hand-over": "Install a plugin",
    "plugin-file": "File of the plugin",
    "plugin-file-help": "*.ilot-plugin, from this phone or a stick, signed by one of: {vendors}",
    "plugin-look": "Read what it may do",
    "plugin-installed": "Installed. Add an instance of it to the configuration.",
    "plugin-removed": "Removed.",
    "plugin-index": "Index and revocations",
    "plugin-index-is": "Index {counter}, {count} [entry|entries] revoked.",
    "plugin-index-stale": "It is old: ask the district for a newer one.",
    "plugin-index-none": "No index was taken yet.",
    "plugin-index-file": "Signed index of the district",
    "plugin-index-take": "Take it",
    "plugin-index-taken": "Taken: what it revokes does not start any more.",
}
