"""Secrets that are planted, and the search for them in every form in which one may leak."""

import json
import re
from base64 import b32decode, b32encode, b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote


def encoded(secret: bytes) -> Iterator[bytes]:
    """Yield how a secret may be written otherwise: hex, and base32 and base64 in every alignment."""
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    for pad in range(3):
        start = (pad * 8 + 5) // 6
        for encode in (b64encode, urlsafe_b64encode):
            # Leave out the characters that share bits with what stands before or behind.
            yield encode(b"\0" * pad + secret).rstrip(b"=")[start:-1]
    for pad in range(5):
        start = (pad * 8 + 4) // 5
        yield b32encode(b"\0" * pad + secret).rstrip(b"=")[start:-1]


def forms(secret: bytes) -> Iterator[bytes]:
    """Yield every form of a secret: raw, as JSON and URLs escape it, and encoded."""
    yield secret
    try:
        text = secret.decode()
    except UnicodeDecodeError:
        pass
    else:
        yield json.dumps(text)[1:-1].encode()
        yield quote(text, safe="").encode()
    yield from encoded(secret)


class Secrets:
    """All that must not be found: what a person held in the course of a journey."""

    def __init__(self) -> None:
        self.found: dict[str, bytes] = {}
        self._short: dict[str, re.Pattern[bytes]] = {}

    def add(self, **secrets: str) -> None:
        for name, secret in secrets.items():
            self.found[f"{name} {len(self.found)}"] = secret.encode()

    def add_seed(self, secret: str) -> None:
        self.add(seed=secret)
        self.found[f"key {len(self.found)}"] = b32decode(secret)

    def add_codes(self, codes: list[str]) -> None:
        for code in codes:
            self.add(code=code, bare=code.replace("-", ""))

    def add_tokens(self, token: str, refresh: str) -> None:
        self.add(access=token, signature=token.rpartition(".")[2], refresh=refresh, random=refresh[4:])

    def add_digits(self, code: str) -> None:
        """Add six digits: raw they are found as a word only, since every date has six digits somewhere."""
        self._short[f"digits {code}"] = re.compile(
            b"|".join([rb"(?<![0-9A-Za-z])" + code.encode() + rb"(?![0-9A-Za-z])", *encoded(code.encode())])
        )

    def leak(self, where: bytes) -> list[str]:
        """Name what is found there."""
        long = [name for name, secret in self.found.items() if any(form in where for form in forms(secret))]
        return long + [name for name, pattern in self._short.items() if pattern.search(where)]

    def names(self) -> set[str]:
        """Return the names of all that was added so far."""
        return {*self.found, *self._short}

    def leaks(self, places: Iterable[tuple[str, bytes, set[str]]]) -> list[str]:
        """Name what is found in each place, but what may stand there."""
        return [
            f"{name} in {place}" for place, text, allowed in places for name in self.leak(text) if name not in allowed
        ]
