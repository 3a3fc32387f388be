"""Backups: a copy taken beside the running service, and the way back without bringing spent things to life."""
