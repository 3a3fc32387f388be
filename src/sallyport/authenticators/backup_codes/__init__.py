"""Backup codes: a printed list, each used once, as second factor."""
