"""Values that must not appear in a log, a traceback or an answer by accident."""

from typing import Generic, TypeVar, final

T = TypeVar("T")


@final
class Hidden(Generic[T]):
    """Holds a secret that does not print, compare, pickle or format; `reveal` is the only way in."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """Return the secret. Each call of this is a place for a reviewer to look at."""
        return self._value

    def __repr__(self) -> str:
        return "<hidden>"

    def __reduce__(self) -> str:
        message = "a hidden value is not to be pickled"
        raise TypeError(message)
