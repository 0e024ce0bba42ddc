"""Care of a backend's data: what an operator runs now and then, and what an upgrade does.

copies             copies made in service, and the way back
consistency_check  damaged rows, and records that lack something; `integrity_check` the database's own files
doctor/            findings about a backend in service, each with its remedy
review             work for a person: alarms and quarantine
segment_reader     a hub's segment file, opened with a recipient's key
row_migration      rows of a former release, into chunks
former_journal     the journal of a former release; `journal_recovery` stores what it holds
"""
