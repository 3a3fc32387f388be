"""Enrolling an authenticator app: begin, prove, confirm."""

from dataclasses import dataclass
from io import BytesIO

from sallyport.audit.flow.journal import Journal, attempt_by
from sallyport.audit.rules import Entry, Event, Factor
from sallyport.authenticators.backup_codes import store as backup_codes
from sallyport.authenticators.backup_codes.flow import DrawCodes
from sallyport.authenticators.codes import Code, TotpCode
from sallyport.authenticators.devices import store as devices
from sallyport.authenticators.password import store as passwords
from sallyport.authenticators.ports import Sessions
from sallyport.authenticators.rules import Authenticator, TotpTraits
from sallyport.authenticators.totp import store
from sallyport.authenticators.totp.rules import (
    MOST_ENROLLED,
    PENDING_LIFETIME,
    SEED_BYTES,
    Accepted,
    Seed,
    accepted_step,
    base32,
    clock_offset,
    otpauth_url,
)
from sallyport.kernel.caller import Caller
from sallyport.kernel.clock import Clock
from sallyport.kernel.hashpool import HashPool
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Ids, Randomness
from sallyport.kernel.outcomes import Granted, Refused, Tokens, Why
from sallyport.kernel.vault import Vault
from sallyport.store.work import Rows, Work
from sallyport.throttle.flow.judging import Try
from sallyport.throttle.flow.known_clients import KnownClients
from sallyport.throttle.flow.throttle import Throttle
from sallyport.users import store as users

PROVEN = ("pwd", "otp")
"""What one has proven who enrolls: the password lately, and the code now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A pending authenticator, with the value that is shown this once."""

    told: Authenticator
    key: Hidden[str]
    url: Hidden[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """An enrolled authenticator, with new backup codes and new tokens of the same session."""

    told: Authenticator
    codes: Hidden[tuple[str, ...]]
    granted: Granted


class BeginEnrollment:
    """Makes a pending authenticator. It has no effect on login."""

    def __init__(
        self,
        *,
        work: Work,
        vault: Vault,
        sessions: Sessions,
        journal: Journal,
        clock: Clock,
        ids: Ids,
        randomness: Randomness,
        issuer: str,
    ) -> None:
        self._work = work
        self._vault = vault
        self._sessions = sessions
        self._journal = journal
        self._clock = clock
        self._ids = ids
        self._randomness = randomness
        self._issuer = issuer

    async def __call__(self, caller: Caller, description: str | None) -> Begun | Refused:
        """Return the pending authenticator and its seed; one that was pending before is void."""
        uid, key = self._ids.new(), Hidden(self._randomness(SEED_BYTES))
        sealed = self._vault.seal(key, store.seed_place(caller.uid, uid))
        seed = store.SealedSeed(user=caller.uid, uid=uid, sealed=sealed, last_step=0)
        told = await self._work(lambda rows: self._record(rows, caller, seed, description))
        if isinstance(told, Refused):
            return told
        url = Hidden(otpauth_url(self._issuer, caller.name, key))
        return Begun(told=told, key=Hidden(base32(key)), url=url)

    def _record(
        self, rows: Rows, caller: Caller, seed: store.SealedSeed, description: str | None
    ) -> Authenticator | Refused:
        if refused := self._sessions.refused(rows, caller):
            return refused
        # One factor must not make two: a newcomer's token proves nothing yet.
        if not caller.fresh or passwords.of_user(rows, caller.uid) is None:
            return Refused(why=Why.PASSWORD_REQUIRED)
        if store.enrolled(rows, caller.uid) >= MOST_ENROLLED:
            return Refused(why=Why.LIMIT_REACHED)
        now = self._clock.now()
        store.replace_pending(rows, seed, description, now, now + PENDING_LIFETIME)
        self._journal.did(rows, caller, Event.SECRET_CREATED, factor=Factor.TOTP, detail=seed.uid)
        return _told(rows, caller.uid, seed.uid, now)


class Enroll:
    """Takes the first code, and switches MFA on."""

    def __init__(
        self,
        *,
        work: Work,
        vault: Vault,
        sessions: Sessions,
        throttle: Throttle,
        clients: KnownClients,
        journal: Journal,
        draw_codes: DrawCodes,
        clock: Clock,
    ) -> None:
        self._work = work
        self._vault = vault
        self._sessions = sessions
        self._throttle = throttle
        self._clients = clients
        self._journal = journal
        self._draw_codes = draw_codes
        self._clock = clock

    async def __call__(self, caller: Caller, uid: str, code: Code, *, keep_devices: bool = False) -> Enrolled | Refused:
        """Return the enrolled authenticator, ten backup codes, and tokens of the caller's session; all others end.

        Where this switches MFA on, known devices are forgotten: they pass by the second factor. The user may keep them.
        """
        seen = await self._work(lambda rows: self._gather(rows, caller, uid))
        if isinstance(seen, Refused):
            return seen
        seed, tried = seen
        accepted = self._judge(seed, code)
        if isinstance(accepted, Refused):
            return await self._work(lambda rows: self._refused(rows, caller, accepted))
        drawn = await self._draw_codes(caller.uid)
        forget = not (caller.mfa or keep_devices)
        recorded = await self._work(
            lambda rows: self._record(rows, caller, accepted, tried, drawn.kept, forget_devices=forget)
        )
        if isinstance(recorded, Refused):
            return recorded
        told, tokens = recorded
        return Enrolled(told=told, codes=drawn.shown, granted=tokens())

    def _gather(self, rows: Rows, caller: Caller, uid: str) -> tuple[store.SealedSeed, Try] | Refused:
        rows.alone(caller.uid)
        found = [told for told in store.of_user(rows, caller.uid, self._clock.now()) if told.uid == uid]
        if not found:
            return Refused(why=Why.NOT_FOUND)
        if found[0].traits == TotpTraits(enrolled=True):
            return Refused(why=Why.ALREADY_ENROLLED)
        seed = store.spend_try(rows, caller.uid, uid, self._clock.now())
        if seed is None:
            return Refused(why=Why.NOT_FOUND)
        tried = self._throttle.second_factor(rows, caller.uid, caller.client, caller.login_client)
        if isinstance(tried, Refused):
            store.give_try_back(rows, caller.uid, uid)
            return self._refused(rows, caller, tried)
        return seed, tried

    def _refused(self, rows: Rows, caller: Caller, refused: Refused) -> Refused:
        attempt = attempt_by(caller, Event.ENROLL_CODE, Factor.TOTP)
        return self._journal.refused(rows, attempt, caller.client, refused)

    def _judge(self, seen: store.SealedSeed, code: Code) -> Accepted | Refused:
        if not isinstance(code, TotpCode):
            return Refused(why=Why.WRONG_ENROLLMENT_CODE, pointer="/token")
        now = self._clock.now()
        seed = opened(self._vault, seen)
        if (step := accepted_step(seed, code, now)) is not None:
            return Accepted(seen.uid, step)
        if (offset := clock_offset(seed, code, now)) is not None:
            return Refused(why=Why.CODE_OUT_OF_STEP, clock_offset_seconds=offset, pointer="/token")
        return Refused(why=Why.WRONG_ENROLLMENT_CODE, pointer="/token")

    def _record(
        self,
        rows: Rows,
        caller: Caller,
        accepted: Accepted,
        tried: Try,
        codes: backup_codes.NewSet,
        *,
        forget_devices: bool,
    ) -> tuple[Authenticator, Tokens] | Refused:
        now = self._clock.now()
        if refused := self._sessions.refused(rows, caller, *tried.keys):
            return refused
        if passwords.of_user(rows, caller.uid) is None:
            return Refused(why=Why.PASSWORD_REQUIRED)
        # One that was removed may have come back since this one was begun.
        if store.enrolled(rows, caller.uid) >= MOST_ENROLLED:
            return Refused(why=Why.LIMIT_REACHED)
        if not store.enroll(rows, caller.uid, accepted, now):
            return Refused(why=Why.NOT_FOUND)
        self._throttle.succeeded(rows, tried)
        self._clients.enrolled(rows, caller)
        users.set_mfa(rows, caller.uid, now, on=True)
        backup_codes.replace(rows, codes, now)
        self._journal.did(rows, caller, Event.SECRET_ENROLLED, factor=Factor.TOTP, detail=accepted.uid)
        if forget_devices and (gone := devices.delete_all(rows, caller.uid)):
            self._journal.did(rows, caller, Event.SECRET_REMOVED, factor=Factor.DEVICE, detail=f"{gone} devices")
        self._sessions.end_others(rows, caller.uid, caller)
        tokens = self._sessions.renew(rows, caller, PROVEN)
        return _told(rows, caller.uid, accepted.uid, now), tokens


class SwitchOff:
    """Lets no code of a user's authenticators be good any more. NIST SP 800-63B-4 3.2.2."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def __call__(self, rows: Rows, user: str, now: int) -> None:
        """Switch off what is on; the try that brought it about stands in a row beside."""
        if store.switch_off(rows, user, now):
            entry = Entry(event=Event.SECRET_SWITCHED_OFF, factor=Factor.TOTP, user=user)
            self._journal.note(rows, entry, None)


class DrawQr:
    """Draws a key URI as a QR code, off the event loop."""

    def __init__(self, pool: HashPool) -> None:
        self._pool = pool

    async def __call__(self, url: Hidden[str]) -> str:
        """Return an SVG document with the URI on white, as readers want it. Raises `Overloaded`."""
        return await self._pool.run(lambda: _svg(url.reveal()))


def opened(vault: Vault, seed: store.SealedSeed) -> Seed:
    """Open a seed for as long as it takes to judge a code."""
    key = vault.open(seed.sealed, store.seed_place(seed.user, seed.uid))
    return Seed(uid=seed.uid, key=key, last_step=seed.last_step)


def _svg(url: str) -> str:
    import segno  # noqa: PLC0415  # for those alone who ask for a drawing

    drawing = BytesIO()
    segno.make(url, error="m", micro=False).save(
        drawing, kind="svg", scale=4, border=4, dark="#000", light="#fff", xmldecl=False, unit="px"
    )
    return drawing.getvalue().decode().strip()


def _told(rows: Rows, user: str, uid: str, now: int) -> Authenticator:
    return next(told for told in store.of_user(rows, user, now) if told.uid == uid)
