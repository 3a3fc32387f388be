"""The help desk: what a trusted role needs to take a second factor from somebody else."""
