"""`sallyport backup` and `sallyport restore`: what they say, and their exit status."""

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from sallyport.backups.flow import Restored, TakeBackup, Taken
from sallyport.backups.rules import Refusal
from sallyport.kernel.keyfiles import KeysRefusedError
from sallyport.settings import Settings, SettingsRefusedError, load
from sallyport.store.work import StorageUnavailableError
from sallyport.wiring.host import restore


def run_backup(target: Path, flags: Mapping[str, str]) -> int:
    """Take a backup; returns the exit status."""

    def take(settings: Settings) -> list[str] | Refusal:
        taken = TakeBackup(settings.database_path)(target)
        return taken if isinstance(taken, Refusal) else _told_taken(taken, settings)

    return _run("sallyport can't back up", take, flags)


def run_restore(backup: Path, flags: Mapping[str, str]) -> int:
    """Restore a backup; returns the exit status."""

    def put_back(settings: Settings) -> list[str] | Refusal:
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
    ended = restored.ended
    left = [f"left to do       {restored.left}: mend that before you start the service"] if restored.left else []
    return [
        f"restored         {backup} (schema {restored.version}) to {restored.path}, epoch {restored.epoch}",
        f"kept aside       {restored.aside or 'nothing: there was no database'}",
        f"ended            {ended.sessions} sessions, {ended.challenges} half logins, {ended.pending} half enrollments",
        f"void             {ended.codes} backup codes: their owners make new ones after the next login",
        f"spent            the codes that {ended.authenticators} authenticators show now and next; later ones are good",
        "All else is as it was when the backup was taken: whoever was disabled, deleted, or given another password,",
        "another authenticator or another role since then has to be again.",
        *left,
    ]
