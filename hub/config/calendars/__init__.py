"""Days that are not like the others: French public holidays computed, school holidays as they are published
(`school/`), iCalendar files."""
