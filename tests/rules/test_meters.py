"""Counting: what is counted once is there once, in the right bucket, from any thread."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from sallyport.kernel.meters import Attempts, Family, Histogram, Meters, Reading, Tally, total
from sallyport.kernel.sharing import Shared


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
    assert list(summed) == [
        *("sallyport_http_request_seconds", "sallyport_attempts", "sallyport_throttled"),
        "sallyport_policy_reported",
    ]
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


class Process:
    """Another process as the folder shows it: a file under its id."""

    def __init__(self, folder: Path, pid: int) -> None:
        self.meters, self.gauge = Meters(), 0
        self.meters.watch(Reading("some", "Some.", "gauge", lambda: self.gauge))
        self.shared = Shared(folder, self.meters.families)
        self.shared._file = folder / str(pid)

    def told(self) -> tuple[float, float]:
        found = {family.name.name: family for family in self.shared.families()}
        return found["sallyport_attempts"].rows[("totp", "granted")][0], found["some"].rows[()][0]


@pytest.fixture
def ended() -> int:
    """The id of a process that is no more."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_whichever_process_is_asked_tells_of_all(tmp_path: Path) -> None:
    one, other = Process(tmp_path, os.getpid()), Process(tmp_path, os.getppid())
    for process in (one, other, other):
        process.meters.attempts.count("totp", "granted")
        process.gauge += 1
    assert one.told() == (1, 1)
    assert other.told() == (3, 3)
    assert one.told() == (3, 3)


def test_a_number_once_shown_never_falls_whoever_is_asked_next(tmp_path: Path) -> None:
    one, other = Process(tmp_path, os.getpid()), Process(tmp_path, os.getppid())
    one.meters.attempts.count("totp", "granted")
    other.meters.attempts.count("totp", "granted")
    for process in (one, other, one, other):
        process.shared.leave()
    shown = []
    for turn in range(10):
        asked = (one, other)[turn % 2]
        asked.meters.attempts.count("totp", "granted")
        shown.append(asked.told()[0])
    assert shown == sorted(shown)
    assert shown[-1] == 12


def test_of_a_process_that_ended_the_counts_stay_and_the_gauges_go(tmp_path: Path, ended: int) -> None:
    one, gone = Process(tmp_path, os.getpid()), Process(tmp_path, ended)
    for process in (one, gone):
        process.meters.attempts.count("totp", "granted")
        process.gauge = 5
        process.shared.leave()
    assert one.told() == (2, 5)


def test_what_can_not_be_left_is_told_all_the_same(tmp_path: Path) -> None:
    one, other = Process(tmp_path, os.getpid()), Process(tmp_path, os.getppid())
    other.meters.attempts.count("totp", "granted")
    other.shared.leave()
    one.meters.attempts.count("totp", "granted")
    # A folder stands where the file would be written: nobody, not even root, writes there.
    (tmp_path / f"{os.getpid()}.new").mkdir()
    assert one.told() == (2, 0)
    with pytest.raises(OSError, match="directory"):
        one.shared.leave()


def test_scrapes_and_the_beat_at_once_leave_whole_numbers(tmp_path: Path, hurried_threads: None) -> None:
    one, other = Process(tmp_path, os.getpid()), Process(tmp_path, os.getppid())
    one.meters.attempts.count("totp", "granted")
    one.shared.leave()
    faults: list[Exception] = []

    def leave() -> None:
        for _ in range(200):
            try:
                one.shared.leave()
            except OSError as fault:
                faults.append(fault)

    threads = [Thread(target=leave) for _ in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert other.told()[0] == 1
    assert faults == []
