"""The use cases of the throttle, called inside other rooms' units of work."""
