"""Opening, renewing and ending sessions inside other rooms' units of work."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from sallyport.audit.decision import RESET, Decision, together, written
from sallyport.audit.flow.journal import Journal
from sallyport.audit.rules import Entry, Event
from sallyport.authenticators.api_keys import store as api_keys
from sallyport.kernel.caller import Caller, Client
from sallyport.kernel.clock import Clock, rfc3339
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Ids, Randomness
from sallyport.kernel.opaque import REFRESH, digest_of, new_token
from sallyport.kernel.outcomes import Granted, Refused, Tokens, Why
from sallyport.kernel.policy import Demand, Policy
from sallyport.sessions import store
from sallyport.sessions.mint import Mint, Profile
from sallyport.sessions.rules import PASSWORD, Limits, Proven, Session, ends_at
from sallyport.store.work import Rows, Soon
from sallyport.users import store as users

EndWaiting = Callable[[Rows, str], None]
"""Ends what waits for a user: open challenges, which live on the floor of login, and a reset of second factors."""
CancelReset = Callable[[Rows, str, Client], object]
"""Cancels the reset of a user's second factors that waits; it lives on the floor of rescue."""

DEAD: Final = Refused(why=Why.INVALID_TOKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """How long sessions live, by role."""

    ordinary: Limits
    trusted: Limits
    enrolling: Limits
    """Of whoever has to enroll anew after a recovery."""
    policy: Policy

    def of(self, owner: store.Owner) -> Limits:
        """Return the limits of a user's sessions."""
        if owner.reset:
            return self.enrolling
        return self.trusted if self.policy.trusts(owner.roles) else self.ordinary


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What opens a session."""

    user: str
    proven: Proven
    entry: Entry
    """The one audit row of the unit, which also names the session."""
    known_as: Hidden[str] | None = None
    """The client token that a full login gives out."""
    secret: str | None = None
    """The device or API key that opens it, and with which it will end."""
    scopes: tuple[str, ...] | None = None
    """All that it is good for, where an API key opens it."""


class SessionKeeper:
    """Opens, renews and ends sessions inside other rooms' units of work, and mints their tokens after the commit."""

    def __init__(
        self,
        *,
        mint: Mint,
        lifetimes: Lifetimes,
        end_waiting: EndWaiting,
        cancel_reset: CancelReset,
        journal: Journal,
        clock: Clock,
        ids: Ids,
        randomness: Randomness,
    ) -> None:
        self.end_waiting = end_waiting
        self._cancel_reset = cancel_reset
        self._mint = mint
        self._journal = journal
        self._lifetimes = lifetimes
        self._clock = clock
        self._ids = ids
        self._randomness = randomness

    def owner(self, rows: Rows, user: str) -> Soon:
        """Ask for whom a session is opened."""
        return store.owner(rows, user)

    def open(self, rows: Rows, opening: Opening, client: Client, owner: Soon) -> Tokens:
        """Open a session for what was just proven. The unit has made sure that the user is there and not disabled."""
        now = self._clock.now()
        session = Session(
            uid=self._ids.new(),
            user=opening.user,
            proven=opening.proven,
            auth_time=now,
            created_at=now,
            last_used_at=now,
            ip=client.ip,
            user_agent=client.user_agent,
            client_digest=digest_of(opening.known_as) if opening.known_as else None,
            secret=opening.secret,
            scopes=opening.scopes,
        )
        store.insert(rows, session)
        known = store.owner_in(owner)
        detail = together(opening.entry.detail, self._asked(known) if known else None)
        entry = replace(opening.entry, user=session.user, actor=session.user, session=session.uid, detail=detail)
        entry = entry if known and known.mailable else replace(entry, silent=True)
        self._journal.note(rows, entry, client)
        return self._with_new_token(rows, session, known, client, opening.known_as)

    def renew(self, rows: Rows, caller: Caller, proven: Proven | None) -> Tokens:
        """Give the caller's session new tokens; those before are retired. A new proof is written if there is one.

        The unit has made sure that the caller is not `refused`.
        """
        now = self._clock.now()
        if proven is not None:
            store.proven_now(rows, caller.session, proven, now)
        store.retire_tokens(rows, caller.session, now)
        asked, session = store.owner(rows, caller.uid), store.find(rows, caller.session)
        if session is None:
            message = "a session is renewed only where it stands"
            raise LookupError(message)
        return self._with_new_token(rows, session, store.owner_in(asked), caller.client)

    def refused(self, rows: Rows, caller: Caller, *others: str) -> Refused | None:
        """Judge inside this unit whether the caller is still who the gate saw; None where that is so.

        It stays so until the unit ends, which has the caller, and the `others` on whom it acts, to itself.

        The session may have ended since, and MFA may have been switched: then the proof is not the strongest any more.
        The operator on the host has no session that could end.
        One of the others may have been given a trusted role meanwhile: nobody acts on an equal.
        """
        if caller.host:
            rows.alone(*others)
            return None
        rows.alone(caller.uid, *others)
        mfa = store.mfa_behind(rows, caller.session, caller.uid)
        if mfa is None:
            return DEAD
        if mfa is not caller.mfa:
            return Refused(why=Why.STEP_UP_REQUIRED, level="aal2" if mfa else "aal1")
        trusts, roles_of = self._lifetimes.policy.trusts, users.roles_of
        if any(trusts(roles_of(rows, other) or ()) for other in others if other != caller.uid):
            return Refused(why=Why.FORBIDDEN)
        return None

    def end_all(self, rows: Rows, uid: str, caller: Caller) -> None:
        """End every session and whatever waits for a user, because of what the caller did: that is mailed."""
        self._end(rows, uid, caller, keep="", silent=True)

    def end_others(self, rows: Rows, uid: str, caller: Caller, reason: str | None = None) -> None:
        """End every session of a user but the caller's own, and whatever waits."""
        self._end(rows, uid, caller, keep=caller.session, reason=reason)

    def end_every(self, rows: Rows, uid: str, client: Client) -> None:
        """End every session of, and whatever waits for, a user who showed a mailed token, and no session."""
        self.end_waiting(rows, uid)
        if ended := store.end_others(rows, uid, ""):
            self._journal.note(rows, Entry(event=Event.SESSIONS_ENDED, user=uid, detail=str(ended)), client)

    def _end(
        self, rows: Rows, uid: str, caller: Caller, *, keep: str, reason: str | None = None, silent: bool = False
    ) -> None:
        self.end_waiting(rows, uid)
        if ended := store.end_others(rows, uid, keep):
            detail = together(str(ended), reason)
            self._journal.did(rows, caller, Event.SESSIONS_ENDED, user=uid, detail=detail, silent=silent)

    def end_opened_by(self, rows: Rows, uid: str, secret: str, caller: Caller) -> None:
        """End the sessions that a device or an API key of a user has opened, because the caller has removed it."""
        if ended := store.end_opened_by(rows, uid, secret):
            self._journal.did(rows, caller, Event.SESSIONS_ENDED, user=uid, detail=str(ended), silent=True)

    def lower(self, rows: Rows, caller: Caller) -> None:
        """Let the caller's session go on at what a password proves."""
        store.lower(rows, caller.session, PASSWORD)

    def meet(self, rows: Rows, user: str, owner: store.Owner, client: Client | None) -> None:
        """Note when the rule about second factors first met a user: once, and from then on their grace runs."""
        policy, now = self._lifetimes.policy, self._clock.now()
        if owner.mfa or owner.met_at is not None or not policy.demands_mfa(owner.roles):
            return
        if users.meet(rows, user, now):
            detail = f"{policy.names(owner.roles)} by {rfc3339(policy.enroll_by(None, now))}"
            self._journal.note(rows, Entry(event=Event.POLICY_MET, user=user, detail=detail), client)

    def tokens(
        self, session: Session, owner: store.Owner, refresh: Hidden[str], known_as: Hidden[str] | None = None
    ) -> Tokens:
        """Return what mints the tokens of a session, once its unit is committed."""

        def granted() -> Granted:
            profile = Profile(uid=session.user, name=owner.name, roles=owner.roles, verified=owner.verified)
            access = self._mint.access(session, profile, self._lifetimes.of(owner))
            return Granted(
                access=access.token,
                expires_in=access.expires_in,
                refresh=refresh,
                user=session.user,
                session=session.uid,
                mfa=owner.mfa,
                codes_left=owner.codes_left,
                client=known_as,
                enroll_by=self._enroll_by(owner),
            )

        return granted

    def key_behind(self, rows: Rows, session: Session) -> api_keys.Found | None:
        """Return the API key that opened a session, if it is good: a session is never worth more than its key."""
        key = api_keys.behind(rows, session.user, session.secret or "")
        return key if key and key.is_good(self._clock.now()) else None

    def live(self, rows: Rows, user: str, uid: str) -> tuple[Session, store.Owner] | None:
        """Return a session that stands with its owner, and with the API key that opened it, if one did."""
        asked = store.owner(rows, user)
        session, owner = store.find(rows, uid), store.owner_in(asked)
        if not session or not owner or not self.is_alive(session, owner):
            return None
        return None if session.scopes is not None and self.key_behind(rows, session) is None else (session, owner)

    def ends_at(self, session: Session, owner: store.Owner) -> int:
        """Return when a session ends by itself if it is not used again."""
        return ends_at(session, self._lifetimes.of(owner))

    def is_alive(self, session: Session, owner: store.Owner) -> bool:
        """Tell whether a session has not ended by itself."""
        return self._clock.now() < self.ends_at(session, owner)

    def _asked(self, owner: store.Owner) -> str | None:
        """Write what the rule about second factors asked of one who logs in; None where it asked nothing."""
        policy, now = self._lifetimes.policy, self._clock.now()
        demand = policy.demand(owner.roles, mfa=owner.mfa, reset=owner.reset, met_at=owner.met_at, now=now)
        if demand is Demand.NOTHING:
            return None
        by = rfc3339(policy.enroll_by(owner.met_at, now)) if demand is Demand.LATER else None
        return written(Decision(demand=demand.value, rule=RESET if owner.reset else policy.names(owner.roles), by=by))

    def _enroll_by(self, owner: store.Owner) -> int | None:
        policy, now = self._lifetimes.policy, self._clock.now()
        demand = policy.demand(owner.roles, mfa=owner.mfa, reset=owner.reset, met_at=owner.met_at, now=now)
        return policy.enroll_by(owner.met_at, now) if demand is Demand.LATER else None

    def _with_new_token(
        self,
        rows: Rows,
        session: Session,
        owner: store.Owner | None,
        client: Client,
        known_as: Hidden[str] | None = None,
    ) -> Tokens:
        refresh = new_token(REFRESH, self._randomness)
        store.add_token(rows, digest_of(refresh), session.uid, self._clock.now())
        if owner is None:
            message = "a session is opened only for a user who is there and not disabled"
            raise LookupError(message)
        self.meet(rows, session.user, owner, client)
        # Who shows a second factor has not lost it, and whoever said so was somebody else, or has found it.
        if owner.resetting and "otp" in session.proven:
            self._cancel_reset(rows, session.user, client)
        return self.tokens(session, owner, refresh, known_as)
