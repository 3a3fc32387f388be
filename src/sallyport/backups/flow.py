"""Taking a backup, and restoring one."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sallyport.backups import store
from sallyport.backups.rules import (
    PART,
    RESTORING,
    Ended,
    Refusal,
    aside_ending,
    next_epoch,
    schema_fault,
    spent_until,
)
from sallyport.kernel import epochs
from sallyport.kernel.clock import SECOND, Clock
from sallyport.kernel.durable import give_to_owner_of, sync
from sallyport.kernel.keyfiles import KeysRefusedError
from sallyport.store import files, schema
from sallyport.store.database import Database, SqliteFile, scalar
from sallyport.store.presence import InUseError, alone_at
from sallyport.store.work import Rows, StorageUnavailableError

Doubts = Callable[[Path], list[str]]
"""Tells why the keys at hand do not belong to a database file."""
Note = Callable[[Rows, int], None]
"""Writes down that a database was restored under an epoch, in the unit that restores it."""
LetGo = Callable[[str], None]
"""Keeps aside, under this ending, whatever beside the database still vouches for the one that was replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A backup that was written and checked."""

    target: Path
    size: int
    """Bytes."""
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A database that came back."""

    path: Path
    aside: Path | None
    """Where the database is that was there before."""
    version: str
    """The schema that the backup had."""
    epoch: int
    ended: Ended
    left: str | None
    """What could not be written beside the keys; the database is restored all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PutRight:
    """A database that other tools have brought back, and that now counts as restored."""

    version: str
    """The schema that it came back with."""
    epoch: int
    ended: Ended
    left: str | None
    """What could not be written beside the keys."""


class TakeBackup:
    """Copies the database while the service goes on."""

    def __init__(self, database: Path) -> None:
        self._database = database

    def __call__(self, target: Path) -> Taken | Refusal:
        """Write a new file, which is there when it is whole and checked, and not before.

        Raises `StorageUnavailableError` where the database can't be read or the copy can't be written.
        """
        version = scalar(SqliteFile(self._database), schema.VERSION)
        if version is None:
            return Refusal(f"there is no Sallyport database at {self._database}")
        if target.exists():
            return Refusal(f"{target} is there already, and is not overwritten: choose another name")
        part = target.with_name(target.name + PART)
        try:
            files.copy(self._database, part)
        except FileExistsError:
            return Refusal(f"{part} is there: another backup is being written, or one has died; then remove it")
        return self._published(part, target, version)

    def _published(self, part: Path, target: Path, version: str) -> Taken | Refusal:
        try:
            size = part.stat().st_size
            if target.exists():
                files.discard(part)
                return Refusal(f"{target} came meanwhile, and is not overwritten: choose another name")
            part.rename(target)
            sync(target.parent)
        except OSError as fault:
            message = f"can't write {target}: {fault.strerror}"
            raise StorageUnavailableError(message) from fault
        return Taken(target=target, size=size, version=version)


class RestoreInPlace:
    """Makes a database that was put back by other means a restored one: what PostgreSQL's own tools can't do."""

    def __init__(
        self,
        *,
        database: Database,
        keys: Path,
        doubts: Callable[[], list[str]],
        note: Note,
        let_go: LetGo,
        clock: Clock,
    ) -> None:
        self._database = database
        self._keys = keys
        self._doubts = doubts
        self._note = note
        self._let_go = let_go
        self._clock = clock

    async def __call__(self) -> PutRight | Refusal:
        """End and void in one unit, or refuse and change nothing but an older schema. Once more does no harm.

        Raises `StorageUnavailableError` and `KeysRefusedError`.
        """
        database, name = self._database, self._database.name
        try:
            database.demand_alone()
        except InUseError as fault:
            return Refusal(str(fault))
        version = schema.version_of(database)
        if reason := schema_fault(version, schema.HEAD):
            return Refusal(f"{name} can't be restored: {reason}")
        schema.migrate(database)
        if not database.ask(store.was_started, otherwise=False):
            return Refusal(f"{name} can't be restored: its service was never started")
        if doubts := self._doubts():
            return Refusal(f"{name} can't be restored:\n" + "\n".join(doubts))
        now = self._clock.now()
        work = database.work(patient=True)
        try:
            epoch, ended = await work(lambda rows: prepare(rows, self._keys, self._note, now))
        finally:
            work.close()
        left = remember(self._keys, epoch, self._let_go, aside_ending(now))
        return PutRight(version=str(version), epoch=epoch, ended=ended, left=left)


class Restore:
    """Puts a backup in the place of the database. The backup itself is only read."""

    def __init__(self, *, database: Path, keys: Path, doubts: Doubts, note: Note, let_go: LetGo, clock: Clock) -> None:
        self._database = database.resolve()  # SQLite's files lie beside the file, not beside a link to it
        self._keys = keys
        self._doubts = doubts
        self._note = note
        self._let_go = let_go
        self._clock = clock

    def __call__(self, backup: Path) -> Restored | Refusal:
        """Restore, or refuse and change nothing. A crash at any point leaves the old database or the new one.

        The backup may be the database itself: one that was copied back by hand becomes a restored one.
        Raises `StorageUnavailableError` and `KeysRefusedError`; after those, too, the old database stands.
        """
        if not backup.is_file():
            return Refusal(f"there is no file {backup}: name one that `sallyport backup` wrote")
        copy = self._database.with_name(self._database.name + RESTORING)
        try:
            with alone_at(self._database):
                self._clear(copy)
                try:
                    return self._restored(backup, copy)
                finally:
                    self._clear(copy)
        except InUseError as fault:
            return Refusal(str(fault))

    def _restored(self, backup: Path, copy: Path) -> Restored | Refusal:
        version = scalar(SqliteFile(backup), schema.VERSION)
        if reason := schema_fault(version, schema.HEAD):
            return Refusal(f"{backup} can't be restored: {reason}")
        files.copy(backup, copy)
        schema.migrate(SqliteFile(copy))
        if not files.look(copy, store.was_started):
            return Refusal(f"{backup} can't be restored: its service was never started")
        if doubts := self._doubts(copy):
            return Refusal(f"{backup} can't be restored:\n" + "\n".join(doubts))
        now = self._clock.now()
        epoch, ended = files.once(copy, lambda rows: prepare(rows, self._keys, self._note, now, self._present_epoch()))
        give_to_owner_of(self._database.parent, copy)
        sync(copy)
        ending = self._free_ending(now)
        aside = self._database.with_name(self._database.name + ending)
        had_one = files.exchange(self._database, copy, aside)
        return Restored(
            path=self._database,
            aside=aside if had_one else None,
            version=str(version),
            epoch=epoch,
            ended=ended,
            left=remember(self._keys, epoch, self._let_go, ending),
        )

    def _free_ending(self, now: int) -> str:
        """Return what no restore before has put behind a name: two may come in one second."""
        while self._database.with_name(self._database.name + aside_ending(now)).exists():
            now += SECOND
        return aside_ending(now)

    def _present_epoch(self) -> int:
        """Return the epoch of the database that is replaced; 0 where it can't be asked any more."""
        with suppress(StorageUnavailableError):
            return files.look(self._database, store.epoch)
        return 0

    def _clear(self, copy: Path) -> None:
        try:
            files.discard(copy)
        except OSError as fault:
            message = f"can't remove {copy}: {fault.strerror}"
            raise StorageUnavailableError(message) from fault


def prepare(rows: Rows, keys: Path, note: Note, now: int, present_epoch: int = 0) -> tuple[int, Ended]:
    """End what must end in what came back, under an epoch above all that are known."""
    epoch = next_epoch(store.epoch(rows), epochs.remembered(keys), present_epoch)
    ended = store.end_everything(rows, spent_until(now), now)
    store.set_epoch(rows, epoch)
    note(rows, epoch)
    return epoch, ended


def remember(keys: Path, epoch: int, let_go: LetGo, ending: str) -> str | None:
    """Write beside the keys what has happened; returns why that failed.

    Last, so that a crash before it leaves no database that a start would refuse; a start makes up for it.
    """
    try:
        epochs.remember(keys, epoch)
        let_go(ending)
    except (KeysRefusedError, OSError) as fault:
        return str(fault)
    return None
