"""Nothing that was acknowledged is lost, nothing is accepted twice, whenever the server is killed or the power goes.

`make torture` does either 200 times. `SALLYPORT_TEST_KILLS` and `SALLYPORT_TEST_SEED` say how often, and from which
seed: the same seed makes the same plan, though the machine decides how far a server comes before it dies.
"""

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.crash.harness import Harness, Moment, Report
from tests.shims.preload import compiled

KILLS = int(os.environ.get("SALLYPORT_TEST_KILLS", "10"))
CUTS = int(os.environ.get("SALLYPORT_TEST_KILLS", "8"))


pytestmark = pytest.mark.on_disk("most of a write is waiting for it, so that is where a kill mostly comes")


def test_a_killed_server_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    survived(tmp_path, KILLS, None)


def test_a_server_without_power_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    report = survived(tmp_path, CUTS, compiled("disk", tmp_path))
    # A disk that nobody waited for, or that had written everything, would prove nothing.
    assert report.syncs > 20 * CUTS
    assert report.dropped


def survived(folder: Path, kills: int, library: Path | None) -> Report:
    seed = int(os.environ.get("SALLYPORT_TEST_SEED", random.randrange(10**6)))
    what = "power cuts" if library else "kills"
    print(f"\ncrash: {kills} {what} from seed {seed}", flush=True)  # noqa: T201  # to find a failure again
    report = asyncio.run(Harness(folder, seed, library).run(kills))
    print(f"crash: {report}", flush=True)  # noqa: T201  # `make torture` shows it
    assert sum(report.kills.values()) == kills
    # A run in which nothing was going on would prove nothing.
    assert report.acknowledged > 20 * kills
    assert report.kills[Moment.LOAD] + report.kills[Moment.FIRST_BYTE] == 0 or report.doubts > 0
    return report
