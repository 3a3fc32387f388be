"""How the properties are searched: without a clock, since no test is timed."""

from hypothesis import settings

settings.register_profile("house", deadline=None)
settings.load_profile("house")
