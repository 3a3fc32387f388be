"""Roles: named groups of users, which tokens tell of, and some of which the operator trusts."""
