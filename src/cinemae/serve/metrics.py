"""What the service counts, for Prometheus."""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
    multiprocess,
)

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
MODEL_LABELS = ("version", "fingerprint", "precision", "device")
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters, gauges and histograms of one process; with several workers the sums over all of them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = self._counter("requests", "Requests answered", "method", "route", "status")
        self.request_seconds = self._seconds("request_seconds", "Time from a request to its answer", "route")
        self.images = self._counter("images", "Images by verdict, or by the kind of refusal", "outcome")
        self.image_seconds = self._seconds("image_seconds", "Time to decode and score an image")
        self.queue_seconds = self._seconds("queue_seconds", "Time that an image waited for a thread")
        self.problems = self._counter("problems", "Requests refused as a whole", "problem")
        self.gone = self._counter("disconnects", "Requests whose client hung up before the answer")
        self.bytes = self._counter("upload_bytes", "Bytes of bodies read")
        self.waiting = self._gauge("images_waiting", "Images in the queue")
        self.running = self._gauge("images_running", "Images being scored")
        self.uploads = self._gauge("uploads", "Requests whose body is being read")
        self.memory = self._gauge("body_memory_bytes", "Bytes of bodies in memory")
        self.model = self._gauge("model_info", "Processes with this model", *MODEL_LABELS)
        if FOLDER not in os.environ:
            ProcessCollector(registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"cinemae_{name}", text, labels, registry=self.registry)

    def _seconds(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"cinemae_{name}", text, labels, buckets=_SECONDS, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"cinemae_{name}", text, labels, multiprocess_mode="livesum", registry=self.registry)

    def render(self) -> bytes:
        """Return all of them in Prometheus's text form."""
        if FOLDER not in os.environ:
            return generate_latest(self.registry)
        everybody = CollectorRegistry()
        multiprocess.MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
        return generate_latest(everybody)


def forget_dead(folder: str) -> None:
    """Drop the gauges of worker processes that are no more; what they counted stays."""
    for file in Path(folder).glob("gauge_live*_*.db"):
        number = int(file.stem.rsplit("_", 1)[1])
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            file.unlink(missing_ok=True)
