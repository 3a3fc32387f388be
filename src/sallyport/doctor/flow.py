"""Gathering what the doctor judges. Nothing is changed, whether the service runs or not."""

import json
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from sallyport.doctor import host, network, policy, server, store
from sallyport.doctor.rules import DatabaseSeen, Facts, FileSeen, Finding, Holds, KeysSeen, examined
from sallyport.doctor.timesource import seconds_ahead
from sallyport.kernel import epochs
from sallyport.kernel.clock import SECOND, Clock
from sallyport.kernel.keyfiles import KeysRefusedError
from sallyport.kernel.serverstate import ServerState
from sallyport.settings import FILE, Settings, is_server
from sallyport.store import files, schema
from sallyport.store.database import Database, SqliteFile, database_at, scalar
from sallyport.store.presence import is_in_use
from sallyport.store.sqlite import WRITER_PRAGMAS
from sallyport.store.work import StorageUnavailableError

CHECKS: Final = (*host.CHECKS, *server.CHECKS, *network.CHECKS, *policy.CHECKS)
_MOUNTS: Final = Path("/proc/self/mountinfo")
_ADMIN_PASSWORD: Final = "admin_password"  # noqa: S105  # the name of a setting


class Doctor:
    """Looks at everything, and judges it."""

    def __init__(self, settings: Settings, *, key_faults: Callable[[], list[str]], clock: Clock, folder: Path) -> None:
        """`folder` is where `sallyport.toml` was looked for."""
        self._settings = settings
        self._file = None if is_server(settings.database_url) else settings.database_path.resolve()
        self._keys = settings.keys_dir.resolve()
        self._key_faults = key_faults
        self._clock = clock
        self._folder = folder

    def __call__(self) -> list[Finding]:
        """Return a finding for each check that applies, in the order of the screen."""
        return examined(self.facts(), CHECKS)

    def facts(self) -> Facts:
        """Return what is the case."""
        source = self._settings.time_source
        seen, state = self._seen_file(self._file) if self._file else self._seen_server()
        return Facts(
            settings=self._settings,
            newest_schema=schema.HEAD,
            pragmas=WRITER_PRAGMAS,
            database=seen,
            server=state,
            running=bool(state.others) if state else self._is_running(),
            keys=self._seen_keys(),
            files=tuple(self._seen_files()),
            file_systems={path: file_system_of(path, _MOUNTS) for path in self._folders()},
            free=shutil.disk_usage(_there(self._folders()[0])).free,
            size=state.size if state else self._file.stat().st_size if self._file and self._file.exists() else 0,
            clock_offset=seconds_ahead(source, self._clock.now) if source else None,
        )

    def _folders(self) -> tuple[Path, ...]:
        return (self._file.parent, self._keys) if self._file else (self._keys,)

    def _seen_file(self, path: Path) -> tuple[DatabaseSeen | str, None]:
        try:
            if scalar(SqliteFile(path), schema.VERSION) is None:
                return f"there is none at {path}", None
            files.check(path, quick=True)
            return self._seen(SqliteFile(path), files.journal_mode(path)), None
        except StorageUnavailableError as fault:
            return str(fault), None

    def _seen_server(self) -> tuple[DatabaseSeen | str, ServerState | None]:
        try:
            database = database_at(self._settings.database_url)
            state = database.server()
            if scalar(database, schema.VERSION) is None:
                return f"there is none of ours at {database.name}", state
            return self._seen(database, ""), state
        except StorageUnavailableError as fault:
            return str(fault), None

    def _seen(self, database: Database, journal_mode: str) -> DatabaseSeen:
        version = schema.version_of(database)
        if version is not None and version < store.FIRST_SCHEMA_WITH_EPOCH:
            epoch = 0 if scalar(database, store.WAS_STARTED) else None
        else:
            epoch = database.ask(store.epoch, None)
        trusted = database.ask(lambda rows: store.trusted(rows, self._settings.policy), store.NOBODY)
        return DatabaseSeen(
            version=version,
            fits=schema.is_fit(version),
            started=epoch is not None,
            epoch=epoch or 0,
            journal_mode=journal_mode,
            trusted=trusted.all,
            trusted_without_mfa=trusted.without_mfa,
        )

    def _is_running(self) -> bool:
        try:
            return self._file is not None and is_in_use(self._file)
        except OSError:
            return False  # what can't be opened is told by its mode and owner

    def _seen_keys(self) -> KeysSeen:
        faults = self._key_faults()
        try:
            epoch = epochs.remembered(self._keys)
        except KeysRefusedError as fault:
            faults, epoch = [*faults, str(fault)], 0
        rings = sorted(self._keys.glob("*.json")) if self._keys.is_dir() else []
        ages = {path.stem: self._age(path) for path in rings}
        return KeysSeen(faults=tuple(faults), ages=ages, epoch=epoch)

    def _age(self, path: Path) -> int | None:
        """Return how old the active key of a ring is. Rings of the first release do not tell."""
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            written = json.loads(path.read_text())
            made = datetime.fromisoformat(written["made"][written["active"]])
            return max(0, self._clock.now() - round(made.timestamp() * SECOND))
        return None

    def _seen_files(self) -> list[FileSeen]:
        secret = (
            [path for path in sorted(self._file.parent.glob(f"{self._file.name}*")) if path.is_file()]
            if self._file
            else []
        )
        if self._keys.is_dir():
            secret += [path for path in sorted(self._keys.iterdir()) if path.is_file()]
        toml = self._folder / FILE
        with suppress(OSError, ValueError):
            secret += [toml] if _ADMIN_PASSWORD in toml.read_text() else []
        folders = [path for path in dict.fromkeys(self._folders()) if path.is_dir()]
        return [_seen(path, Holds.SECRET) for path in secret] + [_seen(path, Holds.FOLDER) for path in folders]


def file_system_of(path: Path, mounts: Path) -> str:
    """Return the kind of file system that a path lies on, as Linux tells it; empty where nobody tells."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    kinds: Mapping[Path, str] = dict(map(_mounted, lines))
    return next((kinds[place] for place in (path, *path.parents) if place in kinds), "")


def _mounted(line: str) -> tuple[Path, str]:
    """Read one line of mountinfo, as proc(5) has it: the fifth field is the place, the one behind a hyphen the kind."""
    fields, _, behind = line.partition(" - ")
    place = fields.split(" ")[4].encode().decode("unicode_escape").encode("latin-1").decode()
    return Path(place), behind.split(" ")[0]


def _seen(path: Path, holds: Holds) -> FileSeen:
    found = path.stat()
    return FileSeen(path=path, holds=holds, mode=stat.S_IMODE(found.st_mode), owner=found.st_uid)


def _there(path: Path) -> Path:
    """Return the nearest folder that is there."""
    return next(place for place in (path, *path.parents) if os.path.lexists(place) and place.is_dir())
