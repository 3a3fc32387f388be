"""What clients do while the server lives: mixed writes, each one acknowledged in the journal or left in doubt."""

import base64
import random
import time
from typing import Any

from tests.crash.journal import Doubt, Journal, Person, Session, Wish, this_step
from tests.crash.wire import CutError, Line, Reply

WRONG_TRIES = 3
"""Wrong tries of a kind before a kill: the check after it finds the limit of five with the rest."""


class UnexpectedError(AssertionError):
    """An answer that cannot be right, whether or not anything was killed."""


def basic(name: str, password: str) -> str:
    """Return the value of a Basic header."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class Client:
    """Lives through the lives of several people, one request at a time."""

    def __init__(self, line: Line, journal: Journal, seed: random.Random, prefix: str) -> None:
        self._line = line
        self._journal = journal
        self._random = seed
        self._prefix = prefix
        self._made = 0

    async def live(self, heirs: list[Person]) -> None:
        """Go on with people of earlier rounds, then make new ones, until the server is cut off."""
        try:
            for person in heirs:
                await self._go_on(person)
            while True:
                await self._one_life()
        except CutError:
            return

    async def _one_life(self) -> None:
        person = self._journal.add(Person(f"{self._prefix}x{self._made}", f"pass words of {self._random.random()}"))
        self._made += 1
        await self.register(person)
        match self._random.random():
            case chance if chance < 0.12:
                await self.guess_password(person)
                return
            case chance if chance < 0.75:
                await self.enroll(person)
        if person.seed and self._random.random() < 0.2:
            await self.guess_code(person)
            return
        await self._go_on(person)

    async def _go_on(self, person: Person) -> None:
        if person.gone or person.guessed or person.wrong_passwords:
            return
        moves = [self.refresh, self.refresh, self.refresh, self.login, self.login, self.logout, self.change_password]
        if person.seed:
            moves += [self.login, self.login_by_backup_code, self.login_by_backup_code]
        for move in self._random.sample(moves, self._random.randrange(2, 6)):
            await move(person)
        if self._random.random() < 0.15:
            await self.delete(person)

    async def ask(self, person: Person, method: str, path: str, body: Any = None, authorization: str = "") -> Reply:
        """Send a request and note what came of it."""
        person.touched = True
        wish = f" ({person.doubt.wish.value})" if person.doubt else ""
        try:
            reply = await self._line.call(method, path, body, authorization)
        except CutError:
            self._journal.note(person, f"{method} {path}{wish}: no answer")
            self._journal.doubts += person.doubt is not None
            raise
        self._journal.note(person, f"{method} {path}{wish}: {reply.status} {reply.code}")
        self._journal.acknowledged += 1
        person.failures += reply.code in {"code_invalid", "invalid_credentials"}
        return reply

    async def register(self, person: Person) -> None:
        """Register somebody with a password."""
        person.doubt = Doubt(Wish.REGISTER)
        reply = await self.ask(person, "POST", "/users", {"name": person.name, "password": person.password})
        demand(person, reply, 201)
        person.uid = reply.body["userUid"]
        person.hold(session_of(reply.body))
        person.doubt = None

    async def enroll(self, person: Person) -> None:
        """Switch MFA on."""
        if person.seed or not person.sessions:
            return
        session = person.sessions[-1]
        reply = await self.ask(person, "POST", "/users/me/secrets", {"type": "mfa"}, bearer(session))
        demand(person, reply, 200)
        uid, seed = reply.body["uid"], reply.body["secret"]["secret"]
        person.seed, person.step = seed, this_step() - 1
        person.doubt = Doubt(Wish.ENROLL, session=session)
        path, body = f"/users/me/secrets/{uid}/enroll", {"token": person.code(person.step)}
        reply = await self.ask(person, "PUT", path, body, bearer(session))
        if reply.status == 400 and person.step < this_step() - 1:
            person.seed, person.doubt = "", None  # the half minute ended on the way
            return
        demand(person, reply, 200)
        person.accepted_step, person.codes, person.remaining = person.step, reply.body["codes"], 10
        renewed(session, reply.body["session"])
        person.hold(session, only=True)
        person.doubt = None

    async def login(self, person: Person) -> None:
        """Log in with a password, and a code of the phone where MFA is on."""
        challenge = await self.challenge(person)
        if challenge is None:
            return
        step = person.free_step()
        if step is not None:
            person.step = step
            await self.answer(person, challenge, person.code(step))

    async def login_by_backup_code(self, person: Person) -> None:
        """Log in with a password and a backup code."""
        challenge = await self.challenge(person)
        if challenge is not None and person.codes:
            await self.answer(person, challenge, person.codes[0])

    async def challenge(self, person: Person) -> str | None:
        """Give the password; returns the challenge where MFA is on, else keeps the session."""
        reply = await self.ask(person, "GET", "/auth/password", authorization=basic(person.name, person.password))
        demand(person, reply, 200)
        if (reply.body["type"] == "CHALLENGE") != bool(person.seed):
            raise UnexpectedError(told(person, "the password gave " + reply.body["type"]))
        if person.seed:
            return str(reply.body["token"])
        person.hold(session_of(reply.body))
        return None

    async def answer(self, person: Person, challenge: str, code: str) -> None:
        """Answer a challenge with a code that was never sent before."""
        person.doubt = Doubt(Wish.CODE, code)
        reply = await self.ask(person, "POST", "/auth/totp", {"token": code}, f"jwt {challenge}")
        if reply.status == 401 and len(code) == 6 and person.step < this_step() - 1:
            person.doubt = None  # the half minute ended on the way
            return
        demand(person, reply, 200)
        self.accepted(person, challenge, code, reply)

    def accepted(self, person: Person, challenge: str, code: str, reply: Reply) -> None:
        """Note that a code was good, this once."""
        if code in person.codes:
            person.codes.remove(code)
            person.spent_code = code
            person.remaining -= 1
        else:
            person.accepted_step = person.step
        person.answered = challenge
        if (left := reply.body["mfa"]["backupCodesRemaining"]) != person.remaining:
            raise UnexpectedError(told(person, f"{left} backup codes are left, and {person.remaining} should be"))
        person.hold(session_of(reply.body))
        person.doubt = None

    async def refresh(self, person: Person, session: Session | None = None) -> None:
        """Rotate the refresh token of a session, of any where none is named."""
        if not person.sessions:
            return
        session = session or self._random.choice(person.sessions)
        person.doubt = Doubt(Wish.REFRESH, session=session)
        demand(person, reply := await self.ask(person, "POST", "/auth/refresh", {"refresh": session.refresh}), 200)
        rotated(session, reply)
        person.doubt = None

    async def logout(self, person: Person) -> None:
        """End the oldest session, but never the last: it is needed for the next moves."""
        if len(person.sessions) < 2:
            return
        session = person.sessions[0]
        person.doubt = Doubt(Wish.LOGOUT, session=session)
        demand(person, await self.ask(person, "POST", "/auth/logout", authorization=bearer(session)), 204)
        person.sessions.remove(session)
        person.ended.append(session)
        person.doubt = None

    async def change_password(self, person: Person) -> None:
        """Give a new password; every other session ends."""
        if not person.sessions:
            return
        session = person.sessions[-1]
        found = await self.ask(person, "GET", "/users/me/secrets", authorization=bearer(session))
        demand(person, found, 200)
        secret = next(one for one in found.body if one["type"] == "password")
        new = f"other words of {self._random.random()}"
        person.doubt = Doubt(Wish.PASSWORD, new, session)
        body = {"current": person.password, "secret": new, "version": secret["version"]}
        reply = await self.ask(person, "PUT", f"/users/me/secrets/{secret['uid']}", body, bearer(session))
        demand(person, reply, 200)
        person.old_password, person.password = person.password, new
        renewed(session, reply.body["session"])
        person.hold(session, only=True)
        person.doubt = None

    async def delete(self, person: Person) -> None:
        """Delete the account."""
        if not person.sessions:
            return
        person.doubt = Doubt(Wish.DELETE)
        demand(person, await self.ask(person, "DELETE", "/users/me", authorization=bearer(person.sessions[-1])), 204)
        person.gone, person.doubt = True, None

    async def guess_code(self, person: Person) -> None:
        """Try wrong codes on one challenge."""
        person.guessed = await self.challenge(person) or ""
        for _ in range(WRONG_TRIES):
            await self.one_guess(person)

    async def one_guess(self, person: Person) -> Reply:
        """Try one wrong code; it counts when it was judged."""
        person.doubt = Doubt(Wish.GUESS)
        body = {"token": person.wrong_code()}
        reply = await self.ask(person, "POST", "/auth/totp", body, f"jwt {person.guessed}")
        person.wrong_codes += reply.code == "code_invalid"
        person.doubt = None
        return reply

    async def guess_password(self, person: Person) -> None:
        """Try wrong passwords."""
        for _ in range(WRONG_TRIES):
            await self.one_password_guess(person)

    async def one_password_guess(self, person: Person) -> Reply:
        """Try one wrong password; it counts when it was judged."""
        person.doubt = Doubt(Wish.PASSWORD_GUESS)
        authorization = basic(person.name, "not the words of anybody")
        reply = await self.ask(person, "GET", "/auth/password", authorization=authorization)
        person.wrong_passwords += reply.code == "invalid_credentials"
        person.doubt = None
        return reply


def bearer(session: Session) -> str:
    """Return the value of the header that carries the access token."""
    return f"Bearer {session.access}"


def session_of(auth_token: Any) -> Session:
    """Return the session that an AuthToken opened."""
    return Session(auth_token["token"], auth_token["refresh"])


def rotated(session: Session, reply: Reply) -> None:
    """Note that a refresh token was spent, and what came for it."""
    session.spent, session.spent_at = session.refresh, time.monotonic()
    session.access, session.refresh = reply.body["token"], reply.body["refresh"]


def renewed(session: Session, auth_token: Any) -> None:
    """Note the tokens that came with a change; those before are retired, and not spent by rotation."""
    session.access, session.refresh, session.spent = auth_token["token"], auth_token["refresh"], ""


def demand(person: Person, reply: Reply, status: int) -> None:
    """Raise `UnexpectedError` with the person's story where a status is another one."""
    if reply.status != status:
        raise UnexpectedError(told(person, f"{reply.status} {reply.code}, and {status} is right"))


def told(person: Person, fault: str) -> str:
    """Write a fault with the story that led to it."""
    return "\n  ".join([f"{person.name}: {fault}", *person.story])
