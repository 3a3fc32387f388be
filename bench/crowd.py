"""A crowd: rows of people who came over a year, made as fast as they can be. Every seal opens, every digest fits."""

import os
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from bench.people import CLIENT, PASSWORD, Person, hasher, seed_of
from sallyport.audit.chain import CHAIN, IP, ROW, Mark, bound_ip, canonical, link
from sallyport.audit.rules import Event, Factor, Outcome, Record
from sallyport.authenticators.totp.store import seed_place
from sallyport.kernel.clock import DAY, HOUR, MINUTE
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Ids
from sallyport.kernel.vault import Place
from sallyport.sessions.rules import PASSWORD_AND_CODE
from sallyport.store.tables import metadata
from sallyport.wiring import Service

Rows = dict[str, list[tuple[object, ...]]]
"""The rows of some people by table, values in the order of its columns."""

_YEAR: Final = 365 * DAY
_RECENT: Final = 6 * DAY
_CODES: Final = 10
_COLUMNS: Final = {name: table.columns.keys() for name, table in metadata.tables.items()}


class Past:
    """A clock that shows what it is set to."""

    def __init__(self) -> None:
        self.moment = 0

    def now(self) -> int:
        """Return the moment that was set."""
        return self.moment


class Crowd:
    """Makes people who came evenly over a year, so that uids are spread as they are in life.

    Each has a password, a phone, ten backup codes, a session of the last days that was refreshed once, a known client,
    and three rows in the audit log. The sessions are in no order.
    """

    def __init__(self, service: Service, count: int, head: Mark) -> None:
        self._vault = service.vault
        self._audit = service.audit_keys
        self._pepper = bytes.fromhex(service.vault.pepper_id)
        self._hash = Hidden(hasher().hash(PASSWORD).encode())
        self._clock = Past()
        self._ids = Ids(self._clock, os.urandom)
        self._now = service.clock.now()
        self.count = count
        self._head = head
        self._random = random.Random(count)
        self._made: Rows = defaultdict(list)

    def chunks(self, size: int) -> Iterator[tuple[list[Person], Rows]]:
        """Yield people and their rows, so many at a time; tables stand in an order that references allow."""
        for first in range(0, self.count, size):
            self._made = defaultdict(list)
            people = [self._arrive(number) for number in range(first, min(first + size, self.count))]
            yield people, {name: self._made[name] for name in metadata.tables if name in self._made}

    def _add(self, table: str, **values: object) -> None:
        self._made[table].append(tuple(map(values.get, _COLUMNS[table])))

    def _arrive(self, number: int) -> Person:
        came = self._now - _YEAR + number * (_YEAR - _RECENT) // self.count
        self._clock.moment = came
        person = Person(number, self._ids.new(), self._ids.new())
        self._user(person, came)
        self._authenticators(person, came)
        self._note(Event.USER_CREATED, person, None, None)
        self._session(person, self._now - self._random.randrange(HOUR, _RECENT))
        return person

    def _user(self, person: Person, came: int) -> None:
        address = f"{person.name}@example.org"
        self._add(
            "users",
            id=person.uid,
            name=person.name,
            name_key=person.name,
            email=address,
            email_key=address,
            verified_email_key=address,
            verified_at=came,
            first_name="Ada",
            last_name="Lovelace",
            roles="[]",
            mfa_since=came,
            created_at=came,
            modified_at=came,
            version=0,
        )

    def _authenticators(self, person: Person, came: int) -> None:
        user, password, seal = person.uid, self._ids.new(), self._vault.seal
        told = {"user_id": user, "created_at": came, "modified_at": came, "version": 0}
        hashed = seal(self._hash, Place(table="passwords", column="hash_sealed", user=user, row=password))
        self._add("passwords", id=password, hash_sealed=hashed, generation=0, **told)
        seed = seal(seed_of(person.number), seed_place(user, person.totp))
        alive = {"enrolled_at": came, "expires_at": came + 10 * MINUTE, "tries_left": 5}
        self._add("totp", id=person.totp, seed_sealed=seed, last_step=0, **alive, **told)
        self._add("backup_sets", id=self._ids.new(), salt=os.urandom(16), pepper_id=self._vault.pepper_id, **told)
        for _ in range(_CODES):
            self._add("backup_codes", user_id=user, code_digest=os.urandom(32))

    def _session(self, person: Person, at: int) -> None:
        self._clock.moment = at
        session, client, user = self._ids.new(), os.urandom(32), person.uid
        proven = " ".join(PASSWORD_AND_CODE)
        self._add("known_clients", user_id=user, token_digest=client, proven=proven, created_at=at, last_used_at=at)
        self._add(
            "sessions",
            id=session,
            user_id=user,
            proven=proven,
            auth_time=at,
            created_at=at,
            last_used_at=at + HOUR,
            ip=CLIENT.ip,
            user_agent=CLIENT.user_agent,
            client_digest=client,
        )
        spent = {"spent_at": at + HOUR, "successor_salt": self._pepper + os.urandom(16)}
        self._add("refresh_tokens", token_digest=os.urandom(32), session_id=session, created_at=at, **spent)
        self._add("refresh_tokens", token_digest=os.urandom(32), session_id=session, created_at=at + HOUR)
        self._note(Event.LOGIN_PASSWORD, person, Factor.PASSWORD, None)
        self._note(Event.LOGIN_CODE, person, Factor.TOTP, session)

    def _note(self, event: Event, person: Person, factor: Factor | None, session: str | None) -> None:
        """Write an audit row as the journal does, and chain it as sealing does."""
        uid, digest = self._ids.new(), self._audit.digest
        record = Record(
            uid=uid,
            created_at=self._clock.moment,
            event=event,
            outcome=Outcome.SUCCESS,
            factor=factor,
            user=person.uid,
            actor=person.uid,
            session=session,
            ip=CLIENT.ip,
            ip_digest=digest(IP, bound_ip(uid, CLIENT.ip)),
            request_id=uid,
            detail=None,
        )
        row = digest(ROW, canonical(record))
        self._head = Mark(position=self._head.position + 1, digest=digest(CHAIN, link(self._head, row)))
        self._add(
            "audit_log",
            id=uid,
            created_at=record.created_at,
            event=event.value,
            outcome=record.outcome,
            factor=factor,
            user_id=person.uid,
            actor_id=person.uid,
            session_id=session,
            ip=record.ip,
            ip_digest=record.ip_digest,
            request_id=uid,
            row_digest=row,
            position=self._head.position,
            chain_digest=self._head.digest,
        )


def spread(count: int, wanted: int) -> Sequence[int]:
    """Return so many numbers out of `range(count)`, evenly over all of it."""
    return [at * count // wanted for at in range(wanted)]
