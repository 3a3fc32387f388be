"""The tolerant body: strict JSON means what it says, two documented slips are mended, and nothing else."""

import json
import re
import subprocess
import sys
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sallyport.edge.body import MAX_BYTES, Body
from sallyport.kernel.outcomes import Refused, Why

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**53), max_value=2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
gaps = st.text(" \t\r\n", max_size=3)
PIECES = """ " \\ , , { } [ ] : 0 07 021589 1 - . e + "a" {"a": true null 1.5 é """
fragments = st.lists(st.sampled_from([*PIECES.split(), " ", "\n", "\x00"]), max_size=12).map("".join)


def read(raw: bytes) -> Any:
    return Body[Any](Any).read(raw)


def refused(outcome: Any) -> bool:
    return isinstance(outcome, Refused)


def strict(text: str) -> Any:
    """Parse as RFC 8259 wants it, with Python's own parser."""

    def no(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(text, parse_constant=no)


TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+|"', re.DOTALL)


def mended(text: str) -> str:
    """Mend the two slips token by token: another way than the service's one expression."""
    tokens: list[str] = TOKEN.findall(text)
    kept: list[str] = []
    for place, token in enumerate(tokens):
        follower = tokens[place + 1] if place + 1 < len(tokens) else ""
        leader = kept[-1] if kept else ""
        if token == "," and follower in {"}", "]"} and leader not in {"", ",", "[", "{", ":"}:
            continue
        kept.append(f'"{token}"' if re.fullmatch(r"0[0-9]+", token) else token)
    return " ".join(kept)


def wild(draw: st.DrawFn, value: Any) -> str:
    """Write a value with gaps anywhere, and a comma too many wherever one may stand."""
    slip = draw(st.sampled_from(["", ","]))
    match value:
        case dict():
            pairs = [f"{draw(gaps)}{json.dumps(key)}{draw(gaps)}:{wild(draw, one)}" for key, one in value.items()]
            return f"{draw(gaps)}{{{','.join(pairs)}{slip if pairs else ''}{draw(gaps)}}}{draw(gaps)}"
        case list():
            inner = ",".join(wild(draw, one) for one in value)
            return f"{draw(gaps)}[{inner}{slip if value else ''}{draw(gaps)}]{draw(gaps)}"
        case str() if re.fullmatch("0[0-9]+", value):
            return f"{draw(gaps)}{draw(st.sampled_from([value, json.dumps(value)]))}{draw(gaps)}"
        case _:
            return f"{draw(gaps)}{json.dumps(value)}{draw(gaps)}"


@st.composite
def slipped(draw: st.DrawFn) -> tuple[str, Any]:
    codes = st.from_regex("0[0-9]{1,8}", fullmatch=True).filter(str.isascii)
    value = draw(
        st.recursive(
            values | codes,
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=6,
        )
    )
    return wild(draw, value), value


@given(values, st.sampled_from([None, 0, 2]), st.booleans())
def test_strict_json_says_what_a_strict_parser_reads(value: Any, indent: int | None, ascii_only: bool) -> None:  # noqa: FBT001  # drawn
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert read(text.encode()) == value


@given(values)
def test_strings_that_look_like_slips_are_left_alone(value: Any) -> None:
    document = {"text": '{"type": "mfa",} [1,] 021589, "', "more": value, "code": "021589"}
    raw = json.dumps(document)
    assert read(raw.encode()) == document
    assert read(raw[:-1].encode() + b",}") == document


@given(slipped())
def test_the_two_slips_are_mended_wherever_they_stand(written: tuple[str, Any]) -> None:
    text, value = written
    assert read(text.encode()) == value


@given(fragments)
@example("[,]")
@example("{,}")
@example("[1,,]")
@example("[1 2]")
@example("01.5")
@example("-01")
@example("[1,]]")
@example("[1.05,]")
@example("[100,]")
@example("[1e05, 1E+05, -0.5,]")
@example('{"a":07,"b":[1,],}')
@example('"\\",]"')
def test_nothing_else_is_mended(text: str) -> None:
    outcome = read(text.encode())
    try:
        expected = strict(text)
    except (ValueError, RecursionError):
        try:
            expected = strict(mended(text))
        except (ValueError, RecursionError):
            assert refused(outcome), f"{text!r} was read as {outcome!r}"
            return
    assert outcome == expected


@given(st.binary(max_size=200))
@example(b"\xff")
@example(b"[" * 60_000)
@example(b'{"a":' * 10_000)
@example(b'"\\ud800"')
@example(b"1e999999")
@example(b"9" * 5_000)
@example(b"\xef\xbb\xbf{}")
@example(b"")
def test_no_bytes_make_it_raise(raw: bytes) -> None:
    outcome = read(raw)
    if refused(outcome):
        assert outcome.why is Why.MALFORMED_JSON


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    token: str | int
    note: str = ""


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"token": "021589"}', "021589"),
        (b'{\n    "token": 021589,\n}', "021589"),
        (b'{"token": 21589}', 21589),
        (b'{"token": 000000}', "000000"),
        (b'{"token": 0}', 0),
        (b'{"token": "a,}", }', "a,}"),
        (b'{"note": "\\\\", "token": 01 ,}', "01"),
    ],
)
def test_a_code_arrives_as_it_was_written(raw: bytes, expected: str | int) -> None:
    assert Body(Wanted).read(raw) == Wanted(expected, "\\" if b"note" in raw else "")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{"token": true}', Why.INVALID_REQUEST),
        (b'{"token": 1.5}', Why.INVALID_REQUEST),
        (b'{"token": null}', Why.INVALID_REQUEST),
        (b'{"token": ["021589"]}', Why.INVALID_REQUEST),
        (b'{"token": {}}', Why.INVALID_REQUEST),
        (b"{}", Why.INVALID_REQUEST),
        (b"[]", Why.INVALID_REQUEST),
        (b"[,]", Why.MALFORMED_JSON),
        (b'{"token": "1", "other": 1}', Why.UNKNOWN_FIELD),
        (b'{"token": "1", "other": 1,}', Why.UNKNOWN_FIELD),
        (b'{"token": true', Why.MALFORMED_JSON),
        (b'{"other": 1', Why.MALFORMED_JSON),
        (b'{"token": "1"} x', Why.MALFORMED_JSON),
        (b"{'token': '1'}", Why.MALFORMED_JSON),
        (b'{token: "1"}', Why.MALFORMED_JSON),
        (b'{"token": "1" /* c */}', Why.MALFORMED_JSON),
        (b'{"token": NaN}', Why.MALFORMED_JSON),
        (b'{"token": +1}', Why.MALFORMED_JSON),
        (b'{"token": 0x10}', Why.MALFORMED_JSON),
        (b'{"token": -021589}', Why.MALFORMED_JSON),
        (b'{"token": 01.5}', Why.MALFORMED_JSON),
        (b'{"token": 1,,}', Why.MALFORMED_JSON),
        (b',{"token": 1}', Why.MALFORMED_JSON),
        (b'{"token": \xd9\xa0\xd9\xa1}', Why.MALFORMED_JSON),
    ],
)
def test_what_does_not_fit_is_refused_for_what_it_is(raw: bytes, why: Why) -> None:
    outcome = Body(Wanted).read(raw)
    assert isinstance(outcome, Refused)
    assert outcome.why is why


def test_an_unknown_field_is_named_back_where_it_looks_like_one() -> None:
    outcome = Body(Wanted).read(b'{"token": "1", "isAdmin": 1}')
    assert isinstance(outcome, Refused)
    assert outcome.detail == "Object contains unknown field 'isAdmin'."
    assert outcome.pointer == "/isAdmin"


@pytest.mark.parametrize(
    "name",
    [
        "correct horse battery staple",
        "spr_" + "A" * 43,
        "eyJhbGciOiJFUzI1NiJ9.e30.c2ln",
        "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "7K3M9QWERTYUPASD",
        "ABCD-EFGH-JKMN-PQRS",
        "021589",
        "",
        "x" * 60_000,
        "a` - at `$.b",
        "é",
    ],
)
def test_what_may_be_a_secret_in_the_place_of_a_name_is_not_given_back(name: str) -> None:
    outcome = Body(Wanted).read(json.dumps({"token": "1", name: 1}).encode())
    assert outcome == Refused(why=Why.UNKNOWN_FIELD, pointer="/")


class OneOf(msgspec.Struct):
    type: Literal["one", "other", 1]


@pytest.mark.parametrize("value", ["correct horse battery staple", "' - at `$.x`", 21589, "021589"])
def test_what_may_be_a_secret_in_the_place_of_a_word_is_not_given_back(value: str | int) -> None:
    outcome = Body(OneOf).read(json.dumps({"type": value}).encode())
    assert outcome == Refused(why=Why.INVALID_REQUEST, detail="Invalid value.", pointer="/type")


@given(st.binary(max_size=80) | fragments.map(str.encode))
def test_no_bytes_make_a_typed_body_raise(raw: bytes) -> None:
    outcome = Body(Wanted).read(raw)
    assert isinstance(outcome, Wanted | Refused)


def test_a_body_of_the_largest_size_is_judged_in_a_moment() -> None:
    # A string that never ends: each of its quotes was tried as the beginning of another one, 20 s in all.
    raw = 'b"\\x22" + b"\\\\\\x22" * ' + str(MAX_BYTES // 2 - 1)
    question = f"from sallyport.edge.body import Body; print(Body(dict).read({raw}).why.name)"
    asked = subprocess.run(  # the bound is a stop for a hang, some hundred times what it takes
        [sys.executable, "-c", question], capture_output=True, text=True, timeout=8, check=True
    )
    assert asked.stdout.strip() == "MALFORMED_JSON"


class Inner(msgspec.Struct):
    words: list[str]


class Outer(msgspec.Struct):
    inner: Inner
    words: list[str]


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        (b'{"inner": {"words": []}, "words": ["a", 5]}', "/words/1"),
        (b'{"inner": {"words": ["a", "b", null]}, "words": []}', "/inner/words/2"),
        (b'{"inner": {"words": {}}, "words": []}', "/inner/words"),
        (b'{"inner": [], "words": []}', "/inner"),
    ],
)
def test_what_is_at_fault_inside_is_named_by_a_json_pointer(raw: bytes, pointer: str) -> None:
    """RFC 6901 3: each step behind a slash, places in a list as numbers."""
    outcome = Body(Outer).read(raw)
    assert isinstance(outcome, Refused)
    assert (outcome.why, outcome.pointer) == (Why.INVALID_REQUEST, pointer)
