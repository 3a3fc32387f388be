"""Bounds on guessing: tries are counted before they are judged, and clients that are known have tries of their own."""
