"""Names, addresses, passwords and identifiers, as they are read once at the edge."""

import json
import unicodedata
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from precis_i18n import get_profile

from sallyport.authenticators.password.rules import Bearer, fault, parse_password
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.text import UnfitError, bounded, printable
from sallyport.login.rules import By, Identifier, parse_basic, parse_identifier
from sallyport.users.rules import email_key, name_key, parse_email, parse_name

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "names.json").read_text())
UTF8 = st.characters(codec="utf-8")
NOBODY = Bearer(name="", email=None, mfa=False)
UID = "0190b3c4-0000-7000-8000-000000000000"


@pytest.mark.parametrize("vector", VECTORS["accepted"], ids=lambda vector: vector["note"])
def test_a_name_is_shown_as_typed_and_compared_as_prepared(vector: dict[str, Any]) -> None:
    name = parse_name(vector["typed"])
    assert (name.shown, name.key) == (vector["typed"], vector["key"])


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["note"])
def test_what_can_be_no_name_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(UnfitError) as refused:
        parse_name(vector["typed"])
    assert refused.value.pointer == "/name"


@given(st.text(UTF8, max_size=80))
def test_any_text_is_a_name_or_unfit_and_preparing_twice_changes_nothing(typed: str) -> None:
    try:
        name = parse_name(typed)
    except UnfitError:
        return
    assert name_key(name.key) == name.key
    assert 1 <= len(name.key) <= 64
    assert parse_identifier(typed) == Identifier(By.NAME, name.key)


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("Alice@Example.ORG", "alice@example.org"),
        ("alice+tag@example.org", "alice+tag@example.org"),
        ("e\u0301@example.org", "\u00e9@example.org"),
        ("alice@bücher.example.org", "alice@bücher.example.org"),
    ],
)
def test_an_address_is_compared_without_regard_to_case_and_form(typed: str, key: str) -> None:
    assert parse_email(typed).key == key
    assert email_key(typed.upper()) == email_key(typed.lower())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("alice@stra\u00dfe.example", "alice@strasse.example"),
        ("alice@\u03bf\u03b4\u03cc\u03c2.example", "alice@\u03bf\u03b4\u03cc\u03c3.example"),
        ("ali\ufb03@example.org", "aliffi@example.org"),
        ("mi\u017fter@example.org", "mister@example.org"),
    ],
)
def test_two_mailboxes_are_two_addresses_however_alike_they_fold(one: str, other: str) -> None:
    assert parse_email(one).key != parse_email(other).key
    assert parse_identifier(one) != parse_identifier(other)


@pytest.mark.parametrize(
    "typed",
    [
        *("", "alice", "@example.org", "alice@", "a b@example.org", "a@b@example.org", "alice@-.org"),
        *("a\n@example.org", "alice@example.org\u202e", "a@" + "x" * 300 + ".org", "a" * 5000),
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(UnfitError) as refused:
        parse_email(typed)
    assert refused.value.pointer == "/email"


@given(st.text(UTF8, max_size=80) | st.emails())
def test_any_text_is_an_address_or_unfit(typed: str) -> None:
    try:
        address = parse_email(typed)
    except UnfitError:
        return
    assert parse_email(address.shown) == address


@pytest.mark.parametrize(
    ("typed", "by", "key"),
    [
        (UID, By.UID, UID),
        (UID.upper(), By.NAME, UID),
        ("Alice@Example.org", By.EMAIL, "alice@example.org"),
        ("Alice", By.NAME, "alice"),
        ("no name", By.NAME, ""),
        ("", By.NAME, ""),
    ],
)
def test_an_identifier_is_one_of_three_kinds(typed: str, by: By, key: str) -> None:
    assert parse_identifier(typed) == Identifier(by, key)


@given(st.text(UTF8), st.text(UTF8))
def test_a_basic_credential_is_split_at_its_first_colon(identifier: str, password: str) -> None:
    read = parse_basic(b64encode(f"{identifier}:{password}".encode()).decode())
    assert read
    assert f"{read.identifier}:{read.value.reveal()}" == f"{identifier}:{password}"
    assert ":" not in read.identifier


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_any_header_value_is_a_basic_credential_or_none(value: str) -> None:
    parse_basic(value)


@pytest.mark.parametrize("value", ["", "!", "YWxpY2U=", "/w==", "YTpi YTpi", "é"])
def test_what_is_no_basic_credential_is_none(value: str) -> None:
    assert parse_basic(value) is None


@given(st.text(UTF8, max_size=1024))
def test_a_password_is_normalized_and_otherwise_left_alone(typed: str) -> None:
    if len(typed.encode()) > 4096:
        return
    assert parse_password(typed, "/p").reveal() == unicodedata.normalize("NFC", typed)


def test_composed_and_decomposed_letters_are_one_password() -> None:
    assert parse_password("e\u0301", "/p").reveal() == parse_password("\u00e9", "/p").reveal()


def test_a_password_is_measured_before_it_is_normalized() -> None:
    assert len(parse_password("e\u0301" * 512, "/p").reveal()) == 512
    for typed in ("x" * 1025, "e\u0301" * 513, "\u20ac" * 1366, "x" * 4097):
        with pytest.raises(UnfitError) as refused:
            parse_password(typed, "/secret")
        assert refused.value.pointer == "/secret"
    assert len(parse_password("\u20ac" * 1024, "/p").reveal()) == 1024


def said(password: str, bearer: Bearer = NOBODY, common: frozenset[str] = frozenset()) -> str | None:
    return fault(Hidden(password), bearer, 15, common)


def test_a_code_point_is_a_character_and_fifteen_are_wanted() -> None:
    for letter in ("ab", "é€", "🐎🔋"):
        assert "at least 15" in str(said(letter * 7))
        assert said(letter * 7 + "x") is None


def test_with_a_second_factor_eight_are_enough() -> None:
    bearer = Bearer(name="alice", email=None, mfa=True)
    assert "at least 8" in str(said("abcdefg", bearer))
    assert said("abcdefgh", bearer) is None
    # A shorter setting than eight can't be made; where it is lower still, it is not raised.
    assert fault(Hidden("abcdefg"), bearer, 7, frozenset()) is None


@pytest.mark.parametrize("password", ["correcthorsebattery", "CorrectHorseBattery", "correcthorsebattery" * 2])
def test_a_common_password_is_refused_in_any_case_and_over_and_over(password: str) -> None:
    assert "common" in str(said(password, common=frozenset({"correcthorsebattery"})))


def test_a_run_of_one_sign_is_on_no_list() -> None:
    assert said("a" * 1024, common=frozenset({"aaaa", "aaaaaa"})) is None


@pytest.mark.parametrize("password", ["passwordpassword", "PasswordPasswordPass", "wordwordwordwordw"])
def test_one_common_password_over_and_over_is_common(password: str) -> None:
    assert "common" in str(said(password, common=frozenset({"password", "word"})))


def test_what_only_begins_like_a_common_password_is_not_common() -> None:
    assert said("password of another kind", common=frozenset({"password"})) is None
    assert said("abababababababab", common=frozenset({"password"})) is None


@pytest.mark.parametrize(
    ("password", "bearer"),
    [
        ("my name is ALICE, all right", Bearer(name="alice", email=None, mfa=False)),
        ("mail to alice@example.org", Bearer(name="bob", email="alice@example.org", mfa=False)),
        ("alice.smith has a long one", Bearer(name="bob", email="alice.smith@example.org", mfa=False)),
    ],
)
def test_name_and_address_do_not_belong_into_a_password(password: str, bearer: Bearer) -> None:
    assert "name or the address" in str(said(password, bearer))


def test_a_name_of_three_letters_may_stand_in_a_password() -> None:
    assert said("bob has a long password", Bearer(name="bob", email="bob@example.org", mfa=False)) is None


@given(st.text(UTF8))
def test_a_field_holds_four_kibibytes(text: str) -> None:
    assert bounded("/f", text) == text
    with pytest.raises(UnfitError):
        bounded("/f", text + "x" * (4097 - len(text.encode())))


@pytest.mark.parametrize("sign", ["\x00", "\n", "\x1b", "\x7f", "\x85", "\u2028", "\u202e", "\u2066"])
def test_control_signs_are_not_printable(sign: str) -> None:
    with pytest.raises(UnfitError):
        printable("/f", f"a{sign}b")
    assert printable("/f", "añ 🐎") == "añ 🐎"


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7F), max_size=20))
def test_a_name_in_ascii_is_prepared_as_its_profile_says(typed: str) -> None:
    try:
        prepared = get_profile("UsernameCaseMapped").enforce(typed)
    except UnicodeEncodeError:
        prepared = None
    assert name_key(typed) == prepared


def test_every_sign_of_ascii_is_prepared_as_its_profile_says() -> None:
    profile = get_profile("UsernameCaseMapped")
    for sign in map(chr, range(0x21, 0x7F)):
        assert name_key(f"a{sign}B") == profile.enforce(f"a{sign}B")


def test_a_name_too_long_to_be_prepared_in_time_is_none() -> None:
    """PRECIS takes milliseconds for kilobytes: what can't end within 64 characters is not even begun."""
    assert name_key("a" * 257) is None
    with pytest.raises(UnfitError):
        parse_name("a" * 4096)
