"""The audit log as a test looks at it: rows by the API, sealing on demand, and what verifying finds."""

from pathlib import Path
from typing import Any

from sallyport.audit.checkpoint import NAME, CheckpointFile
from sallyport.audit.flow.verify import Fault, Verdict, VerifyAudit
from tests.surgery import fetch
from tests.world import Person, World

# In the order in which the engine took them: rows of one moment have none of their own, and the tests' clock stands.
_WRITTEN = "SELECT id, event, outcome, factor, user_id, actor_id, session_id, detail FROM audit_log ORDER BY {}"


def checkpoint_of(world: World) -> Path:
    """Return where the checkpoint of a world stands."""
    return world.service.settings.keys_dir / NAME


async def sealed(world: World) -> None:
    """Seal what there is, and let the checkpoint follow."""
    world.clock.advance(1)
    await world.service.seal()


async def verified(world: World) -> tuple[list[Fault], Verdict]:
    """Verify the log; returns every fault, and the verdict."""
    service = world.service
    checkpoint = CheckpointFile(service.settings.keys_dir, service.audit_keys)
    found = [one async for one in VerifyAudit(work=service.work, keys=service.audit_keys, checkpoint=checkpoint)()]
    verdict = found.pop()
    assert isinstance(verdict, Verdict)
    return [one for one in found if isinstance(one, Fault)], verdict


async def faults(world: World) -> list[str]:
    """Return what verifying finds, in words."""
    return [fault.what for fault in (await verified(world))[0]]


class Pen:
    """Reads what was written since it was made, or since it was last read."""

    def __init__(self, world: World) -> None:
        self.world = world
        is_file = world.service.settings.database_url.reveal().startswith("sqlite:")
        self._all = _WRITTEN.format("rowid" if is_file else "ctid")
        self._seen: set[str] = set()

    async def lift(self) -> None:
        """Leave out what was written so far."""
        await self.written()

    async def written(self) -> list[tuple[Any, ...]]:
        """Return event, outcome, factor, user, actor, session and detail of each new row."""
        found = [row for row in await fetch(self.world, self._all) if row[0] not in self._seen]
        self._seen |= {row[0] for row in found}
        return [row[1:] for row in found]


async def session_of(person: Person) -> str:
    """Return the uid of a person's current session."""
    listed = (await person.call("GET", "/users/me/sessions")).json()
    return str(next(one["uid"] for one in listed if one["current"]))


def rewrite(path: Path, content: bytes) -> None:
    """Write a file anew, as its owner would."""
    path.write_bytes(content)
    path.chmod(0o600)
