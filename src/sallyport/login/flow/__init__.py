"""The use cases of login, one file each."""
