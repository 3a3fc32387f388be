"""Every second factor is lost: password and mailed token reset them, by a backup code at once, else by waiting.

NIST SP 800-63B-4 4.2.2.2: the password and the mail alone end no MFA at once.
"""

from dataclasses import dataclass
from typing import Final

from sallyport.audit.decision import CHANGED, by_client
from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event, Factor
from sallyport.authenticators.codes import Code
from sallyport.authenticators.password import store as passwords
from sallyport.authenticators.password.hashing import Hashing
from sallyport.kernel.caller import Client
from sallyport.kernel.clock import Clock
from sallyport.kernel.hashpool import Seat
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.opaque import Digest
from sallyport.kernel.outcomes import Granted, Refused, Tokens, Why
from sallyport.login import store as login
from sallyport.login.flow.begin import WRONG
from sallyport.login.flow.codes import CodeJudge, GoodCode, Held, held_by
from sallyport.login.rules import By, Identifier
from sallyport.notices.flow.tokens import MailedTokens, Purpose
from sallyport.recovery.flow.reset import DEAD
from sallyport.rescue import store
from sallyport.rescue.ending import EndSecondFactors
from sallyport.rescue.rules import Reset
from sallyport.rescue.waiting import ResetByWaiting
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.judging import Try
from sallyport.throttle.flow.known_clients import KnownClients
from sallyport.throttle.flow.throttle import Throttle

_WRONG_CODE: Final = Refused(why=Why.WRONG_ENROLLMENT_CODE, pointer="/code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """What one shows who has lost every second factor."""

    user: str
    token: Digest
    password: Hidden[str]
    code: Code | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Whose password is judged; the try is counted."""

    candidate: login.Candidate
    tried: Try


class RecoverSecondFactor:
    """Judges a token, then a password as a login does, then a backup code where one is given."""

    def __init__(
        self,
        *,
        work: Work,
        hashing: Hashing,
        judge: CodeJudge,
        tokens: MailedTokens,
        throttle: Throttle,
        clients: KnownClients,
        end: EndSecondFactors,
        wait: ResetByWaiting,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._work = work
        self._hashing = hashing
        self._judge = judge
        self._tokens = tokens
        self._throttle = throttle
        self._clients = clients
        self._end = end
        self._wait = wait
        self._journal = journal
        self._clock = clock

    async def __call__(self, proofs: Proofs, client: Client) -> Granted | Reset | Refused:
        """Return the tokens of a session that is good for enrolling alone, or what waits now.

        A token that is no good costs no hash.
        """
        with self._hashing.seat(reserve=self._clients.is_genuine(client.token)) as seat:
            seen = await self._work(lambda rows: self._gather(rows, proofs, client, seat))
            if isinstance(seen, Refused):
                return seen
            async with self._throttle.judging(self._work, seen.tried):
                checked = await self._hashing.check(seat, proofs.password, seen.candidate.usable)
            if not checked.right:
                attempt = _attempt(proofs.user, Factor.PASSWORD, by_client(known=seen.tried.known))
                return await self._work(lambda rows: self._journal.refused(rows, attempt, client, WRONG))
            good = await self._code(seat, proofs.user, proofs.code, seen.tried, client) if proofs.code else None
        if isinstance(good, Refused):
            return good
        rehashed = checked.rehashed
        done = await self._work(lambda rows: self._record(rows, proofs, seen, good, rehashed, client))
        return done if isinstance(done, Reset | Refused) else done()

    def _gather(self, rows: Rows, proofs: Proofs, client: Client, seat: Seat) -> _Seen | Refused:
        user = proofs.user
        shown = self._throttle.mailed_token(rows, user, client)
        if isinstance(shown, Refused):
            return shown
        candidate = login.candidate(rows, Identifier(By.UID, user))
        # Asked for nobody too: what it costs tells nobody who is there.
        if not self._is_good(rows, proofs) or candidate is None:
            return self._journal.refused(rows, _attempt(user, None), client, DEAD)
        self._throttle.succeeded(rows, shown)
        tried = self._throttle.password(rows, f"{By.UID.value}:{user}", user, client)
        if isinstance(tried, Refused):
            return self._journal.refused(rows, _attempt(user, Factor.PASSWORD), client, tried)
        seat.demand(known=tried.known)
        return _Seen(candidate=candidate, tried=tried)

    def _is_good(self, rows: Rows, proofs: Proofs) -> bool:
        """Tell whether a token is good: MFA is still on, and neither address nor password has changed."""
        made_for = self._tokens.made_for(rows, Purpose.LOST, proofs.user, proofs.token)
        binding = store.binding(rows, proofs.user)
        return binding is not None and made_for == binding[1]

    async def _code(
        self, seat: Seat, user: str, code: Code, password: Try, client: Client
    ) -> tuple[GoodCode, Try] | Refused:
        door = await self._work(lambda rows: self._second_door(rows, user, password, client))
        if isinstance(door, Refused):
            return door
        held, tried = door
        async with self._throttle.judging(self._work, tried):
            good = await self._judge(seat, held, code)
        if good is None:
            return await self._work(lambda rows: self._wrong_code(rows, user, tried, client))
        return good, tried

    def _second_door(self, rows: Rows, user: str, password: Try, client: Client) -> tuple[Held, Try] | Refused:
        rows.alone(*password.keys)
        # The password was right, whatever becomes of the code: that try was no failure.
        self._throttle.succeeded(rows, password)
        tried = self._throttle.second_factor(rows, user, client)
        if isinstance(tried, Refused):
            return self._journal.refused(rows, _attempt(user, Factor.BACKUP_CODE), client, tried)
        return held_by(rows, user, Factor.BACKUP_CODE)(), tried

    def _wrong_code(self, rows: Rows, user: str, tried: Try, client: Client) -> Refused:
        attempt = _attempt(user, Factor.BACKUP_CODE, by_client(known=tried.known))
        return self._journal.refused(rows, attempt, client, _WRONG_CODE)

    def _record(
        self,
        rows: Rows,
        proofs: Proofs,
        seen: _Seen,
        good: tuple[GoodCode, Try] | None,
        rehashed: bytes | None,
        client: Client,
    ) -> Tokens | Reset | Refused:
        user, candidate = proofs.user, seen.candidate
        tried = good[1] if good else seen.tried
        rows.alone(*sorted({*seen.tried.keys, *tried.keys}))
        uid = candidate.password.uid if candidate.password else ""
        still = passwords.Seen(user=user, uid=uid, generation=candidate.generation, mfa=True)
        # The token is bound to the password, and dies with it.
        if not self._is_good(rows, proofs) or not passwords.use(rows, still, rehashed, self._clock.now()):
            changed = by_client(known=seen.tried.known, why=CHANGED)
            return self._journal.refused(rows, _attempt(user, Factor.PASSWORD, changed), client, DEAD)
        if good:
            return self._by_code(rows, proofs, good, client)
        self._throttle.succeeded(rows, seen.tried)
        return self._by_waiting(rows, proofs, client)

    def _by_code(self, rows: Rows, proofs: Proofs, good: tuple[GoodCode, Try], client: Client) -> Tokens | Refused:
        code, tried = good
        if not self._judge.claim(rows, code, self._clock.now())():
            return self._wrong_code(rows, proofs.user, tried, client)
        self._throttle.succeeded(rows, tried)
        self._tokens.spend(rows, proofs.token)
        return self._end(rows, proofs.user, Factor.BACKUP_CODE, client)

    def _by_waiting(self, rows: Rows, proofs: Proofs, client: Client) -> Tokens | Reset | Refused:
        waits = self._wait(rows, proofs.user, client)
        if isinstance(waits, Refused):
            return self._journal.refused(rows, _attempt(proofs.user, None), client, waits)
        self._tokens.spend(rows, proofs.token)
        return waits or self._end(rows, proofs.user, Factor.PASSWORD, client)


def _attempt(user: str, factor: Factor | None, detail: str | None = None) -> Entry:
    return Entry(event=Event.RESET_DONE, factor=factor, user=user, detail=detail)
