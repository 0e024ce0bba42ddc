"""Special days: French public holidays computed, school holidays as published (`school/`), iCalendar files."""
