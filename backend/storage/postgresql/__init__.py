"""PostgreSQL 17, the engine of a district that one machine does not hold. The other place of SQL beside `sqlite`."""
