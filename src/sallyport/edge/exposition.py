"""The text that Prometheus reads. Imported at the first scrape: nobody else needs the library."""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from sallyport.kernel.meters import Family


class Exposition(Collector):
    """Renders families; with those of the process itself where one process is the whole service."""

    def __init__(self, families: Callable[[], Iterable[Family]], *, alone: bool) -> None:
        self._families = families
        # Given no registry, the collector does not put itself into the global one.
        self._process = ProcessCollector(registry=None) if alone else None

    def collect(self) -> Iterator[Metric]:
        """Yield every number as the library wants it."""
        yield from map(_metric, self._families())
        if self._process:
            yield from self._process.collect()

    def text(self) -> str:
        """Return the text of a scrape."""
        return generate_latest(self).decode()


def _metric(family: Family) -> Metric:
    name, labels = family.name, family.name.labels
    if family.kind == "histogram":
        return _histogram(family)
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(name.name, name.meaning, labels=labels)
    for values, (number,) in sorted(family.rows.items()):
        metric.add_metric(values, number)
    return metric


def _histogram(family: Family) -> Metric:
    metric = HistogramMetricFamily(family.name.name, family.name.meaning, labels=family.name.labels)
    bounds = [*(str(float(bound)) for bound in family.bounds), "+Inf"]
    for values, (*counts, total) in sorted(family.rows.items()):
        # A bucket of Prometheus holds those below it, too.
        metric.add_metric(values, list(zip(bounds, accumulate(counts), strict=True)), total)
    return metric
