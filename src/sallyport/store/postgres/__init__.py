"""The PostgreSQL engine: libpq's pipeline under units of work that know nothing of it."""
