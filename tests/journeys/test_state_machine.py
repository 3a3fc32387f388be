"""No sequence of calls reaches what was not proven: hypothesis draws the calls, a small model keeps the account."""

import asyncio
import json
import tempfile
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import joserfc.jwt
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from joserfc.jwk import KeySet

from sallyport.store.work import Row, Sql
from tests.engines import Sqlite
from tests.surgery import give_roles, operate
from tests.world import UNTHROTTLED, Phone, TurnedClock, World, bearer, client_of, service_in

T = TypeVar("T")

WORDS = ("correct horse battery staple", "another set of plain words", "a third set of simple words")
NAMES = ("alice", "bob")
# Most of what is drawn is right, so that long journeys come about; the rest is a little wrong.
WHO = st.sampled_from(["alice", "alice", "alice", "bob"])
WHICH = st.sampled_from([0, 0, 0, 1, 2])
PLACE = st.sampled_from([0, 0, 0, 1, 2, 4, 5])
STEPS = st.sampled_from([0, 0, 1, 1, -1, 2, -2])
RIGHT = st.sampled_from([True, True, True, True, False])
SELDOM = RIGHT.map(lambda right: not right)

# A day and more: no session but those after a recovery ends by itself within what is drawn.
ENVIRON = UNTHROTTLED | {"SALLYPORT_SESSION_IDLE": "9999d", "SALLYPORT_SESSION_ABSOLUTE": "9999d"}
HOUR = 3_600_000_000
DELAY = 72 * HOUR
OWN_ADDRESS = """UPDATE users SET verified_at = created_at, verified_email_key = email_key, verified_email = email
                 WHERE id = :uid"""

ROLE = st.sampled_from(["crew", "staff"])

CARRIED = Sql("SELECT roles FROM users WHERE id = :user")
STATE = Sql(
    """SELECT mfa_since IS NOT NULL,
              (SELECT count(*) FROM totp WHERE totp.user_id = users.id AND enrolled_at IS NOT NULL),
              (SELECT count(*) FROM backup_sets WHERE backup_sets.user_id = users.id),
              (SELECT count(*) FROM passwords WHERE passwords.user_id = users.id)
       FROM users WHERE users.id = :user"""
)


@dataclass
class Session:
    """What a session has proven, as far as the caller of the service can know."""

    user: "User"
    proven: set[str]
    refresh: str
    tokens: list[str] = field(default_factory=list)
    over: bool = False
    device: str = ""
    """The device that opened it."""
    opened_at: int = 0


@dataclass
class Authenticator:
    """A phone with the secret of one authenticator, and the last step that was accepted of it."""

    uid: str
    phone: Phone
    last_step: int
    enrolled: bool = False


@dataclass(eq=False)
class Key:
    """An API key, and the access token of a session that it opened."""

    uid: str
    value: str
    suspended: bool = False
    revoked: bool = False
    token: str = ""


@dataclass(eq=False)
class Challenge:
    """A challenge, when it was given, and how many codes were tried at it."""

    token: str
    given: int
    tries: int = 0

    def is_open(self, now: int) -> bool:
        return self.tries < 5 and now < self.given + 300_000_000


@dataclass
class User:
    """An account as the model has it."""

    uid: str
    name: str
    password: str | None = None
    version: int = 0
    disabled: bool = False
    phones: list[Authenticator] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    spent_codes: list[str] = field(default_factory=list)
    challenges: list[Challenge] = field(default_factory=list)
    dead_challenges: list[Challenge] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    dead_refresh: list[str] = field(default_factory=list)
    devices: dict[str, str] = field(default_factory=dict)
    """Uids of devices, by their values."""
    forgotten: list[str] = field(default_factory=list)
    """Values of devices that are none any more."""
    keys: list[Key] = field(default_factory=list)
    caller_code: str | None = None
    lost: tuple[str, int] | None = None
    """The mailed token that stands beside the password, and when it was given."""
    spent_tokens: list[str] = field(default_factory=list)
    mailed_at: int | None = None
    """When the password was set by mail, if it was."""
    shown_at: int = 0
    """When a second factor was shown last."""
    waits: tuple[str, int] | None = None
    """The reset that waits: its uid, and when it began."""
    cancels: list[tuple[str, str]] = field(default_factory=list)
    """Tokens that cancel, and the resets that they were mailed for."""
    removed: list[tuple[str, Authenticator, int]] = field(default_factory=list)
    """Apps that their owner has removed, when, and the tokens that bring them back."""
    has_codes: bool = False
    is_reset: bool = False
    """Recovery took the second factors away, and none was enrolled since."""

    @property
    def has_long_values(self) -> bool:
        """A device or an API key is there."""
        return bool(self.devices) or not all(key.revoked for key in self.keys)

    def is_good(self, key: Key) -> bool:
        return not (key.suspended or key.revoked or self.disabled)

    @property
    def enrolled(self) -> list[Authenticator]:
        return [one for one in self.phones if one.enrolled]

    @property
    def may_wait(self) -> bool:
        """The password proves more than the mailbox does."""
        return self.mailed_at is None or self.shown_at > self.mailed_at

    @property
    def live(self) -> list[Session]:
        return [session for session in self.sessions if not session.over]


@dataclass
class Role:
    """A role as the model has it: names of people."""

    uid: str
    version: int = 0
    members: set[str] = field(default_factory=set)
    owners: set[str] = field(default_factory=set)

    @property
    def people(self) -> set[str]:
        return self.members | self.owners


class Gatehouse(RuleBasedStateMachine):
    """The service, and a model of what was proven to it."""

    environ: Mapping[str, str] = ENVIRON

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.clock = TurnedClock()
        service = service_in(Sqlite().settle(Path(self.folder.name)), self.clock, self.environ)
        self.run(service.first_start())
        self.world = World(service, client_of(service), self.clock)
        self.users: dict[str, User] = {}
        self.roles: dict[str, Role] = {}
        jwks = self.call("GET", "/.well-known/jwks.json").json()
        self.keys = KeySet.import_key_set(jwks)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def call(self, method: str, path: str, body: Any = None, token: str = "") -> httpx2.Response:
        answer = self.run(self.world.call(method, path, body, headers=bearer(token) if token else {}))
        assert answer.status_code < 500, answer.text
        return answer

    def teardown(self) -> None:
        self.run(self.world.client.aclose())
        self.world.service.close()
        self.runner.close()
        self.folder.cleanup()

    # What the model knows of answers.

    def opened(self, session: Session, auth_token: dict[str, Any]) -> None:
        """Note new tokens of a session, and hold their claims against what was proven."""
        session.opened_at = session.opened_at or self.clock.now()
        session.refresh = auth_token["refresh"]
        session.tokens.append(auth_token["token"])
        claims = joserfc.jwt.decode(auth_token["token"], self.keys, algorithms=["ES256"]).claims
        assert claims["sub"] == session.user.uid
        assert set(claims["amr"]) - {"mfa"} == session.proven
        assert claims["acr"] == f"aal{len(session.proven)}"
        assert ("mfa" in claims["amr"]) == (session.proven == {"pwd", "otp"})

    def end(self, user: User, *, but: Session | None = None) -> None:
        """Note that the sessions of a user are over."""
        for session in user.live:
            session.over = session is not but
            if session.over:
                user.dead_refresh.append(session.refresh)

    def end_challenges(self, user: User) -> None:
        """Note that what waits for a user is over: challenges, and a reset of second factors."""
        user.dead_challenges += user.challenges
        user.challenges = []
        user.waits = None

    def links(self, user: User, page: str) -> list[str]:
        """Return the tokens of a page's links in a user's new mails."""
        found = [link for mail in self.run(self.world.mails()) for link in mail.links]
        return [link.token for link in found if link.id == user.uid and link.page.endswith(page)]

    def forget_lost(self, user: User) -> None:
        """Note that the mailed token for one who lost everything is no good any more."""
        user.spent_tokens += [user.lost[0]] if user.lost else []
        user.lost = None

    def forget_devices(self, user: User) -> None:
        user.forgotten += user.devices
        user.devices = {}

    def cut_off(self, user: User) -> None:
        """Note that devices are forgotten and API keys suspended: whoever had the password may have made them."""
        self.forget_devices(user)
        for key in user.keys:
            key.suspended = True

    def steps(self) -> int:
        return self.clock.now() // 30_000_000

    def judged(self, user: User, typed: str) -> bool:
        """Tell whether a second factor is good by the model, and spend it."""
        if typed in user.codes:
            user.codes.remove(typed)
            user.spent_codes.append(typed)
            return True
        for one in user.enrolled:
            for step in range(-1, 2):
                if one.phone.code(step) == typed and self.steps() + step > one.last_step:
                    one.last_step = self.steps() + step
                    return True
        return False

    def typed(self, user: User, place: int, steps: int) -> str:
        """Return something to type: a code of a phone, a backup code good or spent, or something wrong."""
        if place < len(user.phones):
            return user.phones[place].phone.code(steps)
        known = user.codes[:1] if place % 2 else user.spent_codes[-1:]
        return known[0] if known else "000000"

    def is_mfa(self, user: User) -> bool:
        return bool(user.enrolled)

    # Rules.

    @initialize(first=st.sampled_from([WORDS[0], None]), second=st.sampled_from([None, WORDS[0]]), mfa=RIGHT)
    def register(self, first: str | None, second: str | None, mfa: bool) -> None:  # noqa: FBT001
        for name, password in zip(NAMES, (first, second), strict=True):
            body = {"name": name, "email": f"{name}@example.org"} | ({"password": password} if password else {})
            made = self.call("POST", "/users", body).json()
            self.run(operate(self.world, OWN_ADDRESS, uid=made["userUid"]))
            user = User(made["userUid"], name, password)
            session = Session(user, {"pwd"} if password else set(), made["refresh"])
            user.sessions.append(session)
            self.users[name] = user
            self.opened(session, made)
        if mfa:
            self.switch_mfa_on(NAMES[0])

    @rule(seconds=st.sampled_from([1, 30, 30, 31, 60, 299, 601]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)
        for user in self.users.values():
            for session in user.live if user.is_reset else []:
                session.over = self.clock.now() >= session.opened_at + HOUR
                user.dead_refresh += [session.refresh] * session.over

    @rule(hours=st.sampled_from([1, 23, 24, 47, 70, 72]), told=RIGHT)
    def days_pass(self, hours: int, told: bool) -> None:  # noqa: FBT001  # drawn by hypothesis
        self.time_passes(hours * 3_600)
        if told:
            self.run(self.world.service.desk.tell_of_resets())
            for user in self.users.values():
                user.cancels += [(token, user.waits[0]) for token in self.links(user, "cancel") if user.waits]

    def word(self, user: User, right: bool) -> str:  # noqa: FBT001  # drawn by hypothesis
        """Return the password, or another."""
        wrong = next(word for word in WORDS if word != user.password)
        return user.password if right and user.password else wrong

    @rule(name=WHO, right=RIGHT)
    def log_in(self, name: str, right: bool) -> None:  # noqa: FBT001  # drawn by hypothesis
        user = self.users[name]
        word = self.word(user, right)
        answer = self.run(self.world.password(name, word))
        if word != user.password or user.disabled:
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
        elif self.is_mfa(user):
            assert set(answer.json()) == {"token", "type", "userUid", "expiresIn", "factors"}
            assert answer.json()["type"] == "CHALLENGE"
            # Of challenges of one microsecond nobody knows which is the oldest.
            user.challenges.append(Challenge(answer.json()["token"], self.clock.now()))
            self.clock.advance(0.001)
            open_ones = [one for one in user.challenges if one.is_open(self.clock.now())]
            for oldest in open_ones[:-20]:
                self.end_challenge(user, oldest)
        else:
            assert answer.status_code == 200
            session = Session(user, {"pwd"}, "")
            user.sessions.append(session)
            self.opened(session, answer.json())

    @rule(name=WHO, place=PLACE, steps=STEPS, dead=SELDOM, other=SELDOM)
    def answer(self, name: str, place: int, steps: int, dead: bool, other: bool) -> None:  # noqa: FBT001
        user = self.users[name]
        challenges = user.dead_challenges if dead else user.challenges
        if not challenges:
            return
        challenge = challenges[-1]
        typed = self.typed(self.users[NAMES[0] if other else name], place, steps)
        answer = self.run(self.world.answer(challenge.token, typed))
        if dead or not challenge.is_open(self.clock.now()):
            assert (answer.status_code, answer.json()["code"]) == (401, "challenge_invalid")
            return
        challenge.tries += 1
        if not self.judged(user, typed):
            assert (answer.status_code, answer.json()["code"]) == (401, "code_invalid")
            return
        assert answer.status_code == 200
        self.end_challenge(user, challenge)
        user.waits, user.shown_at = None, self.clock.now()
        session = Session(user, {"pwd", "otp"}, "")
        user.sessions.append(session)
        self.opened(session, answer.json())
        assert answer.json()["mfa"] == {"enabled": True, "backupCodesRemaining": len(user.codes)}

    @rule(name=WHO)
    def answer_with_what_was_spent(self, name: str) -> None:
        user = self.users[name]
        spent = user.spent_codes[-2:] + [one.phone.code(one.last_step - self.steps()) for one in user.enrolled]
        if not user.challenges or not spent or any(self.judged(user, code) for code in spent):
            return
        challenge = user.challenges[-1]
        for code in spent:
            is_open = challenge.is_open(self.clock.now())
            challenge.tries += is_open
            answer = self.run(self.world.answer(challenge.token, code))
            expected = "code_invalid" if is_open else "challenge_invalid"
            assert (answer.status_code, answer.json()["code"]) == (401, expected)

    def end_challenge(self, user: User, challenge: Challenge) -> None:
        user.challenges.remove(challenge)
        user.dead_challenges.append(challenge)

    def pick(self, user: User, which: int) -> tuple[Session, str] | None:
        """Return a live session and a token of it, the newest or the one before."""
        if not user.live:
            return None
        session = user.live[-1 - which % len(user.live)]
        return session, session.tokens[-1 - which % min(2, len(session.tokens))]

    @rule(name=WHO, which=WHICH, word=st.sampled_from(WORDS))
    def set_first_password(self, name: str, which: int, word: str) -> None:
        user = self.users[name]
        if not (found := self.pick(user, which)):
            return
        body = {"type": "password", "secret": word}
        answer = self.call("POST", "/users/me/secrets", body, found[1])
        if answer.status_code == 200:
            assert user.password is None
            user.password, user.version, user.mailed_at = word, 0, None
        else:
            assert answer.status_code in {401, 409}

    @rule(name=WHO, which=WHICH, right=RIGHT, new=st.sampled_from(WORDS))
    def change_password(self, name: str, which: int, right: bool, new: str) -> None:  # noqa: FBT001
        user = self.users[name]
        old = self.word(user, right)
        if not (found := self.pick(user, which)) or user.password is None:
            return
        listed = self.call("GET", "/users/me/secrets", token=found[1])
        uids = [one["uid"] for one in listed.json() if one["type"] == "password"] if listed.status_code == 200 else []
        if not uids:
            return
        body = {"version": user.version, "current": old, "secret": new}
        answer = self.call("PUT", f"/users/me/secrets/{uids[0]}", body, found[1])
        if answer.status_code == 200:
            assert old == user.password
            user.password, user.version, user.mailed_at = new, user.version + 1, None
            self.forget_lost(user)
            self.end(user, but=found[0])
            self.end_challenges(user)
            user.dead_refresh.append(found[0].refresh)
            self.opened(found[0], answer.json()["session"])
        else:
            assert answer.status_code in {400, 401}

    @rule(name=WHO, which=WHICH)
    def begin_enrollment(self, name: str, which: int) -> None:
        user = self.users[name]
        if not (found := self.pick(user, which)):
            return
        answer = self.call("POST", "/users/me/secrets", {"type": "mfa"}, found[1])
        if answer.status_code != 200:
            assert answer.status_code in {401, 409}
            return
        assert user.password
        user.phones = user.enrolled
        made = answer.json()
        user.phones.append(Authenticator(made["uid"], Phone(made["secret"]["secret"], self.clock), 0))

    @rule(name=WHO, which=WHICH, steps=STEPS, keep=SELDOM)
    def enroll(self, name: str, which: int, steps: int, keep: bool = False) -> None:  # noqa: FBT001, FBT002
        user = self.users[name]
        pending = [one for one in user.phones if not one.enrolled]
        if not (found := self.pick(user, which)) or not pending:
            return
        code, was_on = pending[0].phone.code(steps), self.is_mfa(user)
        body = {"token": code} | ({"keepDevices": True} if keep else {})
        answer = self.call("PUT", f"/users/me/secrets/{pending[0].uid}/enroll", body, found[1])
        if answer.status_code != 200:
            # Without a password, which may have gone since it began, one factor would make two.
            assert answer.status_code in {400, 401, 404} or (answer.status_code == 409 and user.password is None)
            return
        assert abs(steps) <= 1
        assert "pwd" in found[0].proven
        pending[0].enrolled, pending[0].last_step = True, self.steps() + steps
        user.has_codes, user.is_reset, user.shown_at = True, False, self.clock.now()
        user.spent_codes += user.codes
        user.codes = answer.json()["codes"]
        if not was_on and not keep:
            self.forget_devices(user)
        self.end(user, but=found[0])
        self.end_challenges(user)
        user.dead_refresh.append(found[0].refresh)
        found[0].proven = {"pwd", "otp"}
        self.opened(found[0], answer.json()["session"])

    @rule(
        name=WHO,
        which=WHICH,
        right=RIGHT,
        place=PLACE,
        steps=STEPS,
        bare=SELDOM,
    )
    def elevate(self, name: str, which: int, right: bool, place: int, steps: int, bare: bool) -> None:  # noqa: FBT001
        user = self.users[name]
        word = self.word(user, right)
        if not (found := self.pick(user, which)):
            return
        typed = self.typed(user, place, steps)
        body = {"password": word} | ({} if bare else {"token": typed})
        answer = self.call("POST", "/auth/elevate", body, found[1])
        if answer.status_code != 200:
            assert answer.status_code in {400, 401}
            if not bare and word == user.password and self.is_mfa(user) and answer.json()["code"] == "code_invalid":
                assert not self.judged(user, typed)
            return
        assert word == user.password
        proven = {"pwd"}
        if self.is_mfa(user):
            assert not bare
            assert self.judged(user, typed)
            proven = {"pwd", "otp"}
            user.waits, user.shown_at = None, self.clock.now()
        user.dead_refresh.append(found[0].refresh)
        found[0].proven = proven
        self.opened(found[0], answer.json())

    @rule(name=WHO, which=WHICH)
    def refresh(self, name: str, which: int) -> None:
        user = self.users[name]
        if not (found := self.pick(user, which)):
            return
        answer = self.call("POST", "/auth/refresh", {"refresh": found[0].refresh})
        assert answer.status_code == 200, answer.text
        assert answer.json()["refresh"] != found[0].refresh
        self.opened(found[0], answer.json())

    @precondition(lambda self: any(user.dead_refresh for user in self.users.values()))
    @rule(name=WHO, which=st.integers(0, 9))
    def refresh_what_is_dead(self, name: str, which: int) -> None:
        dead = self.users[name].dead_refresh
        if dead:
            answer = self.call("POST", "/auth/refresh", {"refresh": dead[which % len(dead)]})
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")

    @rule(name=WHO, which=WHICH)
    def log_out(self, name: str, which: int) -> None:
        user = self.users[name]
        if not (found := self.pick(user, which)):
            return
        answer = self.call("POST", "/auth/logout", token=found[1])
        if answer.status_code == 204:
            found[0].over = True
            user.dead_refresh.append(found[0].refresh)
        else:
            assert answer.status_code == 401

    @rule(name=WHO, which=WHICH, place=PLACE)
    def delete_authenticator(self, name: str, which: int, place: int) -> None:
        user = self.users[name]
        if not (found := self.pick(user, which)) or place >= len(user.phones):
            return
        phone, was_on = user.phones[place], self.is_mfa(user)
        self.links(user, "undo")
        answer = self.call("DELETE", f"/users/me/secrets/{phone.uid}", token=found[1])
        if answer.status_code != 204:
            assert answer.status_code in {401, 404}
            return
        user.phones.remove(phone)
        ways_back = self.links(user, "undo")
        assert len(ways_back) == phone.enrolled
        user.removed += [(token, phone, self.clock.now()) for token in ways_back]
        if phone.enrolled:
            self.end_challenges(user)
        if was_on and not user.enrolled:
            self.mfa_ended(user, found[0])

    def mfa_ended(self, user: User, caller: Session | None) -> None:
        user.spent_codes += user.codes
        user.codes, user.has_codes = [], False
        self.forget_lost(user)
        self.end(user, but=caller)
        if caller:
            caller.proven = {"pwd"}

    @rule(name=WHO)
    def sign_in_with_everything(self, name: str) -> None:
        user = self.users[name]
        if user.password is None or user.disabled:
            return
        self.log_in(name, right=True)
        if self.is_mfa(user):
            self.clock.advance(60)
            # An app that was brought back stands behind one that only waits for its first code.
            self.answer(name, user.phones.index(user.enrolled[0]), 1, dead=False, other=False)
            assert user.live
            assert user.live[-1].proven == {"pwd", "otp"}

    @rule(name=WHO)
    def switch_mfa_on(self, name: str) -> None:
        self.sign_in_with_everything(name)
        self.begin_enrollment(name, 0)
        self.enroll(name, 0, 0)

    @rule(name=WHO)
    def prove_again_and_reuse_the_code(self, name: str) -> None:
        self.sign_in_with_everything(name)
        self.clock.advance(60)
        self.elevate(name, 0, right=True, place=0, steps=1, bare=False)
        self.log_in(name, right=True)
        self.answer_with_what_was_spent(name)

    @rule(name=WHO)
    def switch_mfa_off(self, name: str) -> None:
        self.sign_in_with_everything(name)
        for _ in range(len(self.users[name].phones)):
            self.delete_authenticator(name, 0, 0)
        self.refresh(name, 0)

    @rule(name=WHO, which=WHICH)
    def new_codes(self, name: str, which: int) -> None:
        user = self.users[name]
        if not (found := self.pick(user, which)):
            return
        answer = self.call("POST", "/users/me/secrets", {"type": "mfabackup"}, found[1])
        if answer.status_code != 200:
            assert answer.status_code in {401, 409}
            return
        assert self.is_mfa(user)
        user.has_codes = True
        user.spent_codes += user.codes
        user.codes = answer.json()["codes"]

    @rule(name=WHO)
    def delete_password(self, name: str) -> None:
        user = self.users[name]
        if not (found := self.pick(user, 0)):
            return
        listed = self.call("GET", "/users/me/secrets", token=found[1])
        uids = [one["uid"] for one in listed.json() if one["type"] == "password"] if listed.status_code == 200 else []
        if not uids:
            return
        answer = self.call("DELETE", f"/users/me/secrets/{uids[0]}", token=found[1])
        if answer.status_code == 204:
            assert not self.is_mfa(user)
            assert not user.is_reset
            user.password = None
            self.end(user, but=found[0])
        else:
            assert answer.status_code in {401, 409}

    @rule(name=WHO, disabled=st.booleans())
    def desk_disables(self, name: str, disabled: bool) -> None:  # noqa: FBT001  # drawn by hypothesis
        user, admin = self.users[name], self.run(self.world.admin())
        version = self.call("GET", f"/users/{user.uid}", token=admin.token).json()["version"]
        body = {"version": version, "disabled": disabled}
        assert self.call("PUT", f"/users/{user.uid}", body, admin.token).status_code == 200
        user.disabled = disabled
        if disabled:
            self.end(user)
            self.end_challenges(user)

    @rule(name=WHO)
    def desk_resets_mfa(self, name: str) -> None:
        user, admin = self.users[name], self.run(self.world.admin())
        was_on = self.is_mfa(user)
        for one in user.phones:
            answer = self.call("DELETE", f"/users/{user.uid}/secrets/{one.uid}", token=admin.token)
            assert answer.status_code in {204, 404}
        user.phones = []
        if was_on:
            self.end_challenges(user)
            self.mfa_ended(user, None)

    @rule(name=WHO, which=WHICH)
    def know_device(self, name: str, which: int) -> None:
        user = self.users[name]
        if not (found := self.pick(user, which)):
            return
        value = f"device {len(user.devices) + len(user.forgotten)} of {name}, by a value that is long"
        if made := self.make(user, found, {"type": "device", "secret": value}):
            user.devices[value] = made["uid"]

    def make(self, user: User, found: tuple[Session, str], body: dict[str, Any]) -> dict[str, Any] | None:
        """Ask for a device or an API key; returns it where it was made."""
        is_first = user.password is None and not user.has_long_values
        answer = self.call("POST", "/users/me/secrets", body, found[1])
        if answer.status_code == 200:
            assert is_first or "pwd" in found[0].proven
            assert not user.is_reset
            made: dict[str, Any] = answer.json()
            return made
        assert answer.status_code == (403 if user.is_reset and "pwd" in found[0].proven else 401) or user.is_reset
        return None

    @rule(name=WHO, right=RIGHT, other=SELDOM)
    def log_in_by_device(self, name: str, right: bool, other: bool) -> None:  # noqa: FBT001
        user = self.users[name]
        known = list(self.users[NAMES[0] if other else name].devices if right else user.forgotten)
        if not known:
            return
        answer = self.run(self.world.password(name, known[-1]))
        if known[-1] not in user.devices or user.disabled:
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
            return
        assert answer.status_code == 200
        session = Session(user, {"swk"}, "", device=user.devices[known[-1]])
        user.sessions.append(session)
        self.opened(session, answer.json())

    @rule(name=WHO, which=WHICH)
    def revoke_device(self, name: str, which: int) -> None:
        user = self.users[name]
        if not (found := self.pick(user, which)) or not user.devices:
            return
        value, uid = next(iter(user.devices.items()))
        answer = self.call("DELETE", f"/users/me/secrets/{uid}", token=found[1])
        if answer.status_code != 204:
            assert answer.status_code == 401
            return
        assert "pwd" in found[0].proven
        del user.devices[value]
        user.forgotten.append(value)
        for session in user.live:
            if session.device == uid:
                session.over = True
                user.dead_refresh.append(session.refresh)

    @rule(name=WHO, which=WHICH)
    def make_key(self, name: str, which: int) -> None:
        user = self.users[name]
        if not (found := self.pick(user, which)):
            return
        if made := self.make(user, found, {"type": "apikey"}):
            user.keys.append(Key(made["uid"], made["secret"]))

    @rule(name=WHO, new=st.sampled_from((None, *WORDS)))
    def take_a_key_and_forget_the_password(self, name: str, new: str | None) -> None:
        self.sign_in_with_everything(name)
        self.make_key(name, 0)
        self.log_in_by_key(name, 0, other=False)
        if new:
            self.forget_the_password(name, new)
            self.log_in_by_key(name, 0, other=False)

    @rule(name=WHO, which=WHICH, other=SELDOM)
    def log_in_by_key(self, name: str, which: int, other: bool) -> None:  # noqa: FBT001  # drawn by hypothesis
        user = self.users[name]
        keys = self.users[NAMES[0] if other else name].keys
        if not keys:
            return
        key = keys[-1 - which % len(keys)]
        answer = self.run(self.world.password(name, key.value))
        if key not in user.keys or not user.is_good(key):
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
            return
        assert answer.status_code == 200
        key.token = answer.json()["token"]
        claims = joserfc.jwt.decode(key.token, self.keys, algorithms=["ES256"]).claims
        assert (claims["sub"], claims["acr"], claims["amr"]) == (user.uid, "aal1", ["swk"])
        for shown in (key.value, key.token):
            for method, path in (("GET", "/secrets"), ("POST", "/secrets"), ("GET", "/sessions"), ("DELETE", "")):
                assert self.call(method, f"/users/me{path}", token=shown).status_code == 403

    @rule(name=WHO, which=WHICH, back=RIGHT)
    def revoke_key_or_put_it_back(self, name: str, which: int, back: bool) -> None:  # noqa: FBT001  # drawn by hypothesis
        user = self.users[name]
        if not (found := self.pick(user, which)) or not user.keys:
            return
        key = user.keys[-1 - which % len(user.keys)]
        path = f"/users/me/secrets/{key.uid}"
        told = self.call("GET", path, token=found[1])
        assert told.status_code in {401, 404 if key.revoked else 200}
        if told.status_code != 200:
            return
        assert told.json()["suspended"] == key.suspended
        body = {"version": told.json()["version"], "suspended": False}
        answer = self.call("PUT", path, body, found[1]) if back else self.call("DELETE", path, token=found[1])
        if answer.status_code not in {200, 204}:
            assert answer.status_code == 401 or (answer.status_code == 403 and user.is_reset and key.suspended)
            return
        assert "pwd" in found[0].proven
        assert not (back and key.suspended and user.is_reset)
        key.suspended, key.revoked = key.suspended and not back, not back

    def lists(self, role: Role) -> dict[str, Any]:
        """Return a role as a body has it."""
        named = {"members": role.members, "owners": role.owners}
        return {"version": role.version} | {
            field: sorted(self.users[name].uid for name in names) for field, names in named.items()
        }

    @rule(name=WHO, role=ROLE, owner=SELDOM)
    def desk_lets_in(self, name: str, role: str, owner: bool) -> None:  # noqa: FBT001
        admin = self.run(self.world.admin())
        if role not in self.roles:
            made = self.call("POST", "/roles", {"name": role}, admin.token)
            assert made.status_code == 201
            self.roles[role] = Role(made.json()["uid"])
        known = self.roles[role]
        (known.owners if owner else known.members).add(name)
        changed = self.call("PUT", f"/roles/{known.uid}", self.lists(known), admin.token)
        assert changed.status_code == 200, changed.text
        known.version += 1
        assert {field: changed.json()[field] for field in ("version", "members", "owners")} == self.lists(known)

    @rule(name=WHO, which=WHICH, role=ROLE, other=WHO)
    def one_sends_another_away(self, name: str, which: int, role: str, other: str) -> None:
        user, known = self.users[name], self.roles.get(role)
        if not (found := self.pick(user, which)) or known is None:
            return
        body = {"version": known.version, "members": sorted(self.users[one].uid for one in known.members - {other})}
        answer = self.call("PUT", f"/roles/{known.uid}", body, found[1])
        if answer.status_code == 200:
            assert name in known.owners
            assert not user.is_reset
            known.members -= {other}
            known.version += 1
        else:
            is_known = self.call("GET", "/users/me", token=found[1]).status_code == 200
            may_not = user.is_reset or name not in known.owners
            assert answer.status_code == (403 if is_known and may_not else 401)

    @rule(role=ROLE)
    def desk_deletes_a_role(self, role: str) -> None:
        if known := self.roles.pop(role, None):
            admin = self.run(self.world.admin())
            assert self.call("DELETE", f"/roles/{known.uid}", token=admin.token).status_code == 204
            for name in known.members | known.owners:
                self.end(self.users[name])
                self.end_challenges(self.users[name])

    @rule(name=WHO, right=RIGHT)
    def lose_everything_and_call_the_desk(self, name: str, right: bool) -> None:  # noqa: FBT001  # drawn by hypothesis
        """Ask for a caller code: it tells nothing, opens nothing, and ends nothing."""
        user = self.users[name]
        word = self.word(user, right)
        answer = self.call("POST", f"/users/{user.uid}/recover/mfa", {"password": word})
        is_good = word == user.password and not user.disabled
        assert answer.status_code == (202 if is_good else 401)
        for token in self.links(user, "lost"):  # five an hour, and none voids another that does not come
            assert is_good
            assert self.is_mfa(user)
            self.forget_lost(user)
            user.lost = token, self.clock.now()
        if is_good:
            code = answer.json()["callerCode"]
            assert self.call("GET", "/users/me", token=code).status_code == 401
            user.caller_code = code

    @rule(name=WHO, with_code=RIGHT)
    def desk_resets_all_at_once(self, name: str, with_code: bool) -> None:  # noqa: FBT001  # drawn by hypothesis
        user, admin = self.users[name], self.run(self.world.admin())
        wrong = "000000" if user.caller_code != "000000" else "111111"
        code = {} if user.caller_code is None and with_code else {"callerCode": user.caller_code or wrong}
        answer = self.call("DELETE", f"/users/{user.uid}/mfa", code, admin.token)
        if not self.is_mfa(user):
            assert answer.status_code == 409
            return
        assert answer.status_code in {204, 400}
        assert answer.status_code == 204 or code
        user.caller_code = None
        if answer.status_code == 204:
            user.phones = []
            self.end_challenges(user)
            self.mfa_ended(user, None)

    @rule(name=WHO, right=RIGHT, code=st.sampled_from(["good", "spent", "none", "none"]), old=SELDOM)
    def come_back(self, name: str, right: bool, code: str, old: bool) -> None:  # noqa: FBT001  # drawn by hypothesis
        """Show password and mailed token, with a backup code or without."""
        user = self.users[name]
        now, word, token = self.clock.now(), self.word(user, right), user.lost[0] if user.lost else ""
        token = user.spent_tokens[-1] if old and user.spent_tokens else token
        typed = {"good": user.codes[:1], "spent": user.spent_codes[-1:], "none": []}[code]
        body = {"password": word, "token": token} | ({"code": typed[0]} if typed else {})
        answer = self.call("POST", f"/users/{user.uid}/recover/mfa", body)
        said = (answer.status_code, answer.json().get("code"))
        lost = user.lost
        if lost is None or token != lost[0] or now >= lost[1] + HOUR // 2 or user.disabled or not self.is_mfa(user):
            assert said == (400, "token_invalid")
        elif word != user.password:
            assert said == (401, "invalid_credentials")
        elif typed and typed[0] not in user.codes:
            assert said == (400, "code_invalid")
        elif answer.status_code == 403:
            assert not typed
            assert user.mailed_at is not None
        elif answer.status_code == 202:
            assert not typed
            assert user.may_wait
            self.forget_lost(user)
            self.waits_now(user, answer.json()["uid"])
        else:
            assert answer.status_code == 200, answer.text
            assert typed or (user.may_wait and user.waits and now - user.waits[1] >= DELAY)
            self.reset_by_recovery(user, answer.json())

    def waits_now(self, user: User, uid: str) -> None:
        """Note a reset that waits: the one that did, or a new one where nobody took that in time."""
        now = self.clock.now()
        if user.waits is None or user.waits[0] != uid:
            assert user.waits is None or now >= user.waits[1] + 2 * DELAY
            user.waits = uid, now
        user.cancels += [(token, uid) for token in self.links(user, "cancel")]

    def reset_by_recovery(self, user: User, auth_token: dict[str, Any]) -> None:
        user.phones, user.removed, user.is_reset = [], [], True
        self.end_challenges(user)
        self.mfa_ended(user, None)
        self.cut_off(user)
        session = Session(user, {"pwd"}, "")
        user.sessions.append(session)
        self.opened(session, auth_token)
        assert self.call("GET", "/users", token=auth_token["token"]).status_code == 403

    @rule(name=WHO, told=RIGHT)
    def wait_until_the_end(self, name: str, told: bool) -> None:  # noqa: FBT001  # drawn by hypothesis
        """Lose everything, wait as one has to, and come back; who is not told before does not come in."""
        self.switch_mfa_on(name)
        self.lose_everything_and_call_the_desk(name, right=True)
        self.come_back(name, right=True, code="none", old=False)
        for hours in (24, 47, 1):
            self.days_pass(hours, told)
        self.lose_everything_and_call_the_desk(name, right=True)
        user, waits = self.users[name], self.users[name].waits
        self.come_back(name, right=True, code="none", old=False)
        assert told or not waits or user.waits

    @rule(name=WHO, code=st.sampled_from(["good", "none"]))
    def lose_everything_and_come_back(self, name: str, code: str) -> None:
        self.switch_mfa_on(name)
        self.lose_everything_and_call_the_desk(name, right=True)
        self.come_back(name, right=True, code=code, old=False)

    @rule(name=WHO, which=WHICH, other=SELDOM)
    def cancel_by_link(self, name: str, which: int, other: bool) -> None:  # noqa: FBT001  # drawn by hypothesis
        user = self.users[name]
        links = self.users[NAMES[0] if other else name].cancels
        if not links:
            return
        token, uid = links[-1 - which % len(links)]
        answer = self.call("POST", f"/users/{user.uid}/recover/mfa/cancel", {"token": token})
        if answer.status_code == 204:
            assert user.waits
            assert user.waits[0] == uid
            user.waits = None
        else:
            assert (answer.status_code, answer.json()["code"]) == (400, "token_invalid")
            assert not user.waits or user.waits[0] != uid or self.clock.now() >= user.waits[1] + 2 * DELAY

    @rule(name=WHO, which=WHICH)
    def cancel_by_hand(self, name: str, which: int) -> None:
        user = self.users[name]
        if not (found := self.pick(user, which)):
            return
        answer = self.call("DELETE", "/users/me/recover/mfa", token=found[1])
        if answer.status_code == 204:
            assert user.waits
            assert "otp" in found[0].proven
            user.waits = None
        else:
            assert answer.status_code in {401, 403, 404}

    @rule(name=WHO, new=st.sampled_from(WORDS))
    def forget_the_password(self, name: str, new: str) -> None:
        """Set a new password by mail: no session comes of it, and no second factor goes."""
        user = self.users[name]
        assert self.call("POST", "/users/recover", {"identifier": name}).status_code == 202
        tokens, path = self.links(user, "recover"), f"/users/{user.uid}/recover"
        assert not (tokens and user.disabled)
        for token in tokens:
            assert self.call("POST", path, {"token": token, "password": new}).status_code == 204
            assert self.call("POST", path, {"token": token, "password": new}).status_code == 400
            user.mailed_at = None if user.password is None else max(self.clock.now(), user.shown_at)
            user.version = 0 if user.password is None else user.version + 1
            user.password = new
            self.end(user)
            self.end_challenges(user)
            self.cut_off(user)
            self.forget_lost(user)

    @rule(name=WHO, right=RIGHT, which=WHICH)
    def bring_an_app_back(self, name: str, right: bool, which: int) -> None:  # noqa: FBT001  # drawn by hypothesis
        user = self.users[name]
        if not user.removed:
            return
        place = -1 - which % len(user.removed)
        token, app, removed_at = user.removed[place]
        word, was_on = self.word(user, right), self.is_mfa(user)
        body = {"token": token, "password": word}
        answer = self.call("POST", f"/users/{user.uid}/undo", body)
        if answer.status_code == 204:
            assert (word, user.disabled) == (user.password, False)
            assert self.clock.now() < removed_at + DELAY
            user.removed.pop(place)
            user.phones.append(app)
            self.end(user)
            self.end_challenges(user)
            self.forget_lost(user)
            if not was_on:
                self.forget_devices(user)
        else:
            assert answer.status_code in {400, 401}
            assert word != user.password or user.disabled or self.clock.now() >= removed_at + DELAY

    # What always holds.

    @invariant()
    def users_carry_the_roles_that_they_are_in(self) -> None:
        for name, user in self.users.items():
            wanted = sorted(role for role, known in self.roles.items() if name in known.people)
            row = self.run(self._row(CARRIED, user))
            assert json.loads(row[0]) == wanted
            for session in user.live[-1:]:
                seen = self.call("GET", "/users/me", token=session.tokens[-1])
                assert seen.status_code == 401 or seen.json()["roles"] == wanted

    @invariant()
    def mfa_is_on_exactly_where_an_authenticator_is_enrolled(self) -> None:
        for user in self.users.values():
            mfa, enrolled, sets, passwords = self.run(self._row(STATE, user))
            assert bool(mfa) == bool(enrolled) == self.is_mfa(user)
            assert enrolled == len(user.enrolled)
            assert sets == user.has_codes
            assert bool(mfa) or not sets
            assert bool(passwords) == (user.password is not None)
            assert passwords or not mfa

    async def _row(self, asked: Sql, user: User) -> Row:
        row = await self.world.service.work.read(lambda rows: rows.one(asked, user=user.uid))
        assert row
        return row

    @invariant()
    def a_key_is_good_until_it_is_suspended_or_revoked(self) -> None:
        for user in self.users.values():
            for key in user.keys[-2:]:
                status = 200 if user.is_good(key) else 401
                assert self.call("GET", "/users/me", token=key.value).status_code == status

    @rule(name=WHO, which=WHICH)
    def introspection_says_what_the_gate_says(self, name: str, which: int) -> None:
        user, admin = self.users[name], self.run(self.world.admin())
        sessions = user.sessions[-1 - which % max(1, len(user.sessions)) :][:1]
        shown = [session.tokens[-1] for session in sessions]
        shown += [one for key in user.keys[-1:] for one in (key.value, key.token)]
        for token in filter(None, shown):
            is_good = self.call("GET", "/users/me", token=token).status_code == 200
            told = self.call("POST", "/auth/introspect", {"token": token}, admin.token).json()
            assert told["active"] == is_good
            assert is_good or set(told) == {"active"}
        for session in sessions:
            told = self.call("POST", "/auth/introspect", {"token": session.refresh}, admin.token).json()
            assert told["active"] == (not session.over)

    @invariant()
    def what_is_over_is_refused(self) -> None:
        for user in self.users.values():
            for session in user.sessions[-2:]:
                if session.over and session.tokens:
                    assert self.call("GET", "/users/me", token=session.tokens[-1]).status_code == 401
            for challenge in [*user.challenges[-1:], *user.dead_challenges[-1:]]:
                assert self.call("GET", "/users/me", token=challenge.token).status_code == 401


class GatehouseOfTwo(Gatehouse):
    """The same, where a second person has to confirm what the desk takes away: one alone ends no MFA."""

    environ = ENVIRON | {"SALLYPORT_DESK_APPROVAL": "two"}

    def __init__(self) -> None:
        super().__init__()
        self.second = self.run(self.world.register("second"))
        self.run(give_roles(self.second, "admin"))
        self.asked: list[tuple[str, str, User]] = []
        """Approvals that wait: uid, uid of one second factor or nothing for all, and whom they are about."""

    def ask(self, user: User, path: str, secret: str) -> None:
        admin = self.run(self.world.admin())
        answer = self.call("DELETE", f"/users/{user.uid}/{path}", token=admin.token)
        if answer.status_code == 202:
            self.asked.append((answer.json()["uid"], secret, user))
            assert self.call("POST", f"/approvals/{answer.json()['uid']}", token=admin.token).status_code == 403

    @rule(name=WHO)
    def desk_resets_mfa(self, name: str) -> None:
        user = self.users[name]
        for one in user.enrolled:
            self.ask(user, f"secrets/{one.uid}", one.uid)

    @rule(name=WHO, with_code=RIGHT)
    def desk_resets_all_at_once(self, name: str, with_code: bool) -> None:  # noqa: ARG002, FBT001  # drawn by hypothesis
        self.ask(self.users[name], "mfa", "")

    @rule(which=WHICH)
    def a_second_person_confirms(self, which: int) -> None:
        self.run(self.second.login())
        if not self.asked:
            return
        uid, secret, user = self.asked.pop(which % len(self.asked))
        answer = self.call("POST", f"/approvals/{uid}", token=self.second.token)
        before = user.enrolled
        going = [one for one in before if secret in {"", one.uid}]
        if answer.status_code != 204:
            assert answer.status_code == 404 or not going
            return
        assert going
        user.phones = [one for one in user.phones if one not in going and (secret or one.enrolled)]
        self.end_challenges(user)
        if not user.enrolled:
            self.mfa_ended(user, None)
        assert self.call("POST", f"/approvals/{uid}", token=self.second.token).status_code == 404


def test_the_model_walks_every_way_back() -> None:
    """What is drawn seldom comes so far: here is a journey that does."""
    model = Gatehouse()
    model.register(WORDS[0], None, mfa=True)
    alice = model.users["alice"]

    def waits() -> bool:
        return alice.waits is not None

    model.wait_until_the_end("alice", told=False)
    assert waits()
    model.cancel_by_link("alice", 0, other=False)
    assert not waits()
    model.time_passes(HOUR // 1_000_000)
    model.wait_until_the_end("alice", told=True)
    assert alice.is_reset
    model.lose_everything_and_come_back("alice", "good")
    assert alice.is_reset
    model.time_passes(HOUR // 1_000_000)
    assert not alice.live
    model.lose_everything_and_come_back("alice", "none")
    assert waits()
    model.cancel_by_hand("alice", 0)
    assert not waits()
    model.switch_mfa_off("alice")
    model.bring_an_app_back("alice", right=True, which=0)
    assert model.is_mfa(alice)
    model.forget_the_password("alice", WORDS[1])
    assert alice.password == WORDS[1]
    assert not alice.live
    for _ in range(2):  # the mailbox alone, which brings the password, ends nothing however long it waits
        model.lose_everything_and_call_the_desk("alice", right=True)
        model.come_back("alice", right=True, code="none", old=False)
        model.days_pass(72, told=True)
    assert model.is_mfa(alice)
    assert not waits()
    model.lose_everything_and_come_back("alice", "none")
    assert waits()
    model.mfa_is_on_exactly_where_an_authenticator_is_enrolled()
    model.what_is_over_is_refused()
    model.teardown()


def test_the_model_walks_the_life_of_a_key() -> None:
    model = Gatehouse()
    model.register(WORDS[0], None, mfa=True)
    alice = model.users["alice"]
    model.take_a_key_and_forget_the_password("alice", WORDS[1])
    (key,) = alice.keys
    assert key.suspended
    model.a_key_is_good_until_it_is_suspended_or_revoked()
    model.introspection_says_what_the_gate_says("alice", 0)
    model.sign_in_with_everything("alice")
    for back in (True, False):
        model.revoke_key_or_put_it_back("alice", 0, back)
        assert (key.suspended, key.revoked) == (False, not back)
        model.log_in_by_key("alice", 0, other=False)
        model.a_key_is_good_until_it_is_suspended_or_revoked()
        model.introspection_says_what_the_gate_says("alice", 0)
    model.teardown()


TestGatehouse = Gatehouse.TestCase
TestGatehouseOfTwo = GatehouseOfTwo.TestCase
TestGatehouse.settings = TestGatehouseOfTwo.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
