"""What may be restored, and under which epoch."""

import pytest

from sallyport.backups.rules import aside_ending, next_epoch, schema_fault, spent_until
from tests.world import NOON


@pytest.mark.parametrize("version", ["0001", "0002"])
def test_this_schema_and_older_ones_are_restored(version: str) -> None:
    assert schema_fault(version, "0002") is None


def test_a_newer_schema_is_refused_by_its_number() -> None:
    told = schema_fault("0003", "0002")
    assert told is not None
    assert "0003" in told
    assert "newer" in told


def test_a_file_without_a_schema_is_no_backup() -> None:
    assert schema_fault(None, "0002") == "it holds no Sallyport database"


@pytest.mark.parametrize(("known", "wanted"), [((0, 0, 0), 1), ((3, 1, 2), 4), ((0, 7, 1), 8), ((1, 2, 9), 10)])
def test_the_new_epoch_is_above_every_known_one(known: tuple[int, ...], wanted: int) -> None:
    assert next_epoch(*known) == wanted


def test_the_step_after_this_one_counts_as_spent() -> None:
    # 1_800_000_000 / 30 = 60_000_000, to the second.
    assert spent_until(NOON) == 60_000_001
    assert spent_until(NOON - 1) == 60_000_000


def test_a_replaced_database_is_named_after_the_moment() -> None:
    # date -u -d @1800000000
    assert aside_ending(NOON) == ".before-restore-20270115T080000Z"
