"""`sallyport backup` and `sallyport restore`: what they say, and their exit status."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from sallyport.backups.flow import PutRight, Restored, TakeBackup, Taken
from sallyport.backups.rules import Refusal
from sallyport.kernel.keyfiles import KeysRefusedError
from sallyport.settings import Settings, SettingsRefusedError, is_server, load
from sallyport.store.work import StorageUnavailableError
from sallyport.wiring.host import restore, restore_in_place

_PG_DUMP: Final = (
    "the database is a PostgreSQL server, which has tools of its own, and they work beside the service:\n"
    "pg_dump --format=custom --file=FILE URL, or base backups with a log archive\n"
    "the keys are in neither; docs/operate.md says how such a backup comes back"
)
_PG_RESTORE: Final = (
    "the database is a PostgreSQL server: stop the service on every node, put the backup back with pg_restore,\n"
    "then run `sallyport restore --in-place`, which voids what could have been spent since; see docs/operate.md"
)


def run_backup(target: Path, flags: Mapping[str, str]) -> int:
    """Take a backup; returns the exit status."""

    def take(settings: Settings) -> list[str] | Refusal:
        if is_server(settings.database_url):
            return Refusal(_PG_DUMP)
        taken = TakeBackup(settings.database_path)(target)
        return taken if isinstance(taken, Refusal) else _told_taken(taken, settings)

    return _run("sallyport can't back up", take, flags)


def run_restore_in_place(flags: Mapping[str, str]) -> int:
    """Void and end in a database that was put back by other means; returns the exit status."""

    def put_right(settings: Settings) -> list[str] | Refusal:
        if not is_server(settings.database_url):
            return Refusal("this database is a file: name the file that came back, `sallyport restore FILE`")
        restored = asyncio.run(restore_in_place(settings)())
        return restored if isinstance(restored, Refusal) else _told_in_place(restored)

    return _run("sallyport can't restore", put_right, flags)


def run_restore(backup: Path, flags: Mapping[str, str]) -> int:
    """Restore a backup; returns the exit status."""

    def put_back(settings: Settings) -> list[str] | Refusal:
        if is_server(settings.database_url):
            return Refusal(_PG_RESTORE)
        restored = restore(settings)(backup)
        return restored if isinstance(restored, Refusal) else _told_restored(restored, backup)

    return _run("sallyport can't restore", put_back, flags)


def _run(failed: str, deed: Callable[[Settings], list[str] | Refusal], flags: Mapping[str, str]) -> int:
    os.umask(0o077)  # whatever is written is for the owner's eyes alone
    try:
        told = deed(load(flags, os.environ, Path.cwd()))
    except (SettingsRefusedError, KeysRefusedError, StorageUnavailableError) as no:
        told = Refusal(str(no))
    if isinstance(told, Refusal):
        sys.stderr.write(f"{failed}:\n" + "".join(f"  {line}\n" for line in told.reason.splitlines()))
        return 1
    sys.stdout.write("\n".join(told) + "\n")
    return 0


def _told_taken(taken: Taken, settings: Settings) -> list[str]:
    return [
        f"backup written   {taken.target} ({taken.size:,} bytes, schema {taken.version}, checked)",
        f"NOT in it        the keys, in {settings.keys_dir.resolve()}",
        "Without those keys nobody can log in to what is restored: back them up too, and apart from this file.",
    ]


def _told_restored(restored: Restored, backup: Path) -> list[str]:
    return [
        f"restored         {backup} (schema {restored.version}) to {restored.path}, epoch {restored.epoch}",
        f"kept aside       {restored.aside or 'nothing: there was no database'}",
        *_told_ended(restored),
    ]


def _told_in_place(done: PutRight) -> list[str]:
    return [f"put right        schema {done.version}, epoch {done.epoch}", *_told_ended(done)]


def _told_ended(restored: Restored | PutRight) -> list[str]:
    ended = restored.ended
    left = [f"left to do       {restored.left}: mend that before you start the service"] if restored.left else []
    return [
        f"ended            {ended.sessions} sessions, {ended.challenges} half logins, {ended.pending} half enrollments",
        f"void             {ended.codes} backup codes: their owners make new ones after the next login",
        f"spent            the codes that {ended.authenticators} authenticators show now and next; later ones are good",
        f"suspended        {ended.api_keys} API keys: their owners put them back, each by itself",
        f"forgotten        {ended.devices} devices, of users who have a password to log in with",
        "All else is as it was when the backup was taken: whoever was disabled, deleted, or given another password,",
        "another authenticator or another role since then has to be again.",
        *left,
    ]
