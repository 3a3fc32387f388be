"""`python -m bench`: measure speed and size beside their own limits, in one run."""

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import cores, costs, flood, growth, nodes, pages, postgres, report, tells
from bench.measures import MEASURES, Measure, Sample
from bench.scenario import Finding, Scenario
from bench.stage import FULL, QUICK, Size, Stage

_NOISE = 0.05
"""Share of a core in the hands of strangers from which on a round is measured again."""
_SCENARIOS = (
    Scenario(name="tells", play=tells.play),
    Scenario(name="flood", play=flood.play),
    Scenario(name="postgres", play=postgres.play),
    Scenario(name="growth", play=growth.play),
    Scenario(name="nodes", play=nodes.play),
    Scenario(name="costs", play=costs.play),
    Scenario(name="pages", play=pages.play),
)
"""They take minutes, so they run only when they are named."""
_OUT = Path(__file__).parent / "out" / "bench.json"


def main() -> int:
    """Measure, print, write; exit status 1 if a bar is not met."""
    wanted = _arguments()
    chosen = [measure for measure in MEASURES if not wanted.only or measure.name in wanted.only]
    scenarios = [scenario for scenario in _SCENARIOS if wanted.only and scenario.name in wanted.only]
    size = QUICK if wanted.quick else FULL
    cores.stay_on_load_core()
    _tell(f"{len(chosen)} measures, {size.rounds} rounds" + (", ONE CORE for load and server" if cores.SHARED else ""))
    begun = time.perf_counter()
    rows = [report.row(measure, samples) for measure, samples in _measured(chosen, size)] if chosen else []
    findings = {scenario.name: _played(scenario, size) for scenario in scenarios}
    found = report.document(rows, size.rounds, time.perf_counter() - begun) | {
        "scenarios": {name: finding.data for name, finding in findings.items()}
    }
    wanted.out.parent.mkdir(parents=True, exist_ok=True)
    wanted.out.write_text(json.dumps(found, indent=2) + "\n")
    tables = [report.table(rows)] if rows else []
    print(json.dumps(found, indent=2) if wanted.json else "\n\n".join([*tables, *map(str, findings.values())]))
    _tell(f"{found['seconds']} s; all of it as JSON: {wanted.out}")
    return 0 if all(row.ok for row in rows) and all(finding.ok for finding in findings.values()) else 1


def _measured(chosen: list[Measure], size: Size) -> list[tuple[Measure, list[Sample]]]:
    samples: dict[str, list[Sample]] = {measure.name: [] for measure in chosen}
    with TemporaryDirectory(prefix="sallyport-bench-") as directory:
        stage = Stage(size, Path(directory))
        try:
            # The first round warms caches and connections up, and makes what is made when it is first wanted.
            for measure in chosen:
                measure.sample(stage)
            patience = Patience(time.monotonic() + size.patience)
            for turn in range(1, size.rounds + 1):
                for measure in chosen:
                    samples[measure.name].append(patience.sample(measure, stage))
                _tell(f"round {turn} of {size.rounds}")
        finally:
            stage.close()
    return [(measure, samples[measure.name]) for measure in chosen]


def _played(scenario: Scenario, size: Size) -> Finding:
    watch = cores.Watch()
    finding = scenario.play(size)
    finding.data["strangers"] = taken = watch.strangers()
    noisy = ": NOISY, it says little" if taken > report.NOISY else ""
    _tell(f"{scenario.name}: strangers took {taken:.2f} of a core{noisy}")
    return finding


class Patience:
    """Measures again where strangers took too much of a core, as long as it lasts."""

    def __init__(self, until: float) -> None:
        self._until = until

    def sample(self, measure: Measure, stage: Stage) -> Sample:
        """Return the quietest of the tries."""
        sample = _watched(measure, stage)
        while measure.timed and sample.strangers > _NOISE and time.monotonic() < self._until:
            sample = min(sample, _watched(measure, stage), key=lambda tried: tried.strangers)
        return sample


def _watched(measure: Measure, stage: Stage) -> Sample:
    watch = cores.Watch()
    sample = measure.sample(stage)
    return replace(sample, strangers=watch.strangers())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = [*(measure.name for measure in MEASURES), *(scenario.name for scenario in _SCENARIOS)]
    parser.add_argument("--quick", action="store_true", help="fewer, shorter rounds; `growth` ends at 20,000 users")
    parser.add_argument("--only", action="append", choices=names, help="measure this alone; may be given again")
    parser.add_argument("--json", action="store_true", help="print JSON for the table")
    parser.add_argument("--out", type=Path, default=_OUT, help="where the JSON goes")
    return parser.parse_args()


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
