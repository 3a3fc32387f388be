"""A counted try, and what becomes of one that comes to no judgement."""

from collections.abc import Awaitable, Callable

import msgspec

from sallyport.kernel.outcomes import Overloaded, Refused
from sallyport.throttle.store import Subject

Reason = Callable[[], Refused | None]
"""Says why a try is not even to be counted, once the answers are there; None where it is."""


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """A try that was counted, and is now to be judged."""

    at: int
    known: bool
    """Whether a known client makes it."""
    in_a_row: int
    """Failures before it, without a success between them."""
    counted: tuple[Subject, ...]
    address: Subject | None
    keys: tuple[str, ...]
    """What a unit has to itself that settles this try: user or name, and address."""

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """All that was counted."""
        return (*self.counted, self.address) if self.address else self.counted


class Judging:
    """Undoes what was counted where a judgement is left as `Overloaded`. By hand: every login passes here."""

    __slots__ = ("_undo",)

    def __init__(self, undo: Callable[[], Awaitable[None]]) -> None:
        self._undo = undo

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, _kind: object, fault: BaseException | None, _trace: object) -> None:
        if isinstance(fault, Overloaded):
            await self._undo()
