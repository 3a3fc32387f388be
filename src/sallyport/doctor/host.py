"""What is judged of the machine: clock, database, disk, files, keys. Pure."""

from typing import Final

from sallyport.doctor.rules import (
    DatabaseSeen,
    Facts,
    Finding,
    Holds,
    State,
    duration,
    lies_on_a_server,
    size,
)
from sallyport.kernel.clock import DAY

_MOST_SECONDS_OFF: Final = 15
"""Half a step: beyond it a user's honest clock and ours may be two steps apart, and one is accepted."""
_OLDEST_KEY: Final = 365 * DAY
_MEBIBYTE: Final = 1024 * 1024
_LEAST_FREE: Final = 256 * _MEBIBYTE
_LITTLE_FREE: Final = 1024 * _MEBIBYTE
_OVER_A_NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs", "fuse.glusterfs"}
)
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


def clock(facts: Facts) -> Finding:
    """Codes are judged by this machine's clock alone."""
    clauses = ("NIST 3.1.4.2", "ASVS 16.2.2")
    found = facts.clock_offset
    if found is None:
        told, remedy = "not checked", "set SALLYPORT_TIME_SOURCE to an https URL whose Date can be trusted"
        return Finding(check="clock", state=State.WARN, told=told, remedy=remedy, clauses=clauses)
    if isinstance(found, str):
        remedy = "mend the connection, or name another SALLYPORT_TIME_SOURCE"
        return Finding(check="clock", state=State.WARN, told=f"not checked: {found}", remedy=remedy, clauses=clauses)
    told = f"{abs(found):.1f} s {'ahead of' if found > 0 else 'behind'} {facts.settings.time_source}"
    if abs(found) > _MOST_SECONDS_OFF:
        remedy = "let NTP set it: with a wrong clock right codes are refused"
        return Finding(check="clock", state=State.FAIL, told=told, remedy=remedy, clauses=clauses)
    return Finding(check="clock", state=State.OK, told=told, clauses=clauses)


def database(facts: Facts) -> Finding:
    """It can be read, and is sound."""
    if isinstance(facts.database, str):
        remedy = "start the service once, or restore a backup: docs/operate.md"
        return Finding(check="database", state=State.FAIL, told=facts.database, remedy=remedy)
    service = "in use by the service" if facts.running else "the service is stopped"
    return Finding(
        check="database",
        state=State.OK,
        told=f"{'readable' if lies_on_a_server(facts) else 'sound'}, {size(facts.size)}, {service}",
    )


def schema(facts: Facts) -> Finding | None:
    """This release knows the schema."""
    seen = facts.database
    if isinstance(seen, str):
        return None
    if seen.version == facts.newest_schema:
        return Finding(check="schema", state=State.OK, told=f"{seen.version}, the newest")
    if seen.version is not None and seen.version > facts.newest_schema:
        told = f"{seen.version} of a newer release; this one knows {facts.newest_schema}"
        may_run = " and may run on it" if seen.fits else ""
        state = State.WARN if seen.fits else State.FAIL
        return Finding(check="schema", state=state, told=told + may_run, remedy="run the newer release")
    told = f"{seen.version}; the next start brings it to {facts.newest_schema}"
    return Finding(check="schema", state=State.WARN, told=told, remedy="take a backup first: there is no way back")


def durability(facts: Facts) -> Finding | None:
    """What was answered is on the disk."""
    seen = facts.database
    if isinstance(seen, str) or lies_on_a_server(facts):
        return None
    is_full = "PRAGMA synchronous = FULL" in facts.pragmas
    told = f"journal_mode={seen.journal_mode}, synchronous={'FULL' if is_full else 'less than FULL'}"
    if not is_full or (facts.running and seen.journal_mode != "wal"):
        remedy = "a code that was spent could be good again after a power cut: this is not Sallyport as released"
        return Finding(check="durability", state=State.FAIL, told=told, remedy=remedy)
    return Finding(check="durability", state=State.OK, told=told)


def file_system(facts: Facts) -> Finding:
    """Locks and fsync are kept: not over a network, not in memory."""
    kinds = {path: kind for path, kind in facts.file_systems.items() if kind}
    told = ", ".join(f"{path} on {kind}" for path, kind in kinds.items()) or "unknown"
    if _OVER_A_NETWORK & set(kinds.values()) and not lies_on_a_server(facts):
        remedy = "SQLite's locks and log do not hold over a network: use a local disk"
        return Finding(check="file system", state=State.FAIL, told=told, remedy=remedy)
    if _IN_MEMORY & set(kinds.values()):
        remedy = "it is gone with the next start of the machine: use a disk"
        return Finding(check="file system", state=State.FAIL, told=told, remedy=remedy)
    if any(kind == "overlay" or kind.startswith("fuse") for kind in kinds.values()):
        remedy = "make sure that it is a volume that outlives the container, and keeps fsync and locks"
        return Finding(check="file system", state=State.WARN, told=told, remedy=remedy)
    return Finding(check="file system", state=State.OK, told=told)


def disk(facts: Facts) -> Finding | None:
    """There is room for the log, and for a copy."""
    if lies_on_a_server(facts):
        return None
    told, remedy = f"{size(facts.free)} free", "make room: on a full disk every login is 503"
    if facts.free < _LEAST_FREE:
        return Finding(check="disk", state=State.FAIL, told=told, remedy=remedy)
    if facts.free < max(_LITTLE_FREE, 2 * facts.size):
        return Finding(check="disk", state=State.WARN, told=told, remedy=remedy)
    return Finding(check="disk", state=State.OK, told=told)


def modes(facts: Facts) -> Finding:
    """Nobody else reads the files, or puts others in their place."""
    clauses = ("ASVS 13.3.2",)
    open_files = [seen for seen in facts.files if seen.holds is Holds.SECRET and seen.mode & 0o077]
    open_folders = [seen for seen in facts.files if seen.holds is Holds.FOLDER and seen.mode & 0o022]
    if not open_files and not open_folders:
        told = f"{len(facts.files)} files and folders are their owner's alone"
        return Finding(check="file modes", state=State.OK, told=told, clauses=clauses)
    told = ", ".join(f"{seen.path} is {seen.mode:04o}" for seen in (*open_files, *open_folders))
    orders = [f"chmod 600 {seen.path}" for seen in open_files] + [f"chmod go-w {seen.path}" for seen in open_folders]
    return Finding(check="file modes", state=State.FAIL, told=told, remedy="; ".join(orders), clauses=clauses)


def owner(facts: Facts) -> Finding | None:
    """One user owns the files, and it is not root."""
    owners = sorted({seen.owner for seen in facts.files})
    if not owners:
        return None
    told, clauses = "uid " + " and ".join(map(str, owners)), ("ASVS 13.2.2",)
    if len(owners) > 1:
        remedy = "give all of them to the user that the service runs as: chown"
        return Finding(check="file owner", state=State.FAIL, told=told, remedy=remedy, clauses=clauses)
    if owners == [0]:
        remedy = "run the service as a user of its own"
        return Finding(check="file owner", state=State.WARN, told=f"{told}: root", remedy=remedy, clauses=clauses)
    return Finding(check="file owner", state=State.OK, told=told, clauses=clauses)


def keys(facts: Facts) -> Finding:
    """The key rings are there, and are those of this database."""
    if facts.keys.faults:
        told = "; ".join(facts.keys.faults)
        remedy = "put back the keys that belong to this database"
        return Finding(check="keys", state=State.FAIL, told=told, remedy=remedy, clauses=("ASVS 13.3.1",))
    told = f"{', '.join(facts.keys.ages)}: readable, and of this database"
    return Finding(check="keys", state=State.OK, told=told, clauses=("ASVS 13.3.1",))


def key_age(facts: Facts) -> Finding | None:
    """No active key is older than a year."""
    known = {ring: age for ring, age in facts.keys.ages.items() if age is not None}
    if not facts.keys.ages:
        return None
    clauses = ("ASVS 13.3.4",)
    told = ", ".join(f"{ring} {_days(known.get(ring))}" for ring in facts.keys.ages)
    old = [ring for ring, age in known.items() if age > _OLDEST_KEY]
    if old:
        remedy = "; ".join(f"sallyport keys rotate {ring}" for ring in old)
        return Finding(check="key age", state=State.WARN, told=told, remedy=remedy, clauses=clauses)
    return Finding(check="key age", state=State.OK, told=told, clauses=clauses)


def key_place(facts: Facts) -> Finding | None:
    """Who copies the folder of the database does not get the keys with it."""
    if lies_on_a_server(facts):
        return None
    place, folder = facts.settings.keys_dir.resolve(), facts.settings.database_path.resolve().parent
    if place.is_relative_to(folder):
        told, remedy = "the keys lie in the folder of the database", "set SALLYPORT_KEYS_DIR to a place of their own"
        return Finding(check="key place", state=State.WARN, told=told, remedy=remedy, clauses=("ASVS 13.3.1",))
    return Finding(check="key place", state=State.OK, told="apart from the database", clauses=("ASVS 13.3.1",))


def epoch(facts: Facts) -> Finding | None:
    """The database is not one that was copied back by hand."""
    seen = facts.database
    if not isinstance(seen, DatabaseSeen) or not seen.started:
        return None
    if seen.epoch < facts.keys.epoch:
        told = f"the database has {seen.epoch}, the keys saw {facts.keys.epoch}: it was copied back by hand"
        how = "`sallyport restore --in-place`" if lies_on_a_server(facts) else "`sallyport restore` that file"
        remedy = f"stop the service, and {how}"
        return Finding(check="epoch", state=State.FAIL, told=told, remedy=remedy)
    return Finding(check="epoch", state=State.OK, told=f"{seen.epoch}")


def _days(age: int | None) -> str:
    return "unknown" if age is None else duration(age // DAY * DAY) if age >= DAY else "new"


CHECKS: Final = (
    clock, database, schema, durability, file_system, disk, modes, owner, keys, key_age, key_place, epoch,
)  # fmt: skip
