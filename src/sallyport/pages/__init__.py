"""Pages for people below `/ui`: another edge on the use cases of the JSON routes, never a second rule book."""
