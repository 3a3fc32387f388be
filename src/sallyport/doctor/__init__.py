"""The doctor: what a careful operator would look at, gathered from the host and judged by pure rules."""
