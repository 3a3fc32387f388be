"""The use cases of recovery, one file each."""
