"""One file for each step of the schema. A released file never changes."""
