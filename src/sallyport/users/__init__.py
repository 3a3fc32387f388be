"""Users: a person or machine with an account."""
