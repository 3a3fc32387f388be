"""What the commands about keys do: build the desk, run one use case, say what came of it."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from sallyport.kernel.clock import SECOND, rfc3339
from sallyport.kernel.keyfiles import KeysRefusedError
from sallyport.keys.desk import KeyDesk
from sallyport.keys.flow.reseal import Moved
from sallyport.keys.rules import KeyTold
from sallyport.settings import SettingsRefusedError, load
from sallyport.store.work import StorageUnavailableError
from sallyport.wiring.host import key_desk

_USAGE = 2


def show(database: str, *, as_json: bool) -> int:
    """Print all keys; returns the exit status."""

    async def run(desk: KeyDesk) -> int:
        told = [key for name in desk.rings.names for key in await desk.rings.told(name)]
        typer.echo(json.dumps([_plain(key) for key in told], indent=2) if as_json else _table(told))
        return 0

    return _at_the_desk(database, run)


def rotate(database: str, ring: str, wait: float | None) -> int:
    """Rotate a ring; returns the exit status: 1 where a value did not open."""

    async def run(desk: KeyDesk) -> int:
        done = await desk.rotate(ring, _micros(wait))
        way = "the interrupted rotation is at its end, and" if done.resumed else "rotated:"
        typer.echo(f"{ring}: {way} key {done.active} is active")
        return _tell_moved(done.moved)

    return _at_the_desk(database, run)


def reseal(database: str) -> int:
    """Move what is left on older keys; returns the exit status: 1 where a value did not open."""

    async def run(desk: KeyDesk) -> int:
        return _tell_moved(await desk.reseal())

    return _at_the_desk(database, run)


def retire(database: str, ring: str, key: str, wait: float | None, *, yes: bool) -> int:
    """Retire a key; returns the exit status: 1 where it has to stay."""

    async def run(desk: KeyDesk) -> int:
        if kept := await desk.reason_to_keep(ring, key):
            return _refuse(f"key {key} of the {ring} ring stays: {kept}")
        if not yes and not sys.stdin.isatty():
            typer.echo("nobody is there to ask: say --yes", err=True)
            return _USAGE
        if not yes and not typer.confirm(f"Erase key {key} for good? Older backups can't be read without it."):
            return 1
        if kept := await desk.retire(ring, key, _micros(wait)):
            return _refuse(f"key {key} of the {ring} ring stays: {kept}")
        typer.echo(f"{ring}: key {key} is retired")
        return 0

    return _at_the_desk(database, run)


def _at_the_desk(database: str, run: Callable[[KeyDesk], Coroutine[Any, Any, int]]) -> int:
    os.umask(0o077)  # whatever is written is for the owner's eyes alone
    try:
        settings = load({"database_url": database} if database else {}, os.environ, Path.cwd())
        with _opened(key_desk(settings, asyncio.sleep, _tell)) as desk:
            return asyncio.run(run(desk))
    except (SettingsRefusedError, KeysRefusedError, StorageUnavailableError) as no:
        return _refuse(str(no))


@contextmanager
def _opened(desk: KeyDesk) -> Iterator[KeyDesk]:
    try:
        yield desk
    finally:
        desk.close()


def _refuse(why: str) -> int:
    typer.echo("\n".join(["refused:", *(f"  {line}" for line in why.splitlines())]), err=True)
    return 1


def _tell(line: str) -> None:
    """Show somebody at a terminal how far it is; a script hears the result only."""
    if sys.stderr.isatty():
        typer.echo(line, err=True)


def _tell_moved(moved: Moved) -> int:
    if moved.rows:
        typer.echo(f"{moved.rows} rows are sealed anew")
    for place in moved.stuck:
        where = f"{place.table}.{place.column} of user {place.user}, row {place.row}"
        typer.echo(f"{where} does not open: altered, or moved from another place; it stays as it is", err=True)
    return 1 if moved.stuck else 0


def _micros(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * SECOND)


def _plain(told: KeyTold) -> dict[str, Any]:
    return {
        "ring": told.ring,
        "key": told.key,
        "state": told.state,
        "made": told.made and rfc3339(told.made),
        "left": told.left and rfc3339(told.left),
        "rows": dict(told.rows),
    }


def _table(keys: list[KeyTold]) -> str:
    lines = [("RING", "KEY", "STATE", "MADE", "LEFT", "ROWS")]
    lines += [
        (told.ring, told.key, told.state, _day(told.made, "unknown"), _day(told.left, "-"), _rows(told))
        for told in keys
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _day(moment: int | None, otherwise: str) -> str:
    return otherwise if moment is None else rfc3339(moment)[:19] + "Z"


def _rows(told: KeyTold) -> str:
    named = ", ".join(f"{count} {where}" for where, count in told.rows.items() if count)
    return named or ("0" if told.rows else "-")
