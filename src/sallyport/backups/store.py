"""What a restored database must forget, in one place.

What came after the backup is not in it: whatever could have been spent, ended or revoked since counts as if it was.
Sessions end, with their refresh tokens; challenges, pending enrollments, mailed tokens, what waits to come back, resets
of second factors that wait, approvals and the codes of callers go; every TOTP step that was ever shown is spent; backup
codes are void. API keys and devices that were revoked since must not come back: keys are suspended until their owners
put them back, and devices are forgotten where there is a password to log in with. Counted tries stay as the backup has
them: forgetting them would help a guesser. Known clients stay too: they prove nothing, and without them a guesser could
shut everybody out on the worst of days.
"""

from sallyport.backups.rules import Ended
from sallyport.store.work import Rows, Sql

EPOCH = Sql("SELECT epoch FROM installation WHERE id = 1")
SET_EPOCH = Sql("UPDATE installation SET epoch = :epoch WHERE id = 1")
END_TOKENS = Sql("DELETE FROM refresh_tokens")
END_SESSIONS = Sql("DELETE FROM sessions")
END_CHALLENGES = Sql("DELETE FROM challenges")
END_PENDING = Sql("DELETE FROM totp WHERE enrolled_at IS NULL")
END_REMOVED = Sql("DELETE FROM removed_totp")
# Nobody knows any more which of them were cancelled.
END_RESETS = Sql("DELETE FROM mfa_resets")
END_MAILED = Sql("DELETE FROM mailed_tokens")
END_APPROVALS = Sql("DELETE FROM approvals")
END_CALLER_CODES = Sql("DELETE FROM caller_codes")
SPEND_STEPS = Sql("UPDATE totp SET last_step = :step WHERE last_step < :step")
SUSPEND_KEYS = Sql("UPDATE api_keys SET suspended_at = :now, version = version + 1 WHERE suspended_at IS NULL")
FORGET_DEVICES = Sql(
    "DELETE FROM devices WHERE EXISTS (SELECT 1 FROM passwords WHERE passwords.user_id = devices.user_id)"
)
VOID_CODES = Sql("UPDATE backup_codes SET spent_at = :now WHERE spent_at IS NULL")
_SINGLE_USE = (END_TOKENS, END_REMOVED, END_RESETS, END_MAILED, END_APPROVALS, END_CALLER_CODES)
"""Of these nobody asks how many they were."""


def was_started(rows: Rows) -> bool:
    """Tell whether the service of this database was ever started."""
    return rows.one(EPOCH) is not None


def epoch(rows: Rows) -> int:
    """Return the epoch of a database."""
    row = rows.one(EPOCH)
    return int(row[0]) if row else 0


def set_epoch(rows: Rows, epoch: int) -> None:
    """Write the epoch."""
    rows.change(SET_EPOCH, epoch=epoch)


def end_everything(rows: Rows, step: int, now: int) -> Ended:
    """End and void whatever the backup can't know the end of; returns how much that was."""
    for statement in _SINGLE_USE:
        rows.change(statement)
    return Ended(
        sessions=rows.change(END_SESSIONS),
        challenges=rows.change(END_CHALLENGES),
        pending=rows.change(END_PENDING),
        codes=rows.change(VOID_CODES, now=now),
        authenticators=rows.change(SPEND_STEPS, step=step),
        api_keys=rows.change(SUSPEND_KEYS, now=now),
        devices=rows.change(FORGET_DEVICES),
    )
