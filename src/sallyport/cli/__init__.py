"""The command line, another edge on the same flows. What only one command needs is imported by it alone."""
