"""State backups on their way out of the hub and back: their format is `hub.protocol.documents.backup`.

gather     what a backup holds, from the open parts of one hub
keeper     has one made at a quiet hour, and brings it to where it survives the hub
backup_directory a directory of them, the newest kept; the backend keeps its own in the same way
restore    a hub from its backup, on a new machine
"""
