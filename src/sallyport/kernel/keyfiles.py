"""The key directory: one file a ring, made at the first start, readable by its owner alone."""

import json
import os
import stat
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sallyport.kernel.clock import SECOND, rfc3339
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Randomness
from sallyport.kernel.turns import turn_in
from sallyport.kernel.vault import KEY_ID_BYTES, Ring

OWNER_ONLY: Final = 0o600
SETTLE: Final = 5 * SECOND
"""Running services look at the files every second; after five each has seen what changed."""

_SHORTEST_KEY: Final = 32
"""256 bits; a signing key in its wrapping is longer."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NO_RING: Final = (ValueError, KeyError, TypeError, AttributeError)
"""What comes of reading a file that is no ring."""


class KeysRefusedError(Exception):
    """The key directory can't be used. The message has every reason, and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingPlan:
    """What a ring is for: how its keys are drawn, and what its rotation has to heed. Times are microseconds."""

    name: str
    draw: Callable[[], bytes]
    keys: int = 1
    """Two for signing: the next key is published before it signs."""
    accept: Callable[[Ring], object] = lambda _: None
    """Raises `KeysRefusedError` for a ring that is whole, but no use for its purpose."""
    settle: int = SETTLE
    """How long a new key is known before it is used."""
    rest: int = 0
    """How long an older key must have been idle before it may be retired."""
    needed: bool = True
    """Whether a used database has something that names its keys. False for a ring that came with a newer release."""


def open_rings(
    directory: Path, plans: list[RingPlan], randomness: Randomness, now: int, *, used_database: bool
) -> Mapping[str, Ring]:
    """Read every ring, making the missing ones beside a new database.

    Raises `KeysRefusedError` with all faults in one message: a missing ring beside a used database, a file
    that others can read, a file that is not a ring.
    """
    try:
        with turn_in(directory):
            wanted = [plan for plan in plans if not (used_database and plan.needed)]
            for plan in [plan for plan in wanted if not ring_path(directory, plan.name).exists()]:
                _create(directory, plan, randomness, now)
    except OSError as fault:
        message = f"the key directory {directory} can't be used: {fault.strerror}"
        raise KeysRefusedError(message) from fault
    rings, faults = look_over(directory, plans, used_database=used_database)
    if faults:
        raise KeysRefusedError("\n".join(faults))
    return rings


def look_over(directory: Path, plans: list[RingPlan], *, used_database: bool) -> tuple[dict[str, Ring], list[str]]:
    """Read the rings that are there and return them with all that is wrong; makes and changes nothing."""
    rings: dict[str, Ring] = {}
    faults: list[str] = []
    if directory.exists() and stat.S_IMODE(directory.stat().st_mode) & 0o022:
        faults.append(f"{directory} can be written by others: chmod 700 {directory}")
    for plan in plans:
        if not (used_database and plan.needed) and not ring_path(directory, plan.name).exists():
            continue
        try:
            rings[plan.name] = read_ring(directory, plan)
        except KeysRefusedError as fault:
            faults.append(str(fault))
    return rings, faults


def read_ring(directory: Path, plan: RingPlan) -> Ring:
    """Read one ring. Raises `KeysRefusedError` where it is missing, readable by others, or no ring of this plan."""
    path = ring_path(directory, plan.name)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            message = f"{path} can be read by others (mode {mode:04o}): chmod 600 {path}"
            raise KeysRefusedError(message)
        ring = _ring(json.loads(path.read_text()), plan)
    except FileNotFoundError:
        message = f"{path} is missing beside a database that is in use: restore it from your backup"
        raise KeysRefusedError(message) from None
    except OSError as fault:
        message = f"{path} can't be read ({fault.strerror}): it is a file of the service's own user, or restore it"
        raise KeysRefusedError(message) from None
    except _NO_RING as fault:
        message = f"{path} is no {plan.name} ring ({type(fault).__name__}): restore it from your backup"
        raise KeysRefusedError(message) from None
    plan.accept(ring)
    return ring


def change_ring(directory: Path, plan: RingPlan, change: Callable[[Ring], Ring]) -> Ring:
    """Change a ring in its file, one process at a time; returns what stands there now.

    A crash leaves the file of before or the new one, never a mixture. A `change` that returns what it was given
    writes nothing. Raises `KeysRefusedError`, and what `change` raises.
    """
    read_ring(directory, plan)  # so that no folder is made where there is none
    try:
        with turn_in(directory):
            before = read_ring(directory, plan)
            after = change(before)
            if after is not before:
                plan.accept(after)
                _write(directory, after)
    except OSError as fault:
        message = f"can't write {ring_path(directory, plan.name)}: {fault.strerror}"
        raise KeysRefusedError(message) from fault
    return after


def draw_key_id(randomness: Randomness) -> str:
    """Return the id of a new key: random, so that it tells nothing and meets no other."""
    return randomness(KEY_ID_BYTES).hex()


def ring_path(directory: Path, name: str) -> Path:
    """Return the file of a ring."""
    return directory / f"{name}.json"


def _create(directory: Path, plan: RingPlan, randomness: Randomness, now: int) -> None:
    keys = {draw_key_id(randomness): Hidden(plan.draw()) for _ in range(plan.keys)}
    active, *others = keys
    made = dict.fromkeys(keys, now)
    following = others[0] if others else None
    ring = Ring(name=plan.name, active=active, following=following, keys=keys, made=made, since=now)
    _write(directory, ring)


def _write(directory: Path, ring: Ring) -> None:
    path, part = ring_path(directory, ring.name), directory / f".{ring.name}.part"
    part.unlink(missing_ok=True)  # of a process that died; no other one is here now
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(handle, "w") as file:
        if path.exists() and path.stat().st_uid != os.geteuid():
            # Written by root, it must still be the file of the user that the service runs as.
            os.fchown(handle, path.stat().st_uid, path.stat().st_gid)
        file.write(json.dumps(_written(ring), indent=2) + "\n")
        file.flush()
        os.fsync(handle)
    part.rename(path)
    _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _written(ring: Ring) -> dict[str, Any]:
    """Return a ring as its file holds it. The first release reads `ring`, `active` and `keys`, and may come back."""
    return {
        "ring": ring.name,
        "active": ring.active,
        "next": ring.following,
        "since": None if ring.since is None else rfc3339(ring.since),
        "unfinished": ring.unfinished,
        "keys": {key_id: b64encode(key.reveal()).decode() for key_id, key in ring.keys.items()},
        "made": {key_id: rfc3339(moment) for key_id, moment in ring.made.items()},
        "left": {key_id: rfc3339(moment) for key_id, moment in ring.left.items()},
    }


def _ring(written: Any, plan: RingPlan) -> Ring:  # noqa: ANN401  # what a JSON file holds is judged here
    keys = {str(key_id): Hidden(b64decode(key, validate=True)) for key_id, key in written["keys"].items()}
    active, following = written["active"], _following(written, plan)
    if written["ring"] != plan.name or active not in keys or not all(map(_is_key_id, keys)):
        raise ValueError
    if following is not None and (following not in keys or following == active):
        raise ValueError
    if any(len(key.reveal()) < _SHORTEST_KEY for key in keys.values()):
        raise ValueError
    return Ring(
        name=plan.name,
        active=active,
        following=following,
        keys=keys,
        made=_moments(written, "made"),
        since=None if written.get("since") is None else _micros(written["since"]),
        left=_moments(written, "left"),
        unfinished=written.get("unfinished") is True,
    )


def _following(written: Any, plan: RingPlan) -> str | None:  # noqa: ANN401  # as above
    """Return the next key; files of the first release do not name it, and have at most that one beside the active."""
    if "next" in written or plan.keys == 1:
        named: str | None = written.get("next")
        return named
    others = [str(key_id) for key_id in written["keys"] if key_id != written["active"]]
    return others[0] if len(others) == 1 else None


def _moments(written: Any, name: str) -> dict[str, int]:  # noqa: ANN401  # as above
    return {str(key_id): _micros(moment) for key_id, moment in written.get(name, {}).items()}


def _micros(moment: str) -> int:
    return (datetime.fromisoformat(moment) - _EPOCH) // _MICROSECOND


def _is_key_id(text: str) -> bool:
    return bytes.fromhex(text).hex() == text and len(text) == 2 * KEY_ID_BYTES
