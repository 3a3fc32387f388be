"""The people of a benchmark: rows written in bulk, with seals that open and one Argon2 hash shared by all."""

import base64
import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher, Type

from bench.load import request
from sallyport.authenticators.api_keys import store as api_keys
from sallyport.authenticators.api_keys.digest import digests
from sallyport.authenticators.api_keys.rules import RANDOM_BYTES, Wish, key_of, prefix_of
from sallyport.authenticators.backup_codes import store as backup_codes
from sallyport.authenticators.password import store as passwords
from sallyport.authenticators.password.hashing import Cost, Kept
from sallyport.authenticators.totp import store as totp
from sallyport.authenticators.totp.rules import Accepted, code_at, step_at
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import MINUTE, SECOND
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.opaque import CHALLENGE, digest_of, new_token
from sallyport.kernel.vault import Place
from sallyport.login import store as challenges
from sallyport.sessions import store as sessions
from sallyport.sessions.mint import Profile
from sallyport.sessions.rules import PASSWORD_AND_CODE, Limits, Session
from sallyport.settings import load
from sallyport.store.work import Rows, Sql
from sallyport.users import store as users
from sallyport.users.rules import User
from sallyport.wiring import Service, build

PASSWORD: Final = "correct horse battery staple"
CLIENT: Final = Client(ip="127.0.0.1", user_agent="bench")
_CHUNK: Final = 100
"""People whom one unit of work writes: a unit on a server has a second."""
_LIMITS: Final = Limits(idle=7 * 24 * 60 * MINUTE, absolute=30 * 24 * 60 * MINUTE)
_UNSPEND: Final = Sql("UPDATE totp SET last_step = 0")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can log in."""

    number: int
    uid: str
    totp: str
    """The uid of the authenticator; empty for one without MFA."""

    @property
    def name(self) -> str:
        """The name to log in with."""
        return f"person{self.number}"

    @property
    def address(self) -> str:
        """Where they are: at home. What a thousand people do behind one address, the throttle slows down."""
        return f"10.{self.number >> 16}.{self.number >> 8 & 255}.{self.number & 255}"

    def password_request(self, **more: str) -> bytes:
        """Return the request of the first step, with more headers."""
        basic = base64.b64encode(f"{self.name}:{PASSWORD}".encode()).decode()
        return request("GET", "/auth/password", {"authorization": f"Basic {basic}", **more})

    def code(self, micros: int) -> str:
        """Return what the phone shows."""
        return code_at(seed_of(self.number), step_at(micros)).decode()


def hasher(cost: Cost | None = None) -> PasswordHasher:
    """Return Argon2id, at the cost of the service where nothing else is said."""
    cost = cost or Cost()
    return PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=1, type=Type.ID)


def environ_of(directory: Path) -> dict[str, str]:
    """Return the settings of a service whose files live in a folder."""
    return {
        "SALLYPORT_DATABASE_URL": f"sqlite:///{directory}/sallyport.db",
        "SALLYPORT_KEYS_DIR": f"{directory}/keys",
        "SALLYPORT_ADMIN_PASSWORD": PASSWORD,
    }


def service_in(directory: Path, more: Mapping[str, str] | None = None) -> Service:
    """Build a service in this process, beside the one that is measured: for its stores, its keys, its mint."""
    return build(load({}, {**os.environ, **environ_of(directory), **(more or {})}, directory))


class Town:
    """A database full of people."""

    def __init__(self, service: Service, cost: Cost | None = None) -> None:
        self.service = service
        self._hash = Hidden(hasher(cost).hash(PASSWORD).encode())

    async def settle(self, count: int, *, mfa: bool, first: int = 0) -> list[Person]:
        """Write so many people, each with a password, and with MFA also a phone and ten backup codes."""
        await self.service.first_start()
        ids = self.service.ids
        people = [Person(first + number, ids.new(), ids.new() if mfa else "") for number in range(count)]
        for at in range(0, count, _CHUNK):
            chunk = people[at : at + _CHUNK]
            await self.service.work(partial(self._write_all, chunk))
        return people

    async def tokens(self, people: Sequence[Person]) -> list[str]:
        """Open a session for each of them; returns their access tokens."""
        service, now = self.service, self.service.clock.now()
        opened = [
            Session(
                uid=service.ids.new(),
                user=person.uid,
                proven=PASSWORD_AND_CODE,
                auth_time=now,
                created_at=now,
                last_used_at=now,
                ip=CLIENT.ip,
                user_agent=CLIENT.user_agent,
            )
            for person in people
        ]

        def write(chunk: Sequence[Session], rows: Rows) -> None:
            for session in chunk:
                sessions.insert(rows, session)

        for at in range(0, len(opened), _CHUNK):
            await service.work(partial(write, opened[at : at + _CHUNK]))
        return [
            service.mint.access(
                session, Profile(uid=person.uid, name=person.name, roles=(), verified=False), _LIMITS
            ).token.reveal()
            for person, session in zip(people, opened, strict=True)
        ]

    async def api_keys(self, people: Sequence[Person]) -> list[str]:
        """Make an API key for each of them; returns the keys."""
        service, now, pepper = self.service, self.service.clock.now(), self.service.vault.pepper_id
        made = [(person, key_of(secrets.token_bytes(RANDOM_BYTES))) for person in people]
        wish = Wish(scopes=("self:read",), expires_at=None, description=None)

        def write(chunk: Sequence[tuple[Person, Hidden[str]]], rows: Rows) -> None:
            for person, key in chunk:
                digest, uid = digests(service.vault, key)[pepper], service.ids.new()
                kept = api_keys.Kept(
                    user=person.uid, uid=uid, digest=digest, pepper_id=pepper, prefix=prefix_of(key.reveal())
                )
                maker = api_keys.Maker(
                    uid=person.uid, amr=("pwd", "otp", "mfa"), auth_time=now // SECOND, trusted=False
                )
                api_keys.insert(rows, kept, wish, maker, now)

        for at in range(0, len(made), _CHUNK):
            await service.work(partial(write, made[at : at + _CHUNK]))
        return [key.reveal() for _, key in made]

    async def challenge(self, people: Sequence[Person]) -> list[Hidden[str]]:
        """Open a challenge for each of them, and let their phones' codes be good again."""
        now = self.service.clock.now()
        opened = [new_token(CHALLENGE, secrets.token_bytes) for _ in people]

        def write(chunk: Sequence[tuple[Person, Hidden[str]]], rows: Rows) -> None:
            for person, challenge in chunk:
                challenges.add_challenge(rows, digest_of(challenge), person.uid, now)

        await self.service.work(lambda rows: rows.change(_UNSPEND))
        pairs = list(zip(people, opened, strict=True))
        for at in range(0, len(pairs), _CHUNK):
            await self.service.work(partial(write, pairs[at : at + _CHUNK]))
        return opened

    def _write_all(self, people: Sequence[Person], rows: Rows) -> None:
        for person in people:
            self._write(rows, person)

    def _write(self, rows: Rows, person: Person) -> None:
        service, user, now = self.service, person.uid, self.service.clock.now()
        users.insert(rows, _user(person, now))
        password = service.ids.new()
        place = Place(table="passwords", column="hash_sealed", user=user, row=password)
        passwords.insert(
            rows, Kept(user=user, uid=password, hash_sealed=service.vault.seal(self._hash, place)), None, now
        )
        if not person.totp:
            return
        sealed = service.vault.seal(seed_of(person.number), totp.seed_place(user, person.totp))
        seed = totp.SealedSeed(user=user, uid=person.totp, sealed=sealed, last_step=0)
        totp.replace_pending(rows, seed, None, now, now + MINUTE)
        totp.enroll(rows, user, Accepted(person.totp, 1), now)
        users.set_mfa(rows, user, now, on=True)
        recipe = backup_codes.Recipe(salt=secrets.token_bytes(16), pepper_id=service.vault.pepper_id)
        code_digests = tuple(secrets.token_bytes(32) for _ in range(10))
        codes = backup_codes.NewSet(user=user, uid=service.ids.new(), recipe=recipe, digests=code_digests)
        backup_codes.replace(rows, codes, now)


def seed_of(number: int) -> Hidden[bytes]:
    return Hidden(hashlib.blake2b(b"seed %d" % number, digest_size=20).digest())


def _user(person: Person, now: int) -> User:
    return User(
        uid=person.uid,
        name=person.name,
        name_key=person.name,
        email=f"{person.name}@example.org",
        email_key=f"{person.name}@example.org",
        verified=False,
        first_name="Ada",
        last_name="Lovelace",
        phone=None,
        roles=(),
        disabled=False,
        mfa=bool(person.totp),
        created_at=now,
        modified_at=now,
        version=0,
    )
