"""When a rotation goes on, and which key may go."""

import pytest

from sallyport.kernel.clock import SECOND
from sallyport.keys.rules import KeyTold, State, reason_to_keep, still_to_wait

NOW = 1_800_000_000 * SECOND


@pytest.mark.parametrize(
    ("since", "settle", "wanted"),
    [
        (NOW, 5, 5),
        (NOW - 1, 5, 4),
        (NOW - 5, 5, 0),
        (NOW - 500, 5, 0),
        (NOW, 0, 0),
        (None, 5, 5),  # a file of the first release does not tell
        (NOW + 1, 5, 5),  # the clock was set back
        (NOW + 10**15, 5, 5),
    ],
)
def test_what_is_left_to_wait_is_never_more_than_the_whole(since: int | None, settle: int, wanted: int) -> None:
    assert still_to_wait(since, settle, NOW) == wanted


def told(state: State = State.OLD, left: int | None = NOW - 10 * SECOND, **rows: int) -> KeyTold:
    return KeyTold(ring="sealing", key="0011223344556677", state=state, left=left, rows=rows)


@pytest.mark.parametrize(
    ("key", "rest", "words"),
    [
        (told(State.MISSING), 0, "holds no key 0011223344556677"),
        (told(State.ACTIVE), 0, "the active key: sallyport keys rotate sealing"),
        (told(State.NEXT), 0, "the next key"),
        (told(passwords=3, totp=0, sets=1), 0, "rows still name it: 3 in passwords, 1 in sets"),
        (told(), 11 * SECOND, "wait 1 seconds more"),
        (told(), 10 * SECOND + 1, "wait 1 seconds more"),
    ],
)
def test_a_key_that_is_needed_stays_and_the_operator_learns_why(key: KeyTold, rest: int, words: str) -> None:
    reason = reason_to_keep(key, rest, NOW)
    assert reason is not None
    assert words in reason


@pytest.mark.parametrize(
    ("key", "rest"), [(told(), 0), (told(passwords=0), 10 * SECOND), (told(left=None), 1000 * SECOND)]
)
def test_an_old_key_that_nothing_needs_may_go(key: KeyTold, rest: int) -> None:
    assert reason_to_keep(key, rest, NOW) is None
