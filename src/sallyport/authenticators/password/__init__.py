"""Passwords: knowledge, one for each user."""
