"""The policy of the throttle, as properties of a pure function of state and time."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sallyport.kernel.clock import DAY, HOUR, MINUTE, SECOND
from sallyport.throttle.rules import (
    ADDRESS,
    CLEARING,
    FOREVER,
    NONE,
    SECOND_FACTOR,
    Lane,
    Tries,
    Window,
    address_key,
    address_wait,
    code_wait,
    counted,
    expires_at,
    mark_of,
    packed,
    password_wait,
    remembered,
    settled,
    standing,
    uncounted,
    unpacked,
)
from tests.world import NOON

GAPS = st.lists(st.integers(0, 2 * HOUR), max_size=120)


def after(gaps: list[int], windows: tuple[Window, ...], *, known: bool = False) -> tuple[Tries, int]:
    """Return what was counted of tries with these gaps between them, and the moment of the last."""
    tries, now = NONE, NOON
    for gap in gaps:
        now += gap
        tries = counted(tries, now, windows, known=known)
    return tries, now


def failures(count: int) -> Tries:
    return Tries(in_a_row=count, last_at=NOON)


# --- passwords -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failed", "seconds"),
    [(0, 0), (4, 0), (5, 30), (6, 60), (7, 120), (8, 240), (9, 480), (10, 960), (11, 1920), (12, 3600), (13, 3600)],
)
def test_five_tries_of_a_password_are_free_and_then_waits_double_up_to_an_hour(failed: int, seconds: int) -> None:
    assert password_wait(failures(failed), NOON, hard_stop=False) == seconds * SECOND


@given(st.integers(0, 10_000), st.integers(0, 2 * HOUR))
def test_waits_never_shrink_with_failures(failed: int, later: int) -> None:
    now = NOON + later
    waits = [password_wait(failures(more), now, hard_stop=False) for more in range(failed, failed + 3)]
    assert all(first <= second for first, second in pairwise(waits))
    assert max(waits) <= HOUR


@given(st.integers(5, 200))
def test_a_wait_is_over_to_the_microsecond(failed: int) -> None:
    tries = failures(failed)
    wait = password_wait(tries, NOON, hard_stop=False)
    assert password_wait(tries, NOON + wait - 1, hard_stop=False) == 1
    assert password_wait(tries, NOON + wait, hard_stop=False) == 0


@pytest.mark.parametrize(("failed", "stops"), [(99, False), (100, True), (101, True)])
def test_a_hundred_failures_stop_a_password_where_nist_is_wanted(failed: int, stops: bool) -> None:  # noqa: FBT001  # a column of the table
    later = NOON + 365 * DAY
    assert (password_wait(failures(failed), later, hard_stop=True) > 0) is stops
    assert password_wait(failures(failed), later, hard_stop=False) == 0


def test_failures_of_a_password_are_forgotten_a_day_after_the_last() -> None:
    assert remembered(failures(7), NOON + DAY - 1) == failures(7)
    assert remembered(failures(7), NOON + DAY) == NONE


# --- second factors --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("known", "kept", "most"), [(False, False, 5), (False, True, 4), (True, True, 5)])
def test_so_many_codes_are_tried_in_five_minutes_and_the_next_one_waits(known: bool, kept: bool, most: int) -> None:  # noqa: FBT001  # columns of the table
    tries = NONE
    for _ in range(most):
        assert code_wait(tries, NOON, known=known, kept=kept) == 0
        tries = counted(tries, NOON, SECOND_FACTOR, known=known)
    assert code_wait(tries, NOON, known=known, kept=kept) == 5 * MINUTE
    assert code_wait(tries, NOON + 5 * MINUTE - 1, known=known, kept=kept) == 1
    assert code_wait(tries, NOON + 5 * MINUTE, known=known, kept=kept) == 0


@given(st.lists(st.integers(0, 4 * HOUR), min_size=1, max_size=150), st.booleans(), st.booleans())
def test_no_five_minutes_hour_or_day_sees_more_tries_than_there_are(gaps: list[int], known: bool, kept: bool) -> None:  # noqa: FBT001  # drawn
    tries, now, allowed = NONE, NOON, list[int]()
    for gap in gaps:
        now += gap
        if code_wait(tries, now, known=known, kept=kept) == 0:
            tries = counted(tries, now, SECOND_FACTOR, known=known)
            allowed.append(now)
    for span, most in ((5 * MINUTE, 5), (HOUR, 20), (DAY, 50)):
        here = most - most // 5 if kept and not known else most
        assert max(sum(at <= other < at + span for other in allowed) for at in allowed) <= here


@given(GAPS, st.booleans())
def test_the_wait_that_is_told_is_enough(gaps: list[int], known: bool) -> None:  # noqa: FBT001  # drawn
    tries, now = after(gaps, SECOND_FACTOR, known=known)
    wait = code_wait(tries, now, known=known, kept=True)
    assert code_wait(tries, now + wait, known=known, kept=True) == 0


@given(GAPS, st.booleans())
def test_one_more_failure_never_shortens_the_wait_for_a_code(gaps: list[int], known: bool) -> None:  # noqa: FBT001  # drawn
    tries, now = after(gaps, SECOND_FACTOR)
    more = counted(tries, now, SECOND_FACTOR, known=False)
    assert code_wait(more, now, known=known, kept=True) >= code_wait(tries, now, known=known, kept=True)


@given(GAPS)
def test_strangers_never_use_up_what_is_kept_for_known_clients(gaps: list[int]) -> None:
    tries, now = after(gaps, SECOND_FACTOR, known=False)
    assert code_wait(tries, now, known=True, kept=True) == 0


def test_a_known_client_has_its_fifth_and_no_more_while_strangers_try() -> None:
    tries, now = NONE, NOON
    for _ in range(5):
        tries = counted(tries, now, SECOND_FACTOR, known=False)
    assert code_wait(tries, now, known=True, kept=True) == 0
    tries = counted(tries, now, SECOND_FACTOR, known=True)
    assert code_wait(tries, now, known=True, kept=True) == 5 * MINUTE


# --- addresses -------------------------------------------------------------------------------------------------------


def test_a_hundred_failures_come_from_an_address_in_five_minutes_and_the_next_one_waits() -> None:
    tries, now = NONE, NOON
    for _ in range(100):
        assert address_wait(tries, now) == 0
        tries = counted(tries, now, ADDRESS, known=False)
        now += SECOND
    assert address_wait(tries, now) == 5 * MINUTE - 100 * SECOND


@pytest.mark.parametrize(
    ("ip", "key"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("fe80::1%any text", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("unix socket", ""),
        ("255.0.99.100", "255.0.99.100"),
        # What is no address to one who reads them strictly.
        ("256.0.0.1", ""),
        ("01.2.3.4", ""),
        ("1.2.3", ""),
        ("1.2.3.4.5", ""),
        ("1.2.3.4\n", ""),
        ("\u0661.2.3.4", ""),
    ],
)
def test_an_address_is_one_of_ipv4_or_a_64_of_ipv6(ip: str, key: str) -> None:
    assert address_key(ip) == key


# --- the state -------------------------------------------------------------------------------------------------------


@given(GAPS, st.booleans())
def test_a_try_that_is_taken_back_leaves_no_mark(gaps: list[int], known: bool) -> None:  # noqa: FBT001  # drawn
    tries, now = after(gaps, SECOND_FACTOR)
    again = uncounted(counted(tries, now, SECOND_FACTOR, known=known), mark_of(now, known=known))
    assert again.in_a_row == tries.in_a_row
    assert sorted(again.marks) == sorted(mark for mark in tries.marks if now - (mark >> 1) < DAY)


def test_what_was_never_counted_can_be_taken_back() -> None:
    assert uncounted(NONE, mark_of(NOON, known=False)) == NONE


def test_marks_that_no_window_sees_any_more_are_gone() -> None:
    tries, now = after([0] * 60, SECOND_FACTOR)
    assert len(counted(tries, now + DAY - 1, SECOND_FACTOR, known=False).marks) == 61
    assert len(counted(tries, now + DAY, SECOND_FACTOR, known=False).marks) == 1


def test_failures_in_a_row_outlast_every_window() -> None:
    tries, now = after([2 * DAY] * 100, SECOND_FACTOR)
    assert tries.in_a_row == 100
    assert code_wait(tries, now + DAY, known=False, kept=True) == 0


@given(st.lists(st.integers(0, 2**62), max_size=60))
def test_marks_come_back_from_the_database_as_they_were(marks: list[int]) -> None:
    assert unpacked(packed(marks)) == tuple(marks)


def test_a_success_that_was_put_off_takes_effect_in_its_moment() -> None:
    tries = Tries(in_a_row=5, last_at=NOON, cleared_at=NOON + 5)
    assert standing(tries, NOON + 4) == tries
    assert standing(tries, NOON + 5) == NONE
    assert standing(failures(5), NOON + DAY) == failures(5)


def test_counters_are_kept_as_long_as_they_say_anything() -> None:
    assert expires_at(Lane.ADDRESS, failures(1), hard_stop=False) == NOON + 5 * MINUTE
    assert expires_at(Lane.SECOND_FACTOR, failures(1), hard_stop=False) == FOREVER
    for lane in (Lane.PASSWORD, Lane.CLIENT):
        assert expires_at(lane, failures(1), hard_stop=False) == NOON + DAY
        assert expires_at(lane, failures(1), hard_stop=True) == FOREVER


@given(gaps=GAPS, back=st.integers(-DAY, 400 * DAY))
def test_what_a_clock_of_the_future_noted_counts_as_made_now(gaps: list[int], back: int) -> None:
    noted, last = after(gaps, SECOND_FACTOR, known=True)
    noted = msgspec.structs.replace(noted, refused_at=last, cleared_at=last + CLEARING)
    now = last - back
    seen = settled(noted, now)
    assert seen.in_a_row == noted.in_a_row
    assert seen.last_at == min(noted.last_at, now)
    assert seen.refused_at == min(last, now)
    assert seen.cleared_at == min(last, now) + CLEARING
    assert [mark >> 1 for mark in seen.marks] == [min(mark >> 1, now) for mark in noted.marks]
    assert [mark & 1 for mark in seen.marks] == [mark & 1 for mark in noted.marks]
    assert settled(seen, now) is seen


@given(gaps=GAPS, back=st.integers(0, 400 * DAY))
def test_no_wait_is_longer_after_the_clock_was_set_back(gaps: list[int], back: int) -> None:
    noted, last = after(gaps, SECOND_FACTOR)
    seen = settled(noted, last - back)
    assert 0 <= password_wait(seen, last - back, hard_stop=False) <= HOUR
    assert 0 <= code_wait(seen, last - back, known=False, kept=True) <= DAY
    assert 0 <= address_wait(seen, last - back) <= ADDRESS[0].span
