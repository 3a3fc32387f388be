"""Nothing that was acknowledged is lost, nothing is accepted twice, whenever the server is killed.

`make torture` kills 200 times. `SALLYPORT_TEST_KILLS` and `SALLYPORT_TEST_SEED` say how often, and from which seed:
the same seed makes the same plan, though the machine decides how far a server comes before it dies.
"""

import asyncio
import os
import random
from pathlib import Path

from tests.crash.harness import Harness, Moment

KILLS = int(os.environ.get("SALLYPORT_TEST_KILLS", "10"))


def test_a_killed_server_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    seed = int(os.environ.get("SALLYPORT_TEST_SEED", random.randrange(10**6)))
    print(f"\ncrash: {KILLS} kills from seed {seed}", flush=True)  # noqa: T201  # to find a failure again
    report = asyncio.run(Harness(tmp_path, seed).run(KILLS))
    print(f"crash: {report}", flush=True)  # noqa: T201  # `make torture` shows it
    assert sum(report.kills.values()) == KILLS
    # A run in which nothing was going on would prove nothing.
    assert report.acknowledged > 20 * KILLS
    assert report.kills[Moment.LOAD] + report.kills[Moment.FIRST_BYTE] == 0 or report.doubts > 0
