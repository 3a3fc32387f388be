"""What the clients know for certain: each fact stands here from the moment in which its answer was read.

A request that was sent and not answered is a doubt. It may or may not have happened, but not by halves.
"""

import time
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import pyotp

STEP = 30


class Wish(Enum):
    """What a request in doubt wanted to change."""

    REGISTER = "register"
    ENROLL = "enroll"
    CODE = "spend a code"
    REFRESH = "refresh"
    LOGOUT = "log out"
    PASSWORD = "change the password"
    DELETE = "delete the user"
    GUESS = "guess a code"
    PASSWORD_GUESS = "guess a password"


@dataclass
class Session:
    """A session as its client holds it."""

    access: str
    refresh: str
    spent: str = ""
    """The refresh token before, acknowledged as spent."""
    spent_at: float = 0.0


@dataclass
class Doubt:
    """A request that is on its way, with what it would make true."""

    wish: Wish
    value: str = ""
    session: Session | None = None
    since: float = field(default_factory=time.monotonic)

    def age(self) -> float:
        """Return the seconds since it was sent."""
        return time.monotonic() - self.since


@dataclass
class Person:
    """One user, and everything that was acknowledged about them."""

    name: str
    password: str
    uid: str = ""
    gone: bool = False
    old_password: str = ""
    seed: str = ""
    """Of the enrolled authenticator; empty while there is none."""
    step: int = 0
    """The last step that was accepted, or may have been."""
    accepted_step: int = 0
    """The last step that was certainly accepted."""
    codes: list[str] = field(default_factory=list)
    spent_code: str = ""
    remaining: int = 0
    sessions: list[Session] = field(default_factory=list)
    ended: list[Session] = field(default_factory=list)
    answered: str = ""
    """A challenge that opened a session."""
    guessed: str = ""
    """A challenge that wrong codes were tried on; such a person does nothing else with codes."""
    failures: int = 0
    """Refused codes and passwords so far: one who has many would be throttled, and could not be checked."""
    wrong_codes: int = 0
    wrong_passwords: int = 0
    doubt: Doubt | None = None
    touched: bool = True
    """Whether anything has happened since the last check."""
    story: list[str] = field(default_factory=list)

    def code(self, step: int) -> str:
        """Return what the phone shows in a step."""
        return pyotp.TOTP(self.seed).generate_otp(step)

    def wrong_code(self) -> str:
        """Return a code that is right nowhere near now."""
        near = {self.code(this_step() + away) for away in range(-21, 22)}
        return next(code for code in (f"{number:06d}" for number in range(100)) if code not in near)

    def free_step(self) -> int | None:
        """Return the first step whose code is good by our clock and was never sent."""
        step = max(self.step + 1, this_step() - 1)
        return step if step <= this_step() + 1 else None

    def hold(self, session: Session, *, only: bool = False) -> None:
        """Keep a session; where it is the `only` one left, all others have ended."""
        if only:
            self.ended += [other for other in self.sessions if other is not session]
            self.sessions = []
        if session not in self.sessions:
            self.sessions.append(session)


def this_step() -> int:
    """Return the TOTP step of this moment."""
    return int(time.time()) // STEP


class Journal:
    """Everybody, and a line for each thing that was sent and answered."""

    def __init__(self, path: Path) -> None:
        self.people: list[Person] = []
        self.acknowledged = 0
        self.doubts = 0
        self._file = path.open("a", buffering=1)

    def add(self, person: Person) -> Person:
        """Begin the story of somebody."""
        self.people.append(person)
        return person

    def note(self, person: Person, text: str) -> None:
        """Write a line into somebody's story."""
        line = f"{time.monotonic():.3f} {text}"
        person.story.append(line)
        self._file.write(f"{person.name} {line}\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
