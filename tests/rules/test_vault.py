"""What is sealed opens where it was sealed, unaltered, and nowhere else; nothing hidden prints."""

import hmac
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as moved

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import system_randomness
from sallyport.kernel.macs import Macs
from sallyport.kernel.vault import DoesNotOpenError, Place, Ring, Vault

KEY, OTHER_KEY = "00" * 8, "ff" * 8
HOME = Place(table="totp", column="seed_sealed", user="alice", row="one")


def ring(active: str = KEY, *more: str) -> Ring:
    keys = {key_id: Hidden(key_id.encode() * 2) for key_id in (active, *more)}
    return Ring(name="sealing", active=active, keys=keys)


def vault(sealing: Ring | None = None) -> Vault:
    return Vault(sealing or ring(), replace(ring(), name="pepper"), system_randomness)


@given(st.binary())
def test_what_is_sealed_opens(value: bytes) -> None:
    assert vault().open(vault().seal(Hidden(value), HOME), HOME).reveal() == value


@given(st.binary(max_size=64), st.data())
def test_any_flipped_bit_keeps_it_shut(value: bytes, data: st.DataObject) -> None:
    sealed = bytearray(vault().seal(Hidden(value), HOME))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DoesNotOpenError):
        vault().open(bytes(sealed), HOME)


def test_every_single_flipped_bit_of_a_seed_keeps_it_shut() -> None:
    sealed = vault().seal(Hidden(bytes(20)), HOME)
    for bit in range(len(sealed) * 8):
        altered = bytearray(sealed)
        altered[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DoesNotOpenError):
            vault().open(bytes(altered), HOME)


@given(st.binary(max_size=32), st.data())
def test_whatever_is_cut_off_or_added_keeps_it_shut(value: bytes, data: st.DataObject) -> None:
    sealed = vault().seal(Hidden(value), HOME)
    cut = data.draw(st.integers(0, len(sealed) - 1))
    for altered in (sealed[:cut], sealed[cut + 1 :], sealed + data.draw(st.binary(min_size=1))):
        with pytest.raises(DoesNotOpenError):
            vault().open(altered, HOME)


@given(st.binary(max_size=200))
def test_any_bytes_at_all_stay_shut(sealed: bytes) -> None:
    with pytest.raises(DoesNotOpenError):
        vault().open(sealed, HOME)


@pytest.mark.parametrize(
    "elsewhere",
    [
        moved(HOME, table="passwords"),
        moved(HOME, column="hash_sealed"),
        moved(HOME, user="bob"),
        moved(HOME, row="two"),
        moved(HOME, user="alice" + "one", row=""),
        moved(HOME, table="totpseed_sealed", column=""),
    ],
)
def test_a_value_moved_to_another_place_does_not_open(elsewhere: Place) -> None:
    with pytest.raises(DoesNotOpenError):
        vault().open(vault().seal(Hidden(b"seed"), HOME), elsewhere)


def test_the_same_value_is_never_sealed_the_same() -> None:
    assert len({vault().seal(Hidden(b"seed"), HOME) for _ in range(100)}) == 100


def test_an_older_key_still_opens_and_the_active_one_seals() -> None:
    old = vault().seal(Hidden(b"seed"), HOME)
    rotated = vault(ring(OTHER_KEY, KEY))
    assert rotated.open(old, HOME).reveal() == b"seed"
    new = rotated.seal(Hidden(b"seed"), HOME)
    assert (old[1:9].hex(), new[1:9].hex()) == (KEY, OTHER_KEY)
    with pytest.raises(DoesNotOpenError, match=f"key {OTHER_KEY} is not in the sealing ring"):
        vault().open(new, HOME)


def test_a_fault_names_the_place_and_not_the_value() -> None:
    sealed = vault().seal(Hidden(b"a secret seed"), HOME)
    with pytest.raises(DoesNotOpenError, match=r"totp\.seed_sealed of row two") as fault:
        vault().open(sealed, moved(HOME, row="two"))
    assert fault.value.__cause__ is None


@given(st.text(max_size=20), st.text(max_size=20), st.binary(max_size=20), st.binary(max_size=20))
def test_one_purpose_never_serves_another(one: str, other: str, value: bytes, second: bytes) -> None:
    same = (one, value) == (other, second)
    if "\x1f" not in one + other:
        derived = vault().peppered(KEY, one, value), vault().peppered(KEY, other, second)
        assert (derived[0] == derived[1]) == same


@given(st.text(max_size=20), st.binary(max_size=200))
def test_a_keyed_digest_is_what_the_standard_library_makes_of_it(purpose: str, value: bytes) -> None:
    kept = vault()
    for _ in range(2):
        expected = hmac.digest(KEY.encode() * 2, purpose.encode() + b"\x1f" + value, "sha256")
        assert kept.peppered(KEY, purpose, value) == expected


def test_a_digest_is_of_the_key_that_stands_under_its_id_now() -> None:
    macs = Macs()
    for key in (bytes(32), bytes(31) + b"1"):
        assert macs.digest(KEY, Hidden(key), "purpose", b"") == hmac.digest(key, b"purpose\x1f", "sha256")
