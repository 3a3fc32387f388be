"""The arithmetic of TOTP: codes, the window, the URI. RFC 4226, RFC 6238."""

import hmac
from base64 import b32encode
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

import msgspec
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.hmac import HMAC

from sallyport.authenticators.codes import DIGITS, TotpCode
from sallyport.kernel.clock import DAY, MINUTE, SECOND
from sallyport.kernel.hidden import Hidden

PERIOD: Final = 30
"""Seconds a step lasts. RFC 6238 5.2."""
SKEW: Final = 1
"""Steps accepted on either side of now."""
ALGORITHM: Final = "SHA1"
"""What every authenticator app can do; HMAC does not rest on the weakness of SHA-1."""
SEED_BYTES: Final = 20
"""160 bits. RFC 4226 4, R6."""

MOST_ENROLLED: Final = 5
PENDING_LIFETIME: Final = 10 * MINUTE
PENDING_TRIES: Final = 5
UNDO_LIFETIME: Final = 3 * DAY
"""How long one comes back that its owner has removed."""
NO_STEP: Final = 0
_HINT_STEPS: Final = 600 // PERIOD


class Seed(msgspec.Struct, frozen=True, kw_only=True):
    """An opened seed, and the last step that was accepted of it."""

    uid: str
    key: Hidden[bytes]
    last_step: int


class Accepted(msgspec.Struct, frozen=True):
    """A code that is right, by the authenticator and step that it belongs to. Still to be claimed."""

    uid: str
    step: int


def step_at(now: int) -> int:
    """Return the step of a moment in microseconds. RFC 6238 4.2."""
    return now // (PERIOD * SECOND)


def code_at(key: Hidden[bytes], step: int) -> bytes:
    """Return the six digits of a step. RFC 4226 5.3."""
    return _code(_begun(key), step)


def _begun(key: Hidden[bytes]) -> HMAC:
    """Take a key in once for all the steps that it is asked about."""
    return HMAC(key.reveal(), SHA1())  # noqa: S303  # as said at ALGORITHM


def _code(begun: HMAC, step: int) -> bytes:
    made = begun.copy()
    made.update(step.to_bytes(8))
    mac = made.finalize()
    offset = mac[-1] & 0x0F
    number = int.from_bytes(mac[offset : offset + 4]) & 0x7FFF_FFFF
    return b"%06d" % (number % 10**DIGITS)


def accepted_step(seed: Seed, code: TotpCode, now: int) -> int | None:
    """Return the step for which a code is right and not spent, in the window of one step on either side."""
    here, begun = step_at(now), _begun(seed.key)
    found = None
    for step in range(here - SKEW, here + SKEW + 1):
        # RFC 6238 5.2: a second use of the same step, or one before it, must fail.
        right = hmac.compare_digest(_code(begun, step), code.digits)
        if right and step > seed.last_step and found is None:
            found = step
    return found


def accepted(seeds: Iterable[Seed], code: TotpCode, now: int) -> Accepted | None:
    """Return which of a user's authenticators showed this code."""
    for seed in seeds:
        step = accepted_step(seed, code, now)
        if step is not None:
            return Accepted(seed.uid, step)
    return None


def clock_offset(seed: Seed, code: TotpCode, now: int) -> int | None:
    """Return how many seconds ahead a clock is that showed this code, within ten minutes either way, or None."""
    here, begun = step_at(now), _begun(seed.key)
    for distance in range(SKEW + 1, _HINT_STEPS + 1):
        for step in (here - distance, here + distance):
            if hmac.compare_digest(_code(begun, step), code.digits):
                return (step - here) * PERIOD
    return None


def base32(key: Hidden[bytes]) -> str:
    """Write a seed as authenticator apps read it: base32 without padding."""
    return b32encode(key.reveal()).rstrip(b"=").decode()


def otpauth_url(issuer: str, name: str, key: Hidden[bytes]) -> str:
    """Return the key URI that an authenticator app scans, every parameter spelled out."""
    label = f"{quote(issuer, safe='')}:{quote(name, safe='')}"
    return (
        f"otpauth://totp/{label}?secret={base32(key)}&issuer={quote(issuer, safe='')}"
        f"&algorithm={ALGORITHM}&digits={DIGITS}&period={PERIOD}"
    )
