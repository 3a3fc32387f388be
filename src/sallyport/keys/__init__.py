"""Key rings: what they hold, their rotation, and what a start must find right about them."""
