"""State backups: made, delivered and restored. Their format is `hub.protocol.documents.backup`.

gather     builds the contents of a backup
keeper     makes one at a quiet hour, and delivers it to where it survives the hub
generation_notes  how far a hub has lived, as a directory of backups shows
restore    restores a hub from its backup, on a new machine
"""
