"""The answer of a `/count` route."""

import msgspec


class Count(msgspec.Struct, frozen=True):
    """How many there are."""

    count: int
