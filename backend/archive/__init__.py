"""The archive: all that the backend keeps, in open formats, in a folder or on storage that speaks S3.

    stores      where an archive lies: `Store`, a folder; `s3` storage that speaks S3, with versions and locks
    lists       its manifests and lists: which files belong to it, with their digests
    hub_rows    the readings of a hub and day, out of one snapshot: dated, named, without what orders erase
    parquet     readings as Parquet, and back
    exporting   a database → an archive, only what changed since the last time
    importing   an archive → a fresh database of either engine
    checking    reads all of an archive

The format is docs/reference/archive-format.md. Parquet and S3 need `ilot[archive]`.
"""
