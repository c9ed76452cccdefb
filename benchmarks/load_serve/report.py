"""What came out: numbers as JSON, and the table for the documentation."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel

from .clients import Tally


class Memory(BaseModel):
    """Resident memory of the service.

    Attributes:
        start_mb: When it was ready.
        warm_mb: Median of the tenth of the run after the warm-up.
        end_mb: Median of the last tenth.
        peak_mb: The most.
        slope_mb_per_minute: Of a straight line through all samples after the warm-up.
    """

    start_mb: float
    warm_mb: float
    end_mb: float
    peak_mb: float
    slope_mb_per_minute: float


class Report(BaseModel):
    """A run.

    Attributes:
        command: Command line of the service.
        machine: Processor, cores and versions.
        clients: Clients at the same time.
        seconds: How long they asked.
        warm_up: Seconds at the start that latency, throughput and memory leave out.
        files: Different good images.
        requests: Requests by kind.
        statuses: Answers by status.
        counted: The same as the service counted it; 499 is a client that hung up.
        busy: Deliberate 503.
        errors: Other answers of 500 and above.
        lost: Requests without an answer, or with too few results.
        crossed: Results of another image.
        wrong: Answers that were not as expected in another way.
        hung_up: Requests that clients gave up on purpose.
        images: Right verdicts.
        latency: Seconds by name of the quantile, of answers with verdicts.
        rate: Right verdicts a second after the warm-up.
        offline: Images a second of ``Detector.score_many``, before and after.
        load: Load averages of the machine at the beginning and at the end.
        memory: Of the service.
        exit_status: Of the service after SIGTERM.
        complaints: Lines of its log that tell of a fault.
        examples: What went wrong, in words.
    """

    command: str
    machine: str
    clients: int
    seconds: float
    warm_up: float
    files: int
    requests: dict[str, int]
    statuses: dict[int, int]
    counted: dict[str, float]
    busy: int
    errors: int
    lost: int
    crossed: int
    wrong: int
    hung_up: int
    images: int
    latency: dict[str, float]
    rate: float
    offline: tuple[float, float]
    load: tuple[float, float]
    memory: Memory
    exit_status: int
    complaints: list[str]
    examples: list[str]

    @property
    def ratio(self) -> float:
        """The service's rate over the mean of the offline ones."""
        return self.rate / (sum(self.offline) / 2)

    @property
    def agrees(self) -> bool:
        """Whether the service counted the answers that the clients got, and no more than those that they gave up."""
        seen = {str(status): count for status, count in self.statuses.items()}
        more = [count - seen.get(status, 0) for status, count in self.counted.items() if status != "499"]
        return set(seen) <= set(self.counted) and min(more, default=0) >= 0 and sum(more) <= self.hung_up

    @property
    def sound(self) -> bool:
        """Whether nothing happened that never may."""
        faults = self.errors + self.lost + self.crossed + self.wrong + len(self.complaints)
        return faults == 0 and self.exit_status == 0 and self.agrees


def latencies(tally: Tally) -> dict[str, float]:
    """Return the quantiles of the latency, in seconds."""
    if not tally.latencies:
        return {}
    values = np.quantile(tally.latencies, [0.5, 0.95, 0.99, 1.0])
    return {name: round(float(value), 3) for name, value in zip(("p50", "p95", "p99", "max"), values, strict=True)}


def rate_of(tally: Tally, warm_up: float, seconds: float) -> float:
    """Return right verdicts a second, in whole seconds after the warm-up and before the end."""
    first, last = int(np.ceil(warm_up)), int(seconds)
    return sum(count for second, count in tally.images.items() if first <= second < last) / max(1, last - first)


def memory_of(samples: list[tuple[float, float]], warm_up: float) -> Memory:
    """Return what became of the memory.

    Args:
        samples: Seconds and MB.
        warm_up: Seconds to leave out.
    """
    times, sizes = np.array(samples).T
    late = times >= min(warm_up, times[-1] / 2)
    tenth = max(1, int(late.sum()) // 10)
    slope = np.polyfit(times[late] / 60, sizes[late], 1)[0] if late.sum() > 2 else 0.0
    return Memory(
        start_mb=round(float(sizes[0]), 1),
        warm_mb=round(float(np.median(sizes[late][:tenth])), 1),
        end_mb=round(float(np.median(sizes[late][-tenth:])), 1),
        peak_mb=round(float(sizes.max()), 1),
        slope_mb_per_minute=round(float(slope), 2),
    )


def to_markdown(report: Report) -> str:
    """Return the table for ``docs/operations.md``."""
    statuses = ", ".join(f"{count:,} x {status}" for status, count in sorted(report.statuses.items()))
    latency = " / ".join(f"{report.latency[name]:.2f}" for name in ("p50", "p95", "p99") if name in report.latency)
    memory = report.memory
    rows = [
        ("clients, minutes", f"{report.clients}, {report.seconds / 60:g}"),
        ("requests, answers by status", f"{sum(report.requests.values()):,}: {statuses}"),
        ("given up by the client on purpose", f"{report.hung_up:,}"),
        ("images with the right verdict, bit by bit", f"{report.images:,}"),
        ("answers 5xx beside the deliberate 503", str(report.errors)),
        ("deliberate 503", f"{report.busy:,}"),
        ("lost answers, crossed answers, wrong answers", f"{report.lost}, {report.crossed}, {report.wrong}"),
        ("the service's own counts agree", "yes" if report.agrees else "**no**"),
        ("latency p50 / p95 / p99", f"{latency} s"),
        ("throughput", f"{report.rate:.2f} images/s"),
        ("offline, before and after", f"{report.offline[0]:.2f} and {report.offline[1]:.2f} images/s"),
        ("throughput over offline (wanted: 0.85)", f"{report.ratio:.2f}"),
        (
            "resident memory: ready, warm, end, peak",
            f"{memory.start_mb:.0f}, {memory.warm_mb:.0f}, {memory.end_mb:.0f}, {memory.peak_mb:.0f} MB",
        ),
        ("its slope after the warm-up", f"{memory.slope_mb_per_minute:+.2f} MB a minute"),
        ("exit status after SIGTERM, faults in the log", f"{report.exit_status}, {len(report.complaints)}"),
    ]
    head = f"{report.machine}; load {report.load[0]:.1f} before, {report.load[1]:.1f} after. `{report.command}`"
    return "\n".join([head, "", "| what | measured |", "| --- | --- |", *(f"| {what} | {got} |" for what, got in rows)])
