"""Measures the service beside its own limits."""
