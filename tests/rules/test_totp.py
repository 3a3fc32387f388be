"""One-time codes: pyotp and oathtool agree, the window is three steps, a step is accepted at most once."""

import secrets
import subprocess
from base64 import b32decode
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pyotp
from hypothesis import assume, given
from hypothesis import strategies as st

from sallyport.authenticators.codes import TotpCode
from sallyport.authenticators.totp.rules import (
    Accepted,
    Seed,
    accepted,
    accepted_step,
    base32,
    clock_offset,
    code_at,
    otpauth_url,
    step_at,
)
from sallyport.kernel.clock import SECOND
from sallyport.kernel.hidden import Hidden

keys = st.binary(min_size=20, max_size=20)
moments = st.integers(min_value=10_000 * SECOND, max_value=4_000_000_000 * SECOND)
unspent = 0


def phone(key: bytes) -> pyotp.TOTP:
    return pyotp.TOTP(base32(Hidden(key)))


def shown(key: bytes, now: int, steps: int = 0) -> TotpCode:
    return TotpCode(phone(key).at(now // SECOND, counter_offset=steps).encode())


def seed(key: bytes, last_step: int = unspent, uid: str = "one") -> Seed:
    return Seed(uid=uid, key=Hidden(key), last_step=last_step)


@given(keys, moments)
def test_pyotp_shows_the_same_code(key: bytes, now: int) -> None:
    assert code_at(Hidden(key), step_at(now)).decode() == phone(key).at(now // SECOND)


def test_oathtool_shows_the_same_codes(tool: Callable[[str], str]) -> None:
    oathtool = tool("oathtool")
    for _ in range(5):
        key, moment = secrets.token_bytes(20), secrets.randbelow(4_000_000_000)
        command = [oathtool, "--totp", "-b", base32(Hidden(key)), "--now", f"@{moment}", "--window", "20"]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        here = step_at(moment * SECOND)
        assert told == [code_at(Hidden(key), here + step).decode() for step in range(21)]


@given(keys, moments)
def test_the_window_is_exactly_three_steps(key: bytes, now: int) -> None:
    around = {steps: shown(key, now, steps) for steps in range(-20, 21)}
    # A code may be right by chance at another step too: that is no matter of the window.
    assume(len(set(around.values())) == len(around))
    accepted_at = [steps for steps, code in around.items() if accepted_step(seed(key), code, now) is not None]
    assert accepted_at == [-1, 0, 1]


@given(keys, moments, st.integers(min_value=0, max_value=30 * SECOND - 1))
def test_a_step_is_the_same_for_thirty_seconds(key: bytes, now: int, later: int) -> None:
    begin = now - now % (30 * SECOND)
    assert accepted_step(seed(key), shown(key, begin), begin + later) == begin // (30 * SECOND)


@given(keys, moments, st.lists(st.tuples(st.integers(-3, 3), st.integers(-2, 2)), min_size=1, max_size=30))
def test_a_step_is_accepted_at_most_once_and_none_before_it(
    key: bytes, start: int, tries: list[tuple[int, int]]
) -> None:
    now, last, taken = start, unspent, []
    for turned, ahead in tries:
        now += turned * 30 * SECOND  # the clock of the service may be set back, too
        step = accepted_step(seed(key, last), shown(key, now, ahead), now)
        if step is not None:
            taken.append(step)
            last = step
    assert taken == sorted(set(taken))


@given(st.lists(keys, min_size=1, max_size=5, unique=True), moments, st.data())
def test_the_authenticator_that_showed_the_code_is_found(held: list[bytes], now: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(held) - 1))
    code = shown(held[place], now)
    seeds = [seed(key, uid=str(number)) for number, key in enumerate(held)]
    assume(all(accepted_step(seeds[other], code, now) is None for other in range(len(held)) if other != place))
    assert accepted(seeds, code, now) == Accepted(str(place), step_at(now))


@given(keys, moments)
def test_a_code_of_no_authenticator_is_none(key: bytes, now: int) -> None:
    assert accepted([], shown(key, now), now) is None


@given(keys, moments, st.integers(-25, 25))
def test_the_offset_of_a_clock_is_told_within_ten_minutes_and_only_outside_the_window(
    key: bytes, now: int, distance: int
) -> None:
    around = [shown(key, now, step) for step in range(-25, 26)]
    assume(len(set(around)) == len(around))
    expected = distance * 30 if 2 <= abs(distance) <= 20 else None
    assert clock_offset(seed(key), shown(key, now, distance), now) == expected


labels = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters=":"), min_size=1, max_size=64)


@given(st.lists(labels, min_size=1, max_size=3).map(" ".join), labels, keys)
def test_pyotp_reads_the_uri(issuer: str, name: str, key: bytes) -> None:
    url = otpauth_url(issuer, name, Hidden(key))
    read = pyotp.parse_uri(url)
    assert isinstance(read, pyotp.TOTP)
    assert (read.issuer, read.name, read.byte_secret()) == (issuer, name, key)
    assert (read.digits, read.interval, read.digest().name) == (6, 30, "sha1")
    query = parse_qs(urlsplit(url).query)
    assert (query["algorithm"], query["digits"], query["period"]) == (["SHA1"], ["6"], ["30"])
    assert url.isascii()


@given(keys)
def test_a_seed_is_shown_as_unpadded_base32(key: bytes) -> None:
    text = base32(Hidden(key))
    assert "=" not in text
    assert b32decode(text) == key
