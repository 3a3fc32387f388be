"""`sallyport audit`: verify the log, and write it out. Both look only, and work beside a running service."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec

from sallyport.audit.checkpoint import CheckpointFile
from sallyport.audit.flow.read import ReadAudit
from sallyport.audit.flow.verify import Fault, Verdict, VerifyAudit
from sallyport.audit.http import moment, told
from sallyport.audit.keys import AuditKeys
from sallyport.audit.rules import Record
from sallyport.kernel.keyfiles import KeysRefusedError, RingPlan, read_ring
from sallyport.kernel.text import UnfitError
from sallyport.settings import Settings, SettingsRefusedError, load
from sallyport.store import schema
from sallyport.store.database import database_at
from sallyport.store.work import StorageUnavailableError

WHOLE: Final = 0
FAULTY: Final = 1
WRONG_USE: Final = 2
_MOST_LISTED: Final = 1_000
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """The use cases behind the commands."""

    verify: VerifyAudit
    read: ReadAudit
    close: Callable[[], None]


class WrongUseError(Exception):
    """What was asked for can't be done as it was asked. The message says what would do."""


def verify(flags: Mapping[str, str], *, as_json: bool) -> int:
    """Verify the log; returns 0 where it is whole, 1 where it is not or can't be read to its end, 2 for wrong use."""
    try:
        with _desk(flags) as desk:
            return asyncio.run(_verify(desk.verify, as_json=as_json))
    except WrongUseError as no:
        return _no(no, WRONG_USE)
    except StorageUnavailableError as fault:
        return _no(fault, FAULTY)


def export(flags: Mapping[str, str], to: str, since: str) -> int:
    """Write the log as JSON lines, oldest first; returns 0, 1 where it can't be read or written, 2 for wrong use."""
    try:
        moment_since = moment(since) if since else 0
        with _desk(flags) as desk, _opened(to) as file:
            foreign = asyncio.run(_export(desk.read, moment_since, file))
    except UnfitError as unfit:
        return _no(f"--since {since}: {unfit.detail}", WRONG_USE)
    except WrongUseError as no:
        return _no(no, WRONG_USE)
    except BrokenPipeError:
        # Whoever reads has seen enough; nothing is left for the interpreter to flush into the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAULTY
    except (StorageUnavailableError, OSError) as fault:
        return _no(fault, FAULTY)
    if foreign:
        rows = "1 row is" if foreign == 1 else f"{foreign} rows are"
        return _no(f"{rows} left out, which another hand wrote: run `sallyport audit verify`", FAULTY)
    return WHOLE


@contextmanager
def _desk(flags: Mapping[str, str]) -> Iterator[_Desk]:
    """Open database and keys as `serve` would. Raises `WrongUseError` where they are not there."""
    try:
        desk = _open(load(flags, os.environ, Path.cwd()))
    except (SettingsRefusedError, KeysRefusedError, StorageUnavailableError) as no:
        raise WrongUseError(str(no)) from no
    try:
        yield desk
    finally:
        desk.close()


def _open(settings: Settings) -> _Desk:
    """Open database and audit ring for looking only: not as `build` does, which makes and migrates.

    Raises `StorageUnavailableError` or `KeysRefusedError`, each with what to do.
    """
    database = database_at(settings.database_url)
    schema.demand_fit(database)
    ring = read_ring(settings.keys_dir, RingPlan(name="audit", draw=bytes))
    keys, work = AuditKeys(ring), database.work()
    checkpoint = CheckpointFile(settings.keys_dir, keys)
    return _Desk(
        verify=VerifyAudit(work=work, keys=keys, checkpoint=checkpoint), read=ReadAudit(work), close=work.close
    )


@contextmanager
def _opened(to: str) -> Iterator[TextIO]:
    """Open the file to write, for its owner alone; one that is there is never written over."""
    if not to:
        yield sys.stdout
        sys.stdout.flush()
        return
    try:
        handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as fault:
        message = f"--to {to}: {fault.strerror}"
        raise WrongUseError(message) from fault
    with os.fdopen(handle, "w") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


async def _verify(walk: VerifyAudit, *, as_json: bool) -> int:
    listed: list[dict[str, Any]] = []
    count = 0
    async for found in walk():
        if isinstance(found, Verdict):
            print(_json(found, listed, count) if as_json else _sentence(found, count))
            continue
        count += 1
        if not as_json:
            print(_line(found))
        elif count <= _MOST_LISTED:
            listed.append({"position": found.position, "uid": found.uid, "fault": found.what})
    return FAULTY if count else WHOLE


def _line(fault: Fault) -> str:
    places = (
        None if fault.position is None else f"position {fault.position}",
        None if fault.uid is None else f"row {fault.uid}",
    )
    where = ", ".join(filter(None, places))
    return f"{where}: {fault.what}" if where else fault.what


def _sentence(verdict: Verdict, faults: int) -> str:
    rows = f"{verdict.sealed} rows in the chain, {verdict.unsealed} waiting for their place"
    end = f"checkpoint at {verdict.checkpoint}" if verdict.checkpoint is not None else "no checkpoint"
    return f"{rows}, {end}: " + (f"{faults} faults" if faults else "the log is whole")


def _json(verdict: Verdict, listed: list[dict[str, Any]], faults: int) -> str:
    told = {"whole": not faults, **msgspec.structs.asdict(verdict), "faultCount": faults, "faults": listed}
    return json.dumps(told, default=repr)  # a column of SQLite takes bytes, too


async def _export(read: ReadAudit, since: int, file: TextIO) -> int:
    """Write every row that can be read as one; returns how many can't."""
    foreign = 0
    async for record in read.all(since):
        try:
            written = _written(msgspec.convert(msgspec.structs.asdict(record), Record, builtin_types=(bytes,)))
        except (msgspec.ValidationError, OverflowError):  # a column of SQLite takes any type, and any moment
            foreign += 1
        else:
            file.write(written + "\n")
    return foreign


def _written(record: Record) -> str:
    """Return a row as the API tells it, with what proves it beside."""
    proof = {
        "position": record.position,
        "ipDigest": record.ip_digest.hex() if record.ip_digest else None,
        "rowDigest": record.row_digest.hex(),
        "chainDigest": record.chain_digest.hex() if record.chain_digest else None,
    }
    return _ENCODER.encode(msgspec.to_builtins(told(record)) | proof).decode()


def _no(what: object, status: int) -> int:
    sys.stderr.write(f"sallyport audit: {what}\n")
    return status
