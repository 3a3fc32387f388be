"""TOTP: possession of a phone that shares a seed with this service. RFC 6238."""
