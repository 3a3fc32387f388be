"""The database: units of work, one runner for each engine, the tables and their migrations."""
