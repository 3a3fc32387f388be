"""A typed code is parsed once, and no two spellings of one code are two codes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sallyport.authenticators.backup_codes.rules import HOW_MANY, shown, symbols
from sallyport.authenticators.codes import BackupCode, NoCode, TotpCode, parse_backup_code, parse_code
from sallyport.kernel.text import UnfitError

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CONFUSED = {"0": "0oO", "1": "1iIlL"}

digits = st.text("0123456789", min_size=6, max_size=6)
backups = st.binary(min_size=10, max_size=10).map(symbols)


@st.composite
def spellings(draw: st.DrawFn, code: str) -> str:
    """Spell a code as people do: gaps anywhere, any case, look-alikes."""
    written = []
    for symbol in code:
        written.append(draw(st.sampled_from(CONFUSED.get(symbol, symbol + symbol.lower()))))
        written.append(draw(st.text(" -", max_size=2)))
    return draw(st.text(" -", max_size=2)) + "".join(written)


@given(digits, st.data())
def test_gaps_in_a_totp_code_do_not_matter(code: str, data: st.DataObject) -> None:
    gaps = data.draw(st.lists(st.text(" -", max_size=2), min_size=6, max_size=6))
    typed = "".join(gap + digit for gap, digit in zip(gaps, code, strict=True))
    assert parse_code(typed) == parse_code(code) == TotpCode(code.encode())


@given(st.integers(min_value=0, max_value=999_999))
def test_a_number_is_padded_to_six_digits(number: int) -> None:
    assert parse_code(number) == parse_code(f"{number:06d}") == TotpCode(f"{number:06d}".encode())


@given(st.integers(min_value=1_000_000))
def test_a_longer_number_is_no_code(number: int) -> None:
    assert parse_code(number) == NoCode()


@given(st.integers(max_value=-1))
def test_a_code_has_no_sign(number: int) -> None:
    with pytest.raises(UnfitError):
        parse_code(number)


@given(backups, st.data())
def test_every_spelling_of_a_backup_code_is_one_code(code: str, data: st.DataObject) -> None:
    typed = data.draw(spellings(code))
    assert parse_code(typed) == parse_code(shown(code)) == BackupCode(code)
    assert parse_backup_code(typed) == BackupCode(code)


@given(backups, backups)
def test_two_backup_codes_are_never_one(one: str, other: str) -> None:
    assert (parse_code(shown(one)) == parse_code(shown(other))) == (one == other)


@given(st.text(max_size=40))
def test_any_text_is_one_of_three_or_unfit(typed: str) -> None:
    try:
        code = parse_code(typed)
    except UnfitError:
        assert not typed.isascii() or not typed.translate(str.maketrans("", "", " -"))
        return
    match code:
        case TotpCode(digits=found):
            assert re.fullmatch(rb"[0-9]{6}", found)
        case BackupCode(symbols=found):
            assert re.fullmatch(f"[{CROCKFORD}]{{16}}", found)
        case NoCode():
            pass


@pytest.mark.parametrize("typed", ["", " ", "--", "١٢٣٤٥٦", "１２３４５６", "12345６", "²²²²²²"])
def test_nothing_and_digits_beyond_ascii_are_unfit(typed: str) -> None:
    with pytest.raises(UnfitError):
        parse_code(typed)


@pytest.mark.parametrize("typed", ["12345", "1234567", "123456\n", "\t123456", "12a456", "U" * 16, "A" * 15, "A" * 17])
def test_text_of_the_wrong_shape_is_no_code(typed: str) -> None:
    assert parse_code(typed) == NoCode()


def test_a_code_over_four_kibibytes_is_unfit() -> None:
    assert parse_code("1" * 4096) == NoCode()
    with pytest.raises(UnfitError):
        parse_code(" " * 4091 + "123456")


@given(st.binary(min_size=10, max_size=10))
def test_a_backup_code_is_its_eighty_bits_in_crockfords_base32(bits: bytes) -> None:
    # The textbook way, digit by digit, beside the shifts of the service.
    number, expected = int.from_bytes(bits), ""
    for _ in range(16):
        number, rest = divmod(number, 32)
        expected = CROCKFORD[rest] + expected
    assert symbols(bits) == expected
    assert shown(symbols(bits)) == "-".join(expected[at : at + 4] for at in (0, 4, 8, 12))


def test_there_are_ten_backup_codes() -> None:
    assert HOW_MANY == 10
