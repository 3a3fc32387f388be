"""Counting: what is counted once is there once, in the right bucket, from any thread."""

import sys
from collections.abc import Iterator
from threading import Thread

import pytest

from sallyport.kernel.meters import Attempts, Family, Histogram, Meters, Reading, Tally, total


@pytest.fixture
def hurried_threads() -> Iterator[None]:
    """Let threads take turns as often as they can: a count that is read and then written gets lost."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def rows(meter: Tally | Histogram | Reading) -> dict[tuple[str, ...], list[float]]:
    return meter.family().rows


def test_a_tally_counts_by_its_labels() -> None:
    attempts = Attempts()
    for outcome in ("granted", "refused", "refused"):
        attempts.count("totp", outcome)
    attempts.count("password", "refused")
    assert rows(attempts.tally) == {
        ("totp", "granted"): [1],
        ("totp", "refused"): [2],
        ("password", "refused"): [1],
    }


def test_a_tally_without_labels_is_there_before_anything_is_counted() -> None:
    assert rows(Tally("some", "Some.")) == {(): [0]}
    assert rows(Tally("some", "Some.", "by")) == {}


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(0, [1, 0, 0, 0]), (1, [1, 0, 0, 1]), (1.001, [0, 1, 0, 1.001]), (2, [0, 1, 0, 2]), (2.5, [0, 0, 1, 2.5])],
)
def test_a_bucket_holds_what_is_not_above_its_bound(value: float, wanted: list[float]) -> None:
    histogram = Histogram("some", "Some.", "by", bounds=(1, 2))
    histogram.observe(value, "x")
    assert rows(histogram) == {("x",): wanted}


def test_a_reading_is_looked_at_when_it_is_asked_for() -> None:
    kept = [7]
    reading = Reading("some", "Some.", "gauge", lambda: kept[0])
    kept[0] = 8
    assert rows(reading) == {(): [8.0]}


def test_what_was_read_does_not_change_with_what_is_counted_later() -> None:
    tally, histogram = Tally("some", "Some."), Histogram("other", "Other.", bounds=(1,))
    before = [tally.family(), histogram.family()]
    tally.count()
    histogram.observe(1)
    assert [family.rows for family in before] == [{(): [0]}, {(): [0, 0, 0]}]


def test_no_count_is_lost_between_threads(hurried_threads: None) -> None:
    tally, histogram = Tally("some", "Some.", "by"), Histogram("other", "Other.", "by", bounds=(1,))

    def count() -> None:
        for _ in range(20_000):
            tally.count("x")
            histogram.observe(1, "x")

    threads = [Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rows(tally) == {("x",): [80_000]}
    assert rows(histogram) == {("x",): [80_000, 0, 80_000]}


def test_the_numbers_of_several_processes_are_added_up() -> None:
    one, other = Meters(), Meters()
    one.attempts.count("totp", "granted")
    one.attempts.count("totp", "refused")
    other.attempts.count("totp", "refused")
    one.requests.observe(0.002, "/a", "GET", "200")
    other.requests.observe(0.3, "/a", "GET", "200")
    before = [family.rows.copy() for family in one.families()]
    summed = {family.name.name: family for family in total([*one.families(), *other.families()])}
    assert list(summed) == ["sallyport_http_request_seconds", "sallyport_attempts", "sallyport_throttled"]
    assert summed["sallyport_attempts"].rows == {("totp", "granted"): [1], ("totp", "refused"): [2]}
    (numbers,) = summed["sallyport_http_request_seconds"].rows.values()
    assert numbers == [0, 1, 0, 0, 0, 0, 0, 0, 1, 0, pytest.approx(0.302)]
    assert [family.rows for family in one.families()] == before


def test_what_two_processes_count_differently_is_not_added_up() -> None:
    one = Histogram("some", "Some.", bounds=(1,)).family()
    other = Histogram("some", "Some.", bounds=(1, 2)).family()
    with pytest.raises(ValueError, match=r"shorter|longer"):
        total([one, other])


def test_adding_up_one_gives_it_back() -> None:
    family: Family = Tally("some", "Some.").family()
    assert total([family]) == [family]
