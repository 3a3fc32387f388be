"""API keys: for programs, limited to scopes, made and shown once by the server."""
