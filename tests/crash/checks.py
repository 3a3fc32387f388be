"""What must be true after a restart: every acknowledged fact, and of each doubt all or nothing."""

from collections.abc import Awaitable, Callable

from tests.crash.journal import Doubt, Person, Session, Wish, this_step
from tests.crash.moves import Client, UnexpectedError, basic, bearer, demand, rotated, session_of, told
from tests.crash.wire import Reply

MOST_TRIES = 5
GRACE = 9.0
"""Seconds in which a spent refresh token still gives the same successor; the service says ten."""


class Checker(Client):
    """Asks the restarted server about people, one after the other. Raises `UnexpectedError` with the story."""

    throttled = False
    """Whether this server counts wrong passwords."""

    async def check(self, person: Person) -> None:
        """Check everything about somebody who was touched since the last check."""
        await self._resolve(person)
        if person.gone:
            await self._is_gone(person)
        elif person.wrong_passwords:
            await self._few_passwords_are_judged(person)
        elif person.guessed:
            await self._few_codes_are_judged(person)
        elif person.uid:
            await self._stands(person)
        person.touched = False

    async def glance(self, person: Person) -> None:
        """Check no more than that somebody of an earlier round is still there, or still gone."""
        if person.gone and person.failures < MOST_TRIES - 1:
            await self._refused(person, await self._password(person, person.password), "invalid_credentials")
        elif person.uid and not person.gone and not person.guessed and not person.wrong_passwords:
            demand(person, await self._password(person, person.password), 200)
        person.touched = False

    async def _resolve(self, person: Person) -> None:
        """Find out whether what was in doubt has happened."""
        doubt, person.doubt = person.doubt, None
        if doubt is None:
            return
        ways: dict[Wish, Callable[[Person, Doubt], Awaitable[None]]] = {
            Wish.REGISTER: self._registered,
            Wish.ENROLL: self._enrolled,
            Wish.CODE: self._code_spent,
            Wish.REFRESH: self._refreshed,
            Wish.LOGOUT: self._logged_out,
            Wish.PASSWORD: self._password_changed,
            Wish.DELETE: self._deleted,
            Wish.GUESS: self._guessed,
            Wish.PASSWORD_GUESS: self._guessed,
        }
        await ways[doubt.wish](person, doubt)

    async def _registered(self, person: Person, _: Doubt) -> None:
        reply = await self._password(person, person.password)
        if reply.status == 200:
            person.uid = reply.body["userUid"]
            person.hold(session_of(reply.body))
            return
        # Nothing of it, then: neither user without password nor a name that is taken.
        await self._refused(person, reply, "invalid_credentials")
        await self.register(person)

    async def _enrolled(self, person: Person, doubt: Doubt) -> None:
        reply = await self._password(person, person.password)
        demand(person, reply, 200)
        if reply.body["type"] == "ACCESS":
            # Nothing of it: the session that asked has the level and the tokens that it had.
            person.seed, person.step = "", 0
            person.hold(session_of(reply.body))
            return
        # All of it: the step is spent, the codes are there though nobody has seen them, other sessions have ended.
        person.accepted_step, person.remaining = person.step, 10
        person.ended += [session for session in person.sessions if session is not doubt.session]
        person.sessions = []

    async def _code_spent(self, person: Person, doubt: Doubt) -> None:
        """Send the code again: it is good where it was not spent. After that it is spent for certain."""
        challenge = await self.challenge(person) or ""
        before = await self._remaining(person)
        reply = await self.ask(person, "POST", "/auth/totp", {"token": doubt.value}, f"jwt {challenge}")
        if reply.status == 200:
            self._demand_remaining(person, before, person.remaining)
            self.accepted(person, challenge, doubt.value, reply)
            return
        await self._refused(person, reply, "code_invalid")
        if doubt.value in person.codes:
            person.codes.remove(doubt.value)
            person.spent_code, person.remaining = doubt.value, person.remaining - 1
        self._demand_remaining(person, before, person.remaining)

    async def _refreshed(self, person: Person, doubt: Doubt) -> None:
        """Send the token again, as a client does whose answer was lost."""
        session = doubt.session
        if session is None:
            return
        reply = await self.ask(person, "POST", "/auth/refresh", {"refresh": session.refresh})
        if reply.status == 200:
            rotated(session, reply)
        elif doubt.age() < GRACE:
            raise UnexpectedError(told(person, "a lost answer to a refresh is not given again"))
        else:
            self._end(person, session)

    async def _logged_out(self, person: Person, doubt: Doubt) -> None:
        session = doubt.session
        if session is None:
            return
        reply = await self.ask(person, "GET", "/users/me", authorization=bearer(session))
        if reply.status != 200:
            self._end(person, session)

    async def _password_changed(self, person: Person, doubt: Doubt) -> None:
        old, new = await self._password(person, person.password), await self._password(person, doubt.value)
        if {old.status, new.status} != {200, 401}:
            raise UnexpectedError(told(person, f"the old password gave {old.status} and the new one {new.status}"))
        if new.status == 200:
            person.old_password, person.password = person.password, doubt.value
            # The answer with the new refresh token was lost; the access token is still of a session that stands.
            person.ended += [session for session in person.sessions if session is not doubt.session]
            person.sessions = []

    async def _deleted(self, person: Person, _: Doubt) -> None:
        reply = await self._password(person, person.password)
        person.gone = reply.status != 200

    async def _guessed(self, person: Person, _: Doubt) -> None:
        """It counts or it does not; the limit is found by what is certain."""

    async def _is_gone(self, person: Person) -> None:
        await self._refused(person, await self._password(person, person.password), "invalid_credentials")
        for session in person.sessions + person.ended:
            await self._is_over(person, session)

    async def _few_passwords_are_judged(self, person: Person) -> None:
        """After five wrong passwords the sixth is not judged, wherever between them the server died."""
        if not self.throttled:
            return
        while person.wrong_passwords <= MOST_TRIES:
            if (await self.one_password_guess(person)).status == 429:
                return
        raise UnexpectedError(told(person, f"{person.wrong_passwords} wrong passwords were judged"))

    async def _few_codes_are_judged(self, person: Person) -> None:
        """After five wrong codes the sixth is not judged."""
        while person.wrong_codes <= MOST_TRIES:
            if (await self.one_guess(person)).code in {"challenge_invalid", "throttled"}:
                return
        raise UnexpectedError(told(person, f"{person.wrong_codes} wrong codes were judged"))

    async def _stands(self, person: Person) -> None:
        if person.old_password:
            await self._refused(person, await self._password(person, person.old_password), "invalid_credentials")
            person.old_password = ""
        for session in person.ended:
            await self._is_over(person, session)
        person.ended.clear()
        for session in list(person.sessions):
            await self._goes_on(person, session)
        if person.seed:
            await self._codes_are_spent(person)
        await self.login(person)

    async def _goes_on(self, person: Person, session: Session) -> None:
        demand(person, await self.ask(person, "GET", "/users/me", authorization=bearer(session)), 200)
        if not session.spent:
            await self.refresh(person, session)
            return
        if in_grace(session) and self._random.random() < 0.5:
            await self._gives_the_same_successor(person, session)
            return
        stolen = session.spent
        reply = await self.ask(person, "POST", "/auth/refresh", {"refresh": session.refresh})
        demand(person, reply, 200)
        rotated(session, reply)
        # Its successor is spent too: it comes from a thief, and the session ends.
        await self._refused(person, await self._refresh_by(person, stolen), "invalid_token")
        self._end(person, session)

    async def _gives_the_same_successor(self, person: Person, session: Session) -> None:
        """Spent for good: a spent token gives the successor that stands, and no second one."""
        reply = await self._refresh_by(person, session.spent)
        if reply.status == 200 and reply.body["refresh"] != session.refresh:
            raise UnexpectedError(told(person, "a spent refresh token was accepted as a fresh one"))
        if reply.status != 200 and in_grace(session):
            raise UnexpectedError(told(person, "a spent refresh token has lost its successor"))
        if reply.status != 200:
            self._end(person, session)

    async def _codes_are_spent(self, person: Person) -> None:
        if person.accepted_step >= this_step() - 1:
            await self._code_is_refused(person, person.code(person.accepted_step))
        if person.spent_code:
            await self._code_is_refused(person, person.spent_code)
        if person.answered:
            reply = await self.ask(
                person, "POST", "/auth/totp", {"token": person.wrong_code()}, f"jwt {person.answered}"
            )
            await self._refused(person, reply, "challenge_invalid")
        person.accepted_step, person.spent_code, person.answered = 0, "", ""
        self._demand_remaining(person, await self._remaining(person), person.remaining)

    async def _code_is_refused(self, person: Person, code: str) -> None:
        challenge = await self.challenge(person)
        reply = await self.ask(person, "POST", "/auth/totp", {"token": code}, f"jwt {challenge}")
        await self._refused(person, reply, "code_invalid")

    async def _remaining(self, person: Person) -> int | None:
        """Return how many backup codes the list of secrets tells of, where a session may ask."""
        if not person.sessions:
            return None
        found = await self.ask(person, "GET", "/users/me/secrets", authorization=bearer(person.sessions[-1]))
        demand(person, found, 200)
        return next(int(one["remaining"]) for one in found.body if one["type"] == "mfabackup")

    def _demand_remaining(self, person: Person, found: int | None, wanted: int) -> None:
        if found is not None and found != wanted:
            raise UnexpectedError(told(person, f"{found} backup codes are left, and {wanted} should be"))

    async def _is_over(self, person: Person, session: Session) -> None:
        reply = await self.ask(person, "GET", "/users/me", authorization=bearer(session))
        await self._refused(person, reply, "invalid_token")
        await self._refused(person, await self._refresh_by(person, session.refresh), "invalid_token")

    async def _refresh_by(self, person: Person, token: str) -> Reply:
        return await self.ask(person, "POST", "/auth/refresh", {"refresh": token})

    async def _password(self, person: Person, password: str) -> Reply:
        return await self.ask(person, "GET", "/auth/password", authorization=basic(person.name, password))

    async def _refused(self, person: Person, reply: Reply, code: str) -> None:
        if reply.code != code:
            raise UnexpectedError(told(person, f"{reply.status} {reply.code}, and {code} is right"))

    def _end(self, person: Person, session: Session) -> None:
        person.sessions.remove(session)
        person.ended.append(session)


def in_grace(session: Session) -> bool:
    """Tell whether the grace of the session's spent token is not over."""
    return Doubt(Wish.REFRESH, since=session.spent_at).age() < GRACE
