"""`sallyport policy`: whom a rule about second factors would meet. Looks only, beside a service that may be running."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from sallyport.kernel.clock import SystemClock, rfc3339
from sallyport.kernel.policy import Policy
from sallyport.policy.flow import SeeImpact, Totals
from sallyport.policy.rules import Met
from sallyport.settings import Settings, SettingsRefusedError, load
from sallyport.settings.decisions import policy_of
from sallyport.store import schema
from sallyport.store.database import database_at
from sallyport.store.work import StorageUnavailableError

_NOBODY_STUCK: Final = 0
_SOME_STUCK: Final = 1
_WRONG_USE: Final = 2


def impact(flags: Mapping[str, str], *, as_json: bool) -> int:
    """Print whom a rule would meet; returns 0, 1 where some of them would be stuck, 2 for wrong use."""
    try:
        settings = load(flags, os.environ, Path.cwd())
        totals = asyncio.run(_told(settings, as_json=as_json))
    except (SettingsRefusedError, StorageUnavailableError) as no:
        sys.stderr.write(f"sallyport policy: {no}\n")
        return _WRONG_USE
    except BrokenPipeError:
        # Whoever reads has seen enough; nothing is left for the interpreter to flush into the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _SOME_STUCK
    return _SOME_STUCK if totals.stuck else _NOBODY_STUCK


async def _told(settings: Settings, *, as_json: bool) -> Totals:
    database = database_at(settings.database_url)
    schema.demand_fit(database)
    work = database.work()
    policy = policy_of(settings.require_mfa, settings.trusted_roles, settings.mfa_grace)
    try:
        see = SeeImpact(work=work, clock=SystemClock())
        return await (_as_json(see, policy, settings) if as_json else _as_table(see, policy, settings))
    finally:
        work.close()


async def _as_table(see: SeeImpact, policy: Policy, settings: Settings) -> Totals:
    totals = Totals()
    async for found in see(policy):
        if isinstance(found, Totals):
            totals = found
            continue
        ways = ", ".join(found.hindrances) or "-"
        print(f"{'stuck' if found.stuck else 'met':5}  {rfc3339(found.enroll_by)}  {found.uid}  {found.name}  ({ways})")
    print(
        f"{settings.require_mfa}: of {totals.users} users {totals.met} would have to enroll, {totals.stuck} of them "
        f"are stuck; {totals.satisfied} have a second factor already"
    )
    return totals


async def _as_json(see: SeeImpact, policy: Policy, settings: Settings) -> Totals:
    """Write one JSON document, piece by piece: whatever their number, users are never all in memory."""
    totals, first = Totals(), True
    print(f'{{"rule": {json.dumps(settings.require_mfa)}, "met": [', end="")
    async for found in see(policy):
        if isinstance(found, Totals):
            totals = found
            continue
        print(("" if first else ",") + "\n" + json.dumps(_written(found)), end="")
        first = False
    print(f'], "totals": {json.dumps(msgspec.structs.asdict(totals))}}}')
    return totals


def _written(met: Met) -> dict[str, object]:
    return {
        "uid": met.uid,
        "name": met.name,
        "rule": met.rule,
        "enrollBy": rfc3339(met.enroll_by),
        "hindrances": list(met.hindrances),
        "stuck": met.stuck,
    }
