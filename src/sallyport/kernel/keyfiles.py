"""The key directory: one file a ring, made at the first start, readable by its owner alone."""

import json
import os
import stat
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sallyport.kernel.hidden import Hidden
from sallyport.kernel.ids import Randomness
from sallyport.kernel.turns import turn_in
from sallyport.kernel.vault import KEY_ID_BYTES, Ring

OWNER_ONLY: Final = 0o600
_SHORTEST_KEY: Final = 32
"""256 bits; a signing key in its wrapping is longer."""


class KeysRefusedError(Exception):
    """The key directory can't be used. The message has every reason, and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RingPlan:
    """How to make a ring that is not there yet: how many keys, and how each is drawn."""

    name: str
    draw: Callable[[], bytes]
    keys: int = 1
    """Two for signing: the next key is published before it signs."""
    needed: bool = True
    """Whether a used database has something that names its keys. False for a ring that came with a newer release."""


def open_rings(
    directory: Path, plans: list[RingPlan], randomness: Randomness, *, used_database: bool
) -> Mapping[str, Ring]:
    """Read every ring, making the missing ones beside a new database.

    Raises `KeysRefusedError` with all faults in one message: a missing ring beside a used database, a file
    that others can read, a file that is not a ring.
    """
    try:
        with turn_in(directory):
            faults = _lacks(directory, plans, randomness, used_database=used_database)
    except OSError as fault:
        message = f"the key directory {directory} can't be used: {fault.strerror}"
        raise KeysRefusedError(message) from fault
    rings: dict[str, Ring] = {}
    for plan in plans:
        try:
            rings[plan.name] = _read(directory / f"{plan.name}.json", plan.name)
        except KeysRefusedError as fault:
            faults.append(str(fault))
        except FileNotFoundError:
            continue  # named above
    if faults:
        raise KeysRefusedError("\n".join(faults))
    return rings


def _lacks(directory: Path, plans: list[RingPlan], randomness: Randomness, *, used_database: bool) -> list[str]:
    """Make the rings that are missing beside a new database; return what is wrong with the folder as it is."""
    faults: list[str] = []
    if stat.S_IMODE(directory.stat().st_mode) & 0o022:
        faults.append(f"{directory} can be written by others: chmod 700 {directory}")
    for plan in plans:
        path = directory / f"{plan.name}.json"
        if path.exists():
            continue
        if used_database and plan.needed:
            faults.append(f"{path} is missing beside a database that is in use: restore it from your backup")
        else:
            _create(directory, plan, randomness)
    return faults


def _create(directory: Path, plan: RingPlan, randomness: Randomness) -> None:
    ids = [randomness(KEY_ID_BYTES).hex() for _ in range(plan.keys)]
    text = json.dumps(
        {
            "ring": plan.name,
            "active": ids[0],
            "keys": {key_id: b64encode(plan.draw()).decode() for key_id in ids},
        },
        indent=2,
    )
    path = directory / f"{plan.name}.json"
    part = directory / f".{plan.name}.part"
    part.unlink(missing_ok=True)  # of a start that died; no other one runs now
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path, name: str) -> Ring:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        message = f"{path} can be read by others (mode {mode:04o}): chmod 600 {path}"
        raise KeysRefusedError(message)
    try:
        return _ring(json.loads(path.read_text()), name)
    except (IsADirectoryError, ValueError, KeyError, TypeError, AttributeError) as fault:
        message = f"{path} is not a {name} ring ({type(fault).__name__}): restore it from your backup"
        raise KeysRefusedError(message) from None


def _ring(written: Any, name: str) -> Ring:  # noqa: ANN401  # what a JSON file holds is judged here
    keys = {str(key_id): Hidden(b64decode(key, validate=True)) for key_id, key in written["keys"].items()}
    if written["ring"] != name or written["active"] not in keys or not all(map(_is_key_id, keys)):
        raise ValueError
    if any(len(key.reveal()) < _SHORTEST_KEY for key in keys.values()):
        raise ValueError
    return Ring(name=name, active=written["active"], keys=keys)


def _is_key_id(text: str) -> bool:
    return len(bytes.fromhex(text)) == KEY_ID_BYTES
