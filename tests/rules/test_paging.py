"""Which part of a list is wanted."""

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sallyport.edge.paging import Page, page
from sallyport.kernel.text import UnfitError

UID = "0190b3c4-0000-7000-8000-000000000000"


def test_without_a_query_the_first_hundred_are_wanted() -> None:
    assert page({}) == Page(limit=100, skip=0, sort="", after=None)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"limit": "0"}, "/limit"),
        ({"limit": "1001"}, "/limit"),
        ({"limit": ""}, "/limit"),
        ({"limit": "-1"}, "/limit"),
        ({"limit": "+1"}, "/limit"),
        ({"limit": "1.0"}, "/limit"),
        ({"limit": "١"}, "/limit"),
        ({"limit": "²"}, "/limit"),
        ({"limit": "9" * 5_000}, "/limit"),
        ({"skip": "10001"}, "/skip"),
        ({"skip": "-1"}, "/skip"),
        ({"sort": "Name"}, "/sort"),
        ({"sort": "-name"}, "/sort"),
        ({"sort": ""}, "/sort"),
        ({"after": ""}, "/after"),
        ({"after": "me"}, "/after"),
        ({"token": "x"}, "/token"),
    ],
)
def test_what_is_unknown_or_out_of_range_is_refused(query: dict[str, str], pointer: str) -> None:
    with pytest.raises(UnfitError) as refused:
        page(query)
    assert refused.value.pointer == pointer


@given(st.integers(1, 1000), st.integers(0, 10_000), st.sampled_from(["name", "-dateCreated"]))
def test_what_is_in_range_is_read(limit: int, skip: int, sort: str) -> None:
    query = {"limit": str(limit), "skip": str(skip), "sort": sort, "after": UID}
    assert page(query) == Page(limit=limit, skip=skip, sort=sort, after=UID)


@given(st.integers(0, 30), st.integers(1, 7), st.sampled_from(["", "-dateCreated"]))
def test_a_walk_along_the_links_meets_each_one_once(how_many: int, limit: int, sort: str) -> None:
    found = [f"{number:08d}-0000-7000-8000-000000000000" for number in range(how_many)]
    met: list[str] = []
    query = {"limit": str(limit)} | ({"sort": sort} if sort else {})
    for _ in range(how_many + 2):
        wanted = page(query)
        part = wanted.cut(found, key=str)
        met += part
        headers = wanted.link("/users/me/secrets", part[-1], len(part)) if part else ()
        if not headers:
            break
        target = re.fullmatch(r'<(.*)>; rel="next"', headers[0][1])
        assert target
        query = dict(parse_qsl(urlsplit(target[1]).query))
    assert met == (found[::-1] if sort else found)


def test_behind_one_that_is_gone_a_walk_goes_on_by_uid() -> None:
    older, newer = UID.replace("0190", "0189"), UID.replace("0190", "0191")
    assert Page(limit=10, skip=0, sort="", after=UID).cut([older, newer], key=str) == [newer]
    assert Page(limit=10, skip=0, sort="-dateCreated", after=UID).cut([older, newer], key=str) == [older]


def test_a_walk_by_name_says_that_its_place_is_gone() -> None:
    with pytest.raises(UnfitError) as refused:
        Page(limit=10, skip=0, sort="name", after=UID).cut(["a", "b"], key=str, name=str)
    assert refused.value.pointer == "/after"


def test_skipping_comes_before_the_limit() -> None:
    assert Page(limit=2, skip=1, sort="", after=None).cut(["a", "b", "c", "d"], key=str) == ["b", "c"]
