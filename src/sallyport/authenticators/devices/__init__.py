"""Devices: a long value that a program made up and keeps, one for each device of a user."""
