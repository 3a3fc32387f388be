"""What becomes of a counted try that comes to no judgement."""

from collections.abc import Awaitable, Callable

from sallyport.kernel.outcomes import Overloaded


class Judging:
    """Undoes what was counted where a judgement is left as `Overloaded`. By hand: every login passes here."""

    __slots__ = ("_undo",)

    def __init__(self, undo: Callable[[], Awaitable[None]]) -> None:
        self._undo = undo

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, _kind: object, fault: BaseException | None, _trace: object) -> None:
        if isinstance(fault, Overloaded):
            await self._undo()
