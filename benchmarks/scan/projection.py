"""The cost model: a large archive from what was measured on a small one, and from what is assumed."""

from __future__ import annotations

from math import ceil

from pydantic import BaseModel, ConfigDict, Field

from .rates import scan_name
from .results import ScanReport

DAY = 86_400.0
LISTED_AT_ONCE = 1000  # keys that S3 names in an answer
REQUESTS_A_PART = 4  # the plan is written and read; the result is looked for and written


class Assumptions(BaseModel):
    """What is not measured here; options of the command line."""

    model_config = ConfigDict(frozen=True)

    inputs: int = Field(default=1_000_000_000, ge=1, description="images of the archive")
    days: float = Field(default=30.0, gt=0, description="days that the scan may take")
    bytes_an_image: float = Field(default=500_000.0, gt=0, description="mean bytes of a file")
    part_size: int = Field(default=512, ge=1, description="inputs of a part")
    used: float = Field(default=0.9, gt=0, le=1, description="share of the time in which the cores score")
    cores_a_node: int = Field(default=64, ge=1, description="cores of a machine")
    list_answer: float = Field(default=0.1, gt=0, description="seconds for 1000 keys of an S3 listing")
    driver_gbit: float = Field(default=10.0, gt=0, description="Gbit/s of the driver's network, for --dedupe")


class Projection(BaseModel):
    """The answer.

    Attributes:
        rate: Images a second and core.
        core_hours: To score everything.
        cores: To do it in the time given.
        nodes: Machines.
        images_per_second: That all of them score.
        read_tb: Bytes read.
        read_gbit: Gbit/s, over the whole cluster.
        parts: Parts, and files of the table.
        plan_gb: The plan.
        rows_gb: The table without maps.
        maps_gb: The table with maps.
        requests: S3 requests of everything.
        list_hours: The driver's listing and planning, before the first score.
        dedupe_hours: What ``--dedupe`` adds to that, on the driver.
    """

    model_config = ConfigDict(frozen=True)

    rate: float
    core_hours: float
    cores: int
    nodes: int
    images_per_second: float
    read_tb: float
    read_gbit: float
    parts: int
    plan_gb: float
    rows_gb: float
    maps_gb: float
    requests: int
    list_hours: float
    dedupe_hours: float


def project(report: ScanReport, given: Assumptions) -> Projection:
    """Project a report.

    The seconds of the plan are those measured here for files on a local disk, or those for S3's answers,
    whichever is more. The pass of ``--dedupe`` is bound by hashing as measured, or by the network.

    Raises:
        ValueError: If the report lacks the rates or the costs.
    """
    if not report.rates or report.costs is None:
        raise ValueError("the projection needs the rates and the costs: run the benchmark without --only")
    costs, count = report.costs, given.inputs
    rate = report.rate(scan_name("local", 1, report.cores)).images_per_second.median / report.cores
    core_seconds = count / rate
    cores = ceil(core_seconds / (given.used * given.days * DAY))
    parts = ceil(count / given.part_size)
    answers = ceil(count / LISTED_AT_ONCE)
    read = count * given.bytes_an_image
    hashing = max(costs.hashing, given.bytes_an_image * 8 / (given.driver_gbit * 1e9))
    return Projection(
        rate=rate,
        core_hours=core_seconds / 3600,
        cores=cores,
        nodes=ceil(cores / given.cores_a_node),
        images_per_second=count / (given.days * DAY),
        read_tb=read / 1e12,
        read_gbit=read * 8 / (given.days * DAY) / 1e9,
        parts=parts,
        plan_gb=count * costs.plan_bytes / 1e9,
        rows_gb=count * costs.row_bytes / 1e9,
        maps_gb=count * costs.map_row_bytes / 1e9,
        requests=count + answers + REQUESTS_A_PART * parts,
        list_hours=max(count * costs.planning, answers * given.list_answer) / 3600,
        dedupe_hours=count * hashing / 3600,
    )
