"""The use cases of key rings."""
