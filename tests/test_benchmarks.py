"""What the documentation's figures are made with: settings that load, and scripts that run and count right."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from cinemae.features.extractor import FeatureExtractor
from cinemae.features.spec import FeatureSpec
from cinemae.mae.config import ConvMAEConfig, ViTMAEConfig
from cinemae.mae.conv import ConvMAE
from cinemae.mae.openvino_runtime import granted
from cinemae.mae.vit import ViTMAE
from cinemae.masks import LatticeMasks, PartitionMasks
from toys import SCALES, SMALL_CONV, SMALL_VIT, pink

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(BENCHMARKS.parent))

from benchmarks.pages import write_docs  # noqa: E402
from benchmarks.perf import acceptance, flops, markdown, processes, references, vit  # noqa: E402
from benchmarks.perf import shipped as perf_shipped  # noqa: E402
from benchmarks.perf.results import Entry, Group, Machine, MemoryPoint, Report  # noqa: E402
from benchmarks.perf.rounds import PEAK, Contender, measure, spread  # noqa: E402


def test_families_do_not_overlap_but_for_their_union():
    families = {
        name: set(generators) for name, generators in json.loads((BENCHMARKS / "families.json").read_text()).items()
    }
    assert families["unseen"] == families["classic"] | families["web"]
    assert not families["classic"] & families["web"]
    assert not families["unseen"] & families["stable diffusion 1.x"]


def test_mask_noise_is_measured(tmp_path):
    for number in range(3):
        Image.fromarray(pink(number, 64)).save(tmp_path / f"{number}.png")
    command = [sys.executable, str(BENCHMARKS / "mask_noise.py"), str(tmp_path), "--images", "3", "--seeds", "2"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert out.startswith("3 images, 2 seeds, 1 round(s)")
    ratios = dict(re.findall(r"^(.+): over seeds \S+, over images \S+, ratio (\S+)$", out, re.MULTILINE))
    assert set(ratios) == {"semantic", "logit of the head"}
    assert all(0 < float(ratio) < 1 for ratio in ratios.values())


def test_precision_is_measured(toy_set, head_folder):
    command = [sys.executable, str(BENCHMARKS / "precision.py"), str(toy_set), "--model", str(head_folder)]
    out = subprocess.run([*command, "--precision", "bf16"], capture_output=True, text=True, check=True).stdout
    kind = granted("bf16")  # a CPU without bf16 computes in f32, and the output must say so
    assert out.startswith(f"16 images, {kind} against f32")
    found = re.search(r"logit: median (\S+), 99 % (\S+), maximum (\S+)", out)
    median, most, largest = (float(number) for number in found.groups())
    assert 0 <= median <= most <= largest
    assert (largest > 0) == (kind != "f32")
    assert len(re.findall(rf"ROC-AUC: f32 [01]\.\d+, {kind} [01]\.\d+", out)) == 1


def test_contenders_are_called_in_turn_and_compared_within_a_round():
    time, calls = 0.0, []
    # Seconds of each call: the first round is thrown away; in the second everything is twice as slow.
    lasts = {"slow": iter([9, 4, 8, 4]), "fast": iter([9, 2, 4, 2]), PEAK: iter([9, 1, 2, 1])}

    def run(name: str) -> None:
        nonlocal time
        calls.append(name)
        time += next(lasts[name])

    contenders = [
        Contender("slow", lambda: run("slow"), 1, 10.0),
        Contender("fast", lambda: run("fast"), 4, 10.0),
        Contender(PEAK, lambda: run(PEAK), flops=40.0),
        Contender("told", lambda: 0.5, tells=True),
    ]
    group = measure("g", "title", contenders, baseline="slow", rounds=3, clock=lambda: time)
    assert calls == ["slow", "fast", PEAK] * 4
    assert group.entry("slow").seconds == [4, 8, 4]
    assert group.entry("fast").seconds_per_image.median == 0.5
    ratio, share = group.entry("fast").ratio, group.entry("fast").share
    assert (ratio.low, ratio.median, ratio.high) == (8, 8, 8)  # the slow round moves no ratio
    assert share is not None
    assert share.median == pytest.approx(10 / 0.5 / 40)
    assert group.entry("told").seconds == [0.5] * 3


def test_the_spread_is_the_median_and_the_quartiles():
    assert spread([3.0]).model_dump() == {"median": 3, "low": 3, "high": 3}
    assert spread([5.0, 1.0, 4.0, 2.0, 3.0]).model_dump() == {"median": 3, "low": 2, "high": 4}


@pytest.mark.parametrize(
    "config", [SMALL_VIT, ViTMAEConfig(image_size=32, patch_size=8, width=64, depth=2, heads=4, mlp_width=96)]
)
def test_the_flops_of_a_vit_are_those_that_torch_counts(config):
    module = ViTMAE(config)
    hidden = torch.from_numpy(PartitionMasks(groups=4).hidden(config.grid)).flatten(1)
    count, visible = config.grid[0] * config.grid[1], int((~hidden[0]).sum())
    images = torch.zeros(1, 3, config.image_size, config.image_size)
    with FlopCounterMode(display=False) as counter:  # plain products, since gradients are on
        tokens = module.embed(images)
        module.encode(tokens)
        full = counter.get_total_flops()
        module.decode(module.encode(tokens.expand(4, -1, -1), hidden)[-1], hidden)
    embed = flops.linear_flops(count, config.patch_size**2 * 3, config.width)
    assert full == embed + flops.encoder_flops(config, 1, count)
    wanted, every = (flops.decoder_flops(config, 4, visible, every=every) for every in (False, True))
    # torch predicts the class token as well, and throws it away.
    assert counter.get_total_flops() == flops.vit_flops(config, 4, visible) - wanted + every
    assert wanted < every


def test_the_flops_of_an_encoder_alone_are_those_that_torch_counts():
    config = SMALL_VIT.model_copy(update={"decoder_depth": 0, "output": "mean"})
    module = ViTMAE(config)
    with FlopCounterMode(display=False) as counter:
        module.encode(module.embed(torch.zeros(1, 3, config.image_size, config.image_size)))
    assert counter.get_total_flops() == flops.vit_flops(config, 0, 0)


def test_the_shipped_views_are_those_that_are_scored(extractor):
    """Scales without masks, which need no pass but the full one, among them."""
    tokens = SCALES["semantic"].model_copy(update={"masks": None})
    scales = {"semantic": SCALES["semantic"], "tokens": tokens, "fine": SCALES["fine"]}
    backbones = extractor.backbones | {"tokens": extractor.backbones["semantic"]}
    tasks = perf_shipped.tasks_of(FeatureExtractor(backbones, FeatureSpec(scales=scales)), pink(3, 160))
    assert [(task.scale, len(task.hidden)) for task in tasks] == [("semantic", 4), ("tokens", 0), *[("fine", 2)] * 2]
    masked, alone, *_ = tasks
    assert 0 < alone.flops < masked.flops
    model = references.HuggingFaceMAE(references.hub_model(SMALL_VIT))
    pixels = references.normalised(alone.view, SMALL_VIT, 1)
    predictions, tokens = model.run(pixels, alone.hidden)
    assert (predictions, tokens.shape) == ([], (1, 197, SMALL_VIT.width))
    assert len(model.run(pixels, masked.hidden)[0]) == 4


@pytest.mark.parametrize("config", [SMALL_CONV, ConvMAEConfig(width=16, encoder_blocks=2, decoder_blocks=2)])
def test_the_flops_of_a_convolutional_net_are_those_that_torch_counts(config):
    module = ConvMAE(config)
    hidden = torch.from_numpy(LatticeMasks(phases=2).hidden((12, 8)))[:, None]
    with FlopCounterMode(display=False) as counter:
        module(torch.zeros(len(hidden), 3, 12, 8), hidden)
    assert counter.get_total_flops() == flops.conv_flops(config, len(hidden), 12, 8)


def test_the_reference_computes_what_cinemae_does(tmp_path):
    config = ViTMAEConfig(
        image_size=64, width=48, depth=2, heads=4, mlp_width=96,
        decoder_width=32, decoder_depth=2, decoder_heads=4, decoder_mlp_width=64,
    )  # fmt: skip
    peak = Contender(PEAK, lambda: None, flops=1.0)
    group = vit.vit_group("toy", config, precision="f32", threads=1, peak=peak, rounds=1, also=False)
    (note,) = (note for note in group.notes if "levels" in note)
    assert float(re.search(r"by (\S+) of", note)[1]) < 0.01
    assert {vit.NAIVE, vit.AUTOCAST, vit.LATENCY, vit.THROUGHPUT} < {entry.name for entry in group.entries}
    assert references.CLIP["num_hidden_layers"] == 24


def test_a_process_is_measured_without_its_parent():
    ballast = b"x" * 400_000_000  # written, so that it is in memory
    seconds, peak = processes.run_process([sys.executable, "-c", "b'x' * 50_000_000"])
    assert len(ballast) > 0
    assert seconds > 0
    assert 50 < peak < 200
    with pytest.raises(RuntimeError, match="failed"):
        processes.run_process([sys.executable, "-c", "raise SystemExit(3)"])


def report_of(speed: float, cold: float, growth: float) -> Report:
    def entry(name: str, ratio: float) -> Entry:
        one = spread([ratio])
        return Entry(
            name=name, images=1, flops=None, seconds=[1 / ratio], seconds_per_image=spread([1 / ratio]), ratio=one
        )

    naive = [entry(vit.NAIVE, 1), entry(vit.LATENCY, speed), entry(vit.THROUGHPUT, speed)]
    starts = [entry(processes.IMPORTS, 1), entry(processes.COLD, 1 / cold)]
    return Report(
        machine=Machine(cpu="toy", flags=[], cores=1, memory_gb=1, system="Toy", load=0, versions={"python": "3"}),
        precision="f32",
        rounds=1,
        quick=True,
        groups=[
            Group(name="vit-small", title="toy", baseline=vit.NAIVE, entries=naive),
            Group(name="cold-start", title="toy", baseline=processes.IMPORTS, entries=starts),
        ],
        memory=[MemoryPoint(images=3, peak_mb=100, seconds=1), MemoryPoint(images=12, peak_mb=100 * growth, seconds=4)],
    )


@pytest.mark.parametrize(
    ("speed", "cold", "growth", "broken"),
    [
        (0.8, 1.4, 1.4, []),
        (0.6, 1.4, 1.4, ["one image", "throughput"]),
        (0.8, 1.6, 1.4, ["cold start"]),
        (0.8, 1.4, 1.6, ["memory"]),
    ],
)
def test_only_absurd_regressions_are_reported(speed, cold, growth, broken):
    judged = acceptance.regressions(report_of(speed, cold, growth))
    assert len(judged) == 4
    names = [target.name for target in judged if not target.met]
    assert len(names) == len(broken)
    assert all(word in name for word, name in zip(broken, names, strict=True))


def test_the_tables_take_their_place_in_the_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- performance:start -->\nstale\n<!-- performance:end -->\nafter\n")
    tables = markdown.to_markdown(report_of(2, 0.5, 1))
    for _ in range(2):
        write_docs(page, performance=tables)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "stale" not in text
    assert text.count(tables.strip()) == 1
    page.write_text("no marks")
    with pytest.raises(ValueError, match="performance:start"):
        write_docs(page, performance=tables)


def test_the_quick_benchmark_runs_and_finds_nothing_absurd(tmp_path):
    what = ["vit-small", "cold-start", "memory", "size"]  # CI runs all of it by itself
    command = [sys.executable, "-m", "benchmarks.perf", "--quick", "--rounds", "2", "--memory", "8", "24"]
    command += ["--out", str(tmp_path), "--only", *what]
    done = subprocess.run(command, cwd=BENCHMARKS.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    report = Report.model_validate_json((tmp_path / "performance.json").read_text())
    assert [group.name for group in report.groups] == what[:2]
    assert [point.images for point in report.memory] == [8, 24]
    assert report.sizes[0].megabytes > 100
    assert (tmp_path / "performance.md").read_text() == markdown.to_markdown(report)
    assert (tmp_path / "performance.png").stat().st_size > 1000
