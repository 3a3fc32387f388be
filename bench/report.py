"""What came out: one row a measure, as a table for people and as JSON for machines."""

import os
import platform
import statistics
from dataclasses import asdict, dataclass
from importlib.metadata import distribution
from typing import Any

from bench import cores
from bench.measures import Measure, Sample

NOISY = 0.1
"""Share of a core in the hands of strangers from which on a figure says little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A measure and its medians over all rounds."""

    name: str
    what: str
    unit: str
    value: float
    limit: float | None
    ratio: float | None
    """Median of the rounds' ratios: noise of the machine meets both sides of one round alike."""
    bar: float
    at_least: bool
    ok: bool
    noisy: bool
    """Strangers took more than a tenth of a core: whatever came out, it says little."""
    worst: float
    """The round that was furthest on the wrong side: a ratio where there is one, else a value."""
    strangers: float
    """Share of a core that others took: what is more than a few percent is noise."""
    parts: dict[str, float]


def row(measure: Measure, samples: list[Sample]) -> Row:
    """Sum up the rounds of a measure."""
    limits = [sample.limit for sample in samples if sample.limit is not None]
    ratios = [sample.value / sample.limit for sample in samples if sample.limit is not None]
    value = statistics.median(sample.value for sample in samples)
    ratio = statistics.median(ratios) if ratios else None
    strangers = statistics.median(sample.strangers for sample in samples)
    figures = ratios or [sample.value for sample in samples]
    return Row(
        name=measure.name,
        what=measure.what,
        unit=measure.unit,
        value=value,
        limit=statistics.median(limits) if limits else None,
        ratio=ratio,
        bar=measure.bar,
        at_least=measure.at_least,
        ok=measure.holds(value if ratio is None else ratio),
        noisy=measure.timed and strangers > NOISY,
        worst=min(figures) if measure.at_least else max(figures),
        strangers=strangers,
        parts={name: statistics.median(sample.parts[name] for sample in samples) for name in samples[0].parts},
    )


def document(rows: list[Row], rounds: int, seconds: float) -> dict[str, Any]:
    """Return everything as JSON."""
    native = distribution("argon2-cffi-bindings").read_text("direct_url.json") is not None
    return {
        "cores": os.cpu_count(),
        "one_core_shared": cores.SHARED,
        "python": platform.python_version(),
        "argon2": "native" if native else "wheel",
        "rounds": rounds,
        "seconds": round(seconds, 1),
        "measures": [asdict(row) for row in rows],
    }


def table(rows: list[Row]) -> str:
    """Return the rows as a Markdown table, and under it what the limits are composed of."""
    lines = ["| measure | value | limit | ratio | worst round | bar | |", "|---|---:|---:|---:|---:|---:|---|"]
    for row in rows:
        sign, verdict = "≥" if row.at_least else "≤", ("ok" if row.ok else "SHORT") + (", NOISY" if row.noisy else "")
        unit = row.unit if row.unit == "/s" else f" {row.unit}"
        limit = "" if row.limit is None else f"{_number(row.limit)}{unit}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        bar = f"{sign} {row.bar:g}" + ("" if row.ratio is not None else unit)
        value = f"{_number(row.value)}{unit}"
        lines.append(f"| {row.what} | {value} | {limit} | {ratio} | {_number(row.worst)} | {bar} | {verdict} |")
    return "\n".join([*lines, "", *(_parts(row) for row in rows)])


def _parts(row: Row) -> str:
    parts = {**row.parts, "strangers": row.strangers}
    return f"- {row.name}: " + ", ".join(f"{name} {_number(value)}" for name, value in parts.items())


def _number(value: float) -> str:
    if value >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
