"""What the desk has to show before a second factor goes, and the second person who confirms it."""

from typing import Final

from sallyport.audit.decision import together
from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import ASKED_BY, Entry, Event
from sallyport.authenticators.flow import RemoveAuthenticator
from sallyport.authenticators.ports import Sessions
from sallyport.authenticators.rules import Plea
from sallyport.desk import store
from sallyport.desk.rules import APPROVAL_LIFETIME, CODE_LIFETIME, Approval, code_of, may_confirm
from sallyport.kernel.caller import Caller
from sallyport.kernel.clock import Clock
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Ids, Randomness
from sallyport.kernel.outcomes import Pending, Refused, Why
from sallyport.kernel.policy import DeskRules, Policy
from sallyport.kernel.vault import Vault
from sallyport.store.work import Rows, Work
from sallyport.users.store import read_roles, roles_of

_RANDOM_BYTES: Final = 8
_WRONG: Final = Refused(
    why=Why.WRONG_ENROLLMENT_CODE, pointer="/callerCode", detail="The caller code is not right, or no longer."
)
_WANTED: Final = Refused(
    why=Why.INVALID_REQUEST, pointer="/callerCode", detail="Ask the caller for the six digits, and send them."
)
_NOBODY: Final = Refused(
    why=Why.FORBIDDEN,
    detail="Two persons have names: confirm over HTTP, logged in. The host itself needs nobody's leave.",
)


class CallerCodes:
    """Codes that a user reads out to the desk: whoever has one has proved the password minutes ago."""

    def __init__(self, *, vault: Vault, clock: Clock, randomness: Randomness) -> None:
        self._vault = vault
        self._clock = clock
        self._randomness = randomness

    def make(self, rows: Rows, user: str) -> Hidden[str]:
        """Return a new code of a user; one of before is void."""
        code = Hidden(code_of(self._randomness(_RANDOM_BYTES)))
        store.set_code(rows, user, self._digest(user, code), self._clock.now() + CODE_LIFETIME)
        return code

    def use(self, rows: Rows, user: str, code: Hidden[str]) -> bool:
        """Tell whether a code is right, and spend it; a wrong one spends one of its five tries."""
        return store.use_code(rows, user, self._digest(user, code), self._clock.now())

    def _digest(self, user: str, code: Hidden[str]) -> bytes:
        # Six digits have no strength of their own: the pepper is not in the database.
        return self._vault.peppered(self._vault.pepper_id, "caller code", f"{user} {code.reveal()}".encode())


class DeskJudge:
    """Judges whether a trusted role may take a second factor from somebody now."""

    def __init__(
        self, *, rules: DeskRules, policy: Policy, codes: CallerCodes, journal: Journal, clock: Clock, ids: Ids
    ) -> None:
        self._rules = rules
        self._policy = policy
        self._codes = codes
        self._journal = journal
        self._clock = clock
        self._ids = ids

    def judge(self, rows: Rows, caller: Caller, user: str, secret: str | None, plea: Plea) -> Pending | Refused | None:
        """Judge in this unit; None lets it be done now. The gate has judged reason, proof and rights."""
        if caller.host:
            return None  # whoever may read database and keys needs nobody's leave
        if not self._rules.two_persons and self._policy.trusts(roles_of(rows, user) or ()):
            return Refused(why=Why.FORBIDDEN)  # it has become an equal since the gate looked
        if plea.caller_code is None and self._rules.caller_code_required:
            return _WANTED
        if plea.caller_code and not self._codes.use(rows, user, plea.caller_code):
            attempt = Entry(event=Event.CALLER_CODE, user=user, actor=caller.uid, session=caller.session)
            return self._journal.refused(rows, attempt, caller.client, _WRONG)
        return self._asked(rows, caller, user, secret, plea.reason) if self._rules.two_persons else None

    def _asked(self, rows: Rows, caller: Caller, user: str, secret: str | None, reason: str | None) -> Pending:
        now = self._clock.now()
        approval = Approval(
            uid=self._ids.new(),
            user=user,
            secret=secret,
            reason=reason,
            asked_by=caller.uid,
            created_at=now,
            expires_at=now + APPROVAL_LIFETIME,
        )
        store.add(rows, approval)
        self._journal.did(rows, caller, Event.APPROVAL_ASKED, user=user, detail=together(approval.uid, reason))
        return Pending(uid=approval.uid, expires_at=approval.expires_at)


class Approve:
    """Lets a second person confirm what a first one has asked for. All of it is judged again."""

    def __init__(
        self,
        *,
        work: Work,
        sessions: Sessions,
        remove: RemoveAuthenticator,
        policy: Policy,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._work = work
        self._sessions = sessions
        self._remove = remove
        self._policy = policy
        self._journal = journal
        self._clock = clock

    async def __call__(self, caller: Caller, uid: str) -> Refused | None:
        """Do what was asked for; None when it is done."""
        return await self._work(lambda rows: self._record(rows, caller, uid))

    async def pending(self, *, after: str | None, limit: int, skip: int) -> list[Approval]:
        """Return what waits for a second person, oldest first."""
        now = self._clock.now()
        return await self._work.read(
            lambda rows: store.pending(rows, after=after or "", limit=limit, skip=skip, now=now)
        )

    def _record(self, rows: Rows, caller: Caller, uid: str) -> Refused | None:
        now = self._clock.now()
        asked = store.find(rows, uid, now)
        if asked is None:
            return Refused(why=Why.NOT_FOUND)
        if caller.host:
            return _NOBODY
        rows.alone(*sorted({caller.uid, asked.user, asked.asked_by}))
        if refused := self._sessions.refused(rows, caller):
            return refused
        if not may_confirm(asked, caller.uid) or not self._may_ask(rows, asked.asked_by):
            return Refused(why=Why.FORBIDDEN, detail="Another trusted person than those involved has to confirm this.")
        if not store.claim(rows, uid, now):
            return Refused(why=Why.NOT_FOUND)
        detail = f"{uid} {ASKED_BY}{asked.asked_by}"
        self._journal.did(rows, caller, Event.APPROVAL_GIVEN, user=asked.user, detail=detail)
        if asked.secret:
            return self._remove.one(rows, caller, asked.user, asked.secret, asked.reason)
        return self._remove.all(rows, caller, asked.user, asked.reason)

    def _may_ask(self, rows: Rows, user: str) -> bool:
        roles = store.roles_of(rows, user)
        return roles is not None and self._policy.trusts(read_roles(roles))
