"""The way back for one who lost every second factor."""
