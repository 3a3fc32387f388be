"""The desk's pages below `/ui/admin`, for trusted roles: what they may is asked of the gate and of the flows."""
