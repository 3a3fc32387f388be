"""The rules of the house, looked after by machine."""

from collections.abc import Callable

import pytest

from tests import house

RULES = [
    house.long_files,
    house.long_functions,
    house.poor_names,
    house.endless_loops,
    house.open_records,
    house.prints,
    house.loose_ends,
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_is_in_order(rule: Callable[[], list[str]]) -> None:
    assert rule() == []


def test_there_is_a_source_to_look_at() -> None:
    assert len(house.modules()) > 50
    assert {"sallyport.wiring", "sallyport.kernel", "sallyport.kernel.vault"} <= {one.name for one in house.modules()}


def test_secrets_are_opened_in_known_places_only() -> None:
    assert house.reveals() == set(house.REVEALS)


def test_no_exception_stands_in_a_list_for_nothing() -> None:
    names = {f"{name}.{getattr(node, 'name', '')}" for module in house.modules() for name, node in module.nodes()}
    assert names >= set(house.POSITIONAL) | set(house.ENDLESS)


def test_access_tokens_are_made_in_one_place() -> None:
    assert house.reaches_of_the_mint() == ["sallyport.sessions.flow.keeper.SessionKeeper.tokens"]


def test_the_keeper_is_asked_for_tokens_in_known_places_only() -> None:
    assert house.givers_of_tokens() == house.TOKENS_GIVEN_BY
