"""Commands about accounts, over the database on the host or over HTTP: one rule book, two ways to it."""
