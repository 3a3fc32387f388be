"""Authenticators: what a user has or knows, bound to the account. On the wire each is a `secret`."""
