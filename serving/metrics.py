"""What Prometheus sees of this service.

Belongs here: the metrics. What counts and times requests: requests.py. Alerts and dashboards: operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from serving.spool_upkeep import waiting

# A feed takes a few milliseconds; the default buckets start where it should already have been served.
_BUCKETS_S = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """One registry per app, so that two apps in one process do not share counters."""

    def __init__(self, spool: Path | None) -> None:
        """`spool` is None where events are kept elsewhere."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Histogram(
            "reelmill_request_seconds",
            "Time from a request's first byte to its answer's last, per route template.",
            ["method", "route", "status"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.events = Counter(
            "reelmill_events", "Events received over HTTP, by what became of them.", ["outcome"], registry=self.registry
        )
        self.without_redis = Counter(
            "reelmill_pages_without_redis",
            "Pages of feeds and of what rises that were made from memory, since Redis did not answer.",
            registry=self.registry,
        )
        if spool is not None:
            self.registry.register(_Waiting(spool))


class _Waiting(Collector):
    """What waits in the spool: both gauges from one look, at the time of a scrape and in its thread."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool

    def collect(self) -> Iterator[GaugeMetricFamily]:
        files, size = waiting(self._spool)
        yield GaugeMetricFamily("reelmill_spool_files", "Spool files that wait to be ingested.", files)
        yield GaugeMetricFamily("reelmill_spool_bytes", "Bytes that wait to be ingested.", size)

    def describe(self) -> list[GaugeMetricFamily]:
        return []  # else registering looks once, which is slow where much waits
