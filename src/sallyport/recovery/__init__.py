"""Recovery: forgotten passwords, and addresses that are verified."""
