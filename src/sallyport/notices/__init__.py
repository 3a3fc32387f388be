"""Notices: mail that waits in the database, and whoever carries it away."""
