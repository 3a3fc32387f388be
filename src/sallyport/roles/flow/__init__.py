"""What is done with roles."""
