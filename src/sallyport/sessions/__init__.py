"""Sessions: what stands after a full login, its access and refresh tokens, and the keys that sign."""
