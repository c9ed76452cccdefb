"""The detector: the same verdict in any company, refusals that stop nobody, no model left to chance."""

import io
import json
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cinemae import Detector, Verdict
from cinemae.features.spec import FeatureSpec, SpecMismatchError, default_scales
from cinemae.fusion.head import FusionHead, HeadError
from cinemae.images import ImageLimits
from cinemae.likelihood.noise import PASSES_ALONE, NoiseModel
from cinemae.loading import build_extractor
from cinemae.mae.checkpoint import CheckpointRecord, save_mae
from cinemae.mae.errors import CheckpointError
from cinemae.mae.modules import to_frozen
from cinemae.mae.select import resolve_precision
from processes import environment
from toys import SCALES, SMALL_VIT, banded, extractor_from, pink, save_small, small_conv, small_vit, upsampled

SAMPLES = Path(__file__).parents[1] / "samples"


@pytest.fixture(scope="module")
def detector(head_folder) -> Detector:
    return Detector.load(head_folder)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    """Ten pictures of different sizes and formats."""
    place = tmp_path_factory.mktemp("pictures")
    paths = []
    for number in range(10):
        pixels = (pink if number % 2 else upsampled)(700 + number, 64 + 24 * number)
        paths.append(place / f"{number}.{('png', 'jpg', 'webp')[number % 3]}")
        Image.fromarray(pixels).save(paths[-1], quality=95)
    return paths


def numbers(verdict: Verdict) -> tuple[object, ...]:
    """All of a verdict that must never move."""
    return tuple(verdict.model_dump(exclude={"seconds"}).values())


@pytest.fixture(scope="module")
def verdicts(detector, files) -> list[Verdict]:
    return list(detector.detect(files))


def test_tells_the_toys_apart(detector):
    said = list(detector.detect([draw(40_000 + n) for n in range(4) for draw in (pink, upsampled)]))
    assert [verdict.probability >= verdict.threshold for verdict in said] == [False, True] * 4
    assert all(
        verdict.verdict in (word, "inconclusive") for verdict, word in zip(said, ["real", "ai"] * 4, strict=True)
    )
    assert all(verdict.error is None for verdict in said)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_batch_size_changes_no_bit(detector, files, verdicts, batch):
    assert [*map(numbers, detector.detect(files, batch_size=batch))] == [*map(numbers, verdicts)]


def test_company_and_order_change_no_bit(detector, files, verdicts):
    assert [*map(numbers, detector.detect(files[::-1]))] == [*map(numbers, verdicts)][::-1]
    assert numbers(detector.detect_one(files[3])) == numbers(verdicts[3])


def test_another_process_says_the_same(head_folder, files, verdicts):
    code = (
        "import sys, torch; torch.set_num_threads(int(sys.argv[1]))\n"
        "from cinemae import Detector\n"
        "for v in Detector.load(sys.argv[2]).detect(sys.argv[3:], batch_size=3): print(v.model_dump_json())"
    )
    command = [sys.executable, "-c", code, str(torch.get_num_threads()), head_folder, *files]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs = [Verdict.model_validate_json(line) for line in ran.stdout.splitlines()]
    assert [*map(numbers, theirs)] == [*map(numbers, verdicts)]


def test_a_bad_file_in_the_middle_stops_nobody(detector, files, verdicts, tmp_path):
    bad = {
        "text.jpg": b"no picture",
        "cut.png": files[0].read_bytes()[:400],
        "empty.png": b"",
    }
    for name, data in bad.items():
        (tmp_path / name).write_bytes(data)
    sources = [
        files[0],
        tmp_path / "text.jpg",
        files[1],
        tmp_path / "cut.png",
        tmp_path / "empty.png",
        tmp_path / "none.png",
        files[2],
    ]
    said = list(detector.detect(sources, batch_size=3))
    assert [verdict.path for verdict in said] == [str(source) for source in sources]
    assert [numbers(said[place]) for place in (0, 2, 6)] == [numbers(verdict) for verdict in verdicts[:3]]
    wrong = [said[place] for place in (1, 3, 4, 5)]
    assert [verdict.error.type for verdict in wrong] == [
        "UnsupportedFormatError",
        "TruncatedImageError",
        "UnreadableFileError",
        "UnreadableFileError",
    ]
    for verdict in wrong:
        assert verdict.path in verdict.error.message
        assert (verdict.verdict, verdict.probability, verdict.bits_per_dim) == (None, None, None)


def test_limits_are_kept(head_folder):
    detector = Detector.load(head_folder, limits=ImageLimits(max_pixels=10_000))
    assert detector.detect_one(pink(1, 101)).error.type == "PixelLimitError"
    assert detector.detect_one(pink(1, 100)).error is None


def test_sources_of_every_kind_agree(detector, files):
    path = files[0]
    data = path.read_bytes()
    with Image.open(path) as image:
        sources = (path, str(path), data, io.BytesIO(data), image, np.array(image.convert("RGB")))
        said = [detector.detect_one(source) for source in sources]
    assert len({verdict.probability for verdict in said}) == 1
    assert detector.detect_one(data, name="mine").path == "mine"


def test_a_verdict_holds_the_facts(detector, files):
    verdict = detector.detect_one(files[1])
    with Image.open(files[1]) as image:
        width, height = image.size
    assert (verdict.width, verdict.height, verdict.format, verdict.file_bytes) == (
        width,
        height,
        "JPEG",
        files[1].stat().st_size,
    )
    assert verdict.model == detector.fingerprint
    assert verdict.threshold == detector.head.config.threshold
    assert (verdict.band, verdict.alpha) == (detector.head.band, detector.head.config.alpha)
    assert (verdict.p_ai, verdict.p_real) == detector.head.p_values(verdict.probability)
    assert verdict.seconds > 0
    scored = detector.score(files[1])
    assert verdict.bits_per_dim == pytest.approx(scored.extraction.likelihoods["semantic"][0].nll.mean(), rel=1e-5)
    assert verdict.probability == detector.head.probabilities(scored.extraction.features[None])[0]


def test_the_seed_is_the_caller_s(detector, files):
    first, again, other = (detector.detect_one(files[4], seed=seed) for seed in (0, 0, 1))
    assert numbers(first) == numbers(again)
    assert first.bits_per_dim != other.bits_per_dim
    assert other.seed == 1


def test_decodes_no_further_ahead_than_the_batch(detector, files):
    handed = []

    def watched():
        for path in files:
            handed.append(path)
            yield path

    before = threading.active_count()  # other tests' servers among them
    stream = detector.detect(watched(), batch_size=3)
    next(stream)
    assert len(handed) <= 4
    stream.close()
    for thread in threading.enumerate():
        if thread.name.startswith("cinemae"):  # what it has begun it finishes
            thread.join(60)
    assert threading.active_count() <= before
    with pytest.raises(ValueError, match="at least 1"):
        next(detector.detect(files, batch_size=0))


def unsure(head: FusionHead) -> FusionHead:
    """The same head, whose probabilities stay away from 0 and 1."""
    return FusionHead(head.config.model_copy(update={"temperature": 1e3, "bias": 0.1}), head.weights)


def test_the_band_makes_verdicts_inconclusive(detector, files):
    mild = unsure(detector.head)
    plain = Detector(detector.extractor, mild).detect_one(files[0])
    found = Detector(detector.extractor, banded(mild, 0.01, 0.99)).detect_one(files[0])
    assert 0.01 < plain.probability < 0.99
    assert (found.verdict, found.probability) == ("inconclusive", plain.probability)
    assert found.band == pytest.approx((0.01, 0.99))
    assert (found.p_ai, found.p_real) == (1, 1)


def test_alpha_replaces_the_head_s_own(head, head_folder, files):
    """The smaller it is, the more is left undecided; what is seen of the image stays."""
    detectors = [Detector.load(head_folder, alpha=alpha) for alpha in (0.25, 0.4, 0.7)]
    for detector in detectors:
        found = detector.detect_one(files[0])
        assert (found.alpha, found.band) == (detector.alpha, head.band_at(detector.alpha))
        assert found.verdict == head.decide(found.probability, alpha=detector.alpha)
    sets = [[p > detector.alpha for p in (found.p_ai, found.p_real)] for detector in detectors]
    assert sorted(map(sum, sets), reverse=True) == list(map(sum, sets))
    assert detectors[0].with_rounds(2).decision == detectors[0].decision


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"alpha": 0.0}, "alpha must lie between 0 and 1"),
        (
            {"alpha": 0.001},
            r"needs 999 AI-generated images to calibrate on, there are \d+: the smallest possible is 0.\d+",
        ),
        ({"alpha": 0.4, "threshold": 0.5}, "not both"),
    ],
)
def test_an_alpha_that_cannot_be_kept_is_refused(head_folder, asked, message):
    with pytest.raises(HeadError, match=message):
        Detector.load(head_folder, **asked)


def test_threshold_replaces_the_head_s_and_its_band(head, files, tmp_path):
    unsure(head).save(tmp_path)
    probability = Detector.load(tmp_path).detect_one(files[0]).probability
    above, below = (Detector.load(tmp_path, threshold=probability + d) for d in (1e-6, -1e-6))
    said = above.detect_one(files[0]), below.detect_one(files[0])
    assert [verdict.verdict for verdict in said] == ["real", "ai"]
    assert said[0].threshold == above.threshold
    assert said[0].band == (above.threshold, above.threshold)
    assert said[0].alpha is None
    assert said[0].p_ai > 0


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.5, 2, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(head_folder, threshold):
    with pytest.raises(HeadError, match="between 0 and 1"):
        Detector.load(head_folder, threshold=threshold)


def test_a_head_of_another_mae_is_refused(head_folder, tmp_path):
    other = save_small(tmp_path / "other", small_vit(seed=9))
    with pytest.raises(HeadError, match=r"for the semantic scale.*cinemae train --backbone"):
        Detector.load(head_folder, backbone=other)


def test_a_head_of_another_noise_model_is_refused(head, tmp_path):
    """Its features would be others, though the MAE is the same."""
    mean = small_vit(0, SMALL_VIT.model_copy(update={"output": "mean"}))
    spec = FeatureSpec(scales={"semantic": SCALES["semantic"]})
    mine, changed = (
        extractor_from({"semantic": save_small(tmp_path / name, mean, noise)}, spec)
        for name, noise in (("mine", NoiseModel(coefficients=(6.0, 0.2, 0.2))), ("changed", PASSES_ALONE))
    )
    weights = head.weights | {name: np.zeros(len(mine.spec.names)) for name in ("center", "spread")}
    for part in head.config.parts:
        weights |= {f"{part}.index": np.zeros(len(head.weights[f"{part}.index"]), dtype=np.int64)}
    trained = FusionHead(head.config.model_copy(update={"spec": mine.spec, "backbones": mine.fingerprints}), weights)
    assert Detector(mine, trained).head is trained
    with pytest.raises(HeadError, match="another noise model for the semantic scale"):
        Detector(changed, trained)


def test_an_mae_that_was_replaced_in_its_folder_is_refused(head, mae_folders, tmp_path):
    shutil.copytree(mae_folders["fine"], tmp_path / "fine")
    names = mae_folders | {"fine": str(tmp_path / "fine")}
    FusionHead(head.config.model_copy(update={"backbone_names": names}), head.weights).save(tmp_path / "head")
    assert Detector.load(tmp_path / "head").head is not None
    save_small(tmp_path / "fine", small_conv(seed=9))
    with pytest.raises(HeadError, match="for the fine scale"):
        Detector.load(tmp_path / "head")


def test_a_head_of_another_spec_is_refused(head, mae_folders):
    scales = SCALES | {"fine": SCALES["fine"].model_copy(update={"crops": 1})}
    other = extractor_from(mae_folders, FeatureSpec(scales=scales))
    with pytest.raises(SpecMismatchError, match="scales"):
        Detector(other, head)


def test_a_head_of_another_version_of_the_features_is_refused(head, tmp_path):
    spec = head.config.spec
    renamed = (*spec.names[:5], "semantic.likelihood.gone", *spec.names[6:])
    for update in ({"version": spec.version + 1}, {"names": renamed}):
        old = FusionHead(head.config.model_copy(update={"spec": spec.model_copy(update=update)}), head.weights)
        old.save(tmp_path / "old")
        with pytest.raises(SpecMismatchError, match=r"version|number 5 on"):
            Detector.load(tmp_path / "old")


@pytest.fixture
def unshipped(monkeypatch, mae_folders, tmp_path):
    """A package whose weights are the small MAEs, and which ships no head."""
    weights = tmp_path / "weights"
    shutil.copytree(mae_folders["semantic"], weights / "vit-tiny")
    deep = to_frozen(small_vit(3, SMALL_VIT.model_copy(update={"depth": 12}))).encoder
    save_mae(weights / "vit-base", deep, CheckpointRecord(architecture=deep.config))
    for module in ("cinemae.loading", "cinemae.mae.load"):
        monkeypatch.setattr(f"{module}.shipped", lambda name: weights / name)
    return weights


def test_a_backbone_without_a_head_scores_the_likelihood_only(unshipped, files, tmp_path):
    detector = Detector.load(backbone=save_small(tmp_path / "own", small_vit(seed=9)))
    assert detector.head is None
    assert dict(detector.extractor.spec.scales) == default_scales()
    verdict = detector.detect_one(files[0])
    assert (verdict.probability, verdict.threshold, verdict.band) == (None, None, None)
    assert (verdict.alpha, verdict.p_ai, verdict.p_real) == (None, None, None)
    assert verdict.verdict == "inconclusive"
    assert verdict.bits_per_dim > 0
    assert detector.extractor.fingerprints["resized"] == detector.extractor.fingerprints["native"]
    assert "no head for this backbone" in verdict.notes[-1]
    assert verdict.model.startswith("no-head-")
    with pytest.raises(HeadError, match="no head to save"):
        detector.save_pretrained(tmp_path / "out")


def test_missing_weights_are_errors_and_never_random_ones(unshipped, head, head_folder, tmp_path):
    with pytest.raises(HeadError, match=r"head.*config.json is missing"):
        Detector.load()
    head.save(unshipped / "head")
    assert Detector.load().detect_one(pink(1)).error is None
    assert Detector.load(backbone="cinemae/vit-tiny").head is not None  # the shipped head's own backbone
    (unshipped / "vit-tiny" / "model.safetensors").rename(tmp_path / "aside")
    with pytest.raises(CheckpointError, match=r"vit-tiny"):
        Detector.load(backbone="cinemae/vit-tiny")
    (unshipped / "head" / "model.safetensors").unlink()
    with pytest.raises(HeadError, match=r"model.safetensors is missing"):
        Detector.load()
    nowhere = head.config.model_copy(
        update={"backbone_names": {"semantic": str(tmp_path / "no"), "fine": str(tmp_path / "no")}}
    )
    FusionHead(nowhere, head.weights).save(tmp_path / "lost")
    with pytest.raises(CheckpointError, match="no"):
        Detector.load(tmp_path / "lost")


def test_a_model_that_cannot_be_found_is_named(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HeadError, match=r"^nobody/nothing: no such folder, .* the hub can't be reached"):
        Detector.load("nobody/nothing")
    with pytest.raises(HeadError, match=r"^no/such/folder: no such folder, and no name on the hub"):
        Detector.load("no/such/folder")


def test_accurate_uses_four_rounds_and_moves_less_with_the_seed(head_folder, files):
    plain, accurate = Detector.load(head_folder), Detector.load(head_folder, accurate=True)
    assert accurate.extractor.spec.scales["semantic"].masks.rounds == 4
    assert accurate.extractor.spec.scales["fine"] == plain.extractor.spec.scales["fine"]
    assert accurate.extractor.spec.names == plain.extractor.spec.names
    assert accurate.head is not None

    def spread(detector: Detector) -> float:
        return float(np.std([detector.detect_one(files[5], seed=seed).bits_per_dim for seed in range(8)]))

    assert 0 < spread(accurate) < 0.8 * spread(plain)
    assert plain.extractor.spec.scales["semantic"].masks.rounds == 1


def test_accurate_keeps_limits_and_threshold(head_folder):
    detector = Detector.load(head_folder, accurate=True, threshold=0.3, limits=ImageLimits(min_side=50))
    assert detector.threshold == 0.3
    assert detector.detect_one(pink(1, 40)).error.type == "TooSmallError"


def test_saved_and_loaded_says_the_same(detector, files, tmp_path):
    detector.save_pretrained(tmp_path / "saved")
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == ["config.json", "model.safetensors"]
    back = Detector.load(tmp_path / "saved")
    assert back.fingerprint == detector.fingerprint
    assert numbers(back.detect_one(files[2])) == numbers(detector.detect_one(files[2]))


def test_push_to_hub_uploads_what_load_reads(detector, monkeypatch, tmp_path):
    calls = []

    class Recorder:
        def __init__(self, token=None):
            calls.append(("token", token))

        def create_repo(self, repo_id, **options):
            calls.append(("create", repo_id, options))

        def upload_folder(self, *, repo_id, folder_path, **options):
            shutil.copytree(folder_path, tmp_path / "hub")
            calls.append(("upload", repo_id))
            return type("Commit", (), {"commit_url": "https://hub/commit/1"})()

    monkeypatch.setattr("huggingface_hub.HfApi", Recorder)
    assert detector.push_to_hub("me/head", private=True, token="t") == "https://hub/commit/1"
    assert calls == [("token", "t"), ("create", "me/head", {"private": True, "exist_ok": True}), ("upload", "me/head")]
    assert json.loads((tmp_path / "hub" / "config.json").read_text())["model_type"] == "cinemae-head"
    assert Detector.load(tmp_path / "hub").fingerprint == detector.fingerprint


def test_fingerprint_changes_with_head_and_maes(detector, extractor, mae_folders, tmp_path):
    config = detector.head.config
    other = FusionHead(config.model_copy(update={"threshold": 0.6}), detector.head.weights)
    names = mae_folders | {"fine": save_small(tmp_path / "fine", small_conv(seed=9))}
    prints = {
        detector.fingerprint,
        Detector(extractor, other).fingerprint,
        Detector(extractor, None).fingerprint,
        Detector(extractor_from(names, FeatureSpec(scales=SCALES)), None).fingerprint,
    }
    assert len(prints) == 4


def test_a_scale_of_one_s_own(mae_folders, files):
    """A spec needs no scale of a certain name: what it has not measured is not said."""
    spec = FeatureSpec(scales={"semantic": SCALES["semantic"]})
    verdict = Detector(build_extractor(dict(mae_folders), spec), None).detect_one(files[0])
    assert verdict.bits_per_dim > 0
    with pytest.raises(ValueError, match="rounds are a setting of partition masks"):
        Detector(build_extractor(dict(mae_folders), FeatureSpec(scales={"fine": SCALES["fine"]})), None).with_rounds(4)


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_the_number_of_jobs_changes_no_bit(head_folder, files, verdicts, jobs):
    detector = Detector.load(head_folder, jobs=jobs)
    assert [*map(numbers, detector.detect(files))] == [*map(numbers, verdicts)]
    assert [numbers(detector.detect_one(file)) for file in files[:3]] == [*map(numbers, verdicts[:3])]


def test_many_threads_may_use_one_detector(detector, files, verdicts):
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(detector.detect_one, files))
    assert [*map(numbers, said)] == [*map(numbers, verdicts)]


def test_precision_is_recorded_and_stays_near_f32(head_folder, files):
    exact, automatic = (Detector.load(head_folder, precision=kind) for kind in ("f32", "auto"))
    assert exact.detect_one(files[0]).precision == "f32"
    assert automatic.detect_one(files[0]).precision == resolve_precision("auto")
    for file in files:
        near = automatic.detect_one(file).bits_per_dim - exact.detect_one(file).bits_per_dim
        assert abs(near) < 0.01


def test_the_shipped_head_keeps_its_logits_at_the_automatic_precision():
    """A sixth of a logit, 0.04 of a probability; ``benchmarks/precision.py`` measures it on a whole bench."""
    samples = [path for path in sorted(SAMPLES.iterdir()) if path.suffix != ".md"]
    exact, automatic = (Detector.load(precision=kind) for kind in ("f32", "auto"))
    for path in samples:
        features = [found.score(path).extraction.features[None] for found in (exact, automatic)]
        logits = [float(exact.head.logits(vector)[0]) for vector in features]
        assert abs(logits[0] - logits[1]) < 1 / 6, path.name


def test_large_jpegs_are_decoded_smaller_only_if_no_view_is_native(extractor, mae_folders, tmp_path):
    Image.fromarray(pink(5, 1400)).save(tmp_path / "large.jpg", quality=95)
    assert extractor.reduce_to is None
    resized = extractor_from(mae_folders, FeatureSpec(scales={"semantic": SCALES["semantic"]}))
    assert resized.reduce_to == 256
    scored = Detector(resized, None).score(tmp_path / "large.jpg")
    assert scored.image.pixels.shape[:2] == (700, 700)
    assert (scored.verdict.width, scored.verdict.height) == (1400, 1400)
    whole = resized.extract(np.asarray(Image.open(tmp_path / "large.jpg")))
    assert scored.verdict.bits_per_dim == pytest.approx(whole.bits_per_dim("semantic"), abs=0.02)


def test_programs_that_start_together_share_a_cache(head_folder, files, verdicts, tmp_path):
    code = (
        "import sys\nfrom cinemae import Detector\n"
        "print(Detector.load(sys.argv[1]).detect_one(sys.argv[2]).model_dump_json())"
    )
    command = [sys.executable, "-c", code, str(head_folder), str(files[0])]
    surroundings = environment(CINEMAE_CACHE=str(tmp_path / "cache"))
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=surroundings) for _ in range(4)]
    said = [Verdict.model_validate_json(process.communicate(timeout=600)[0]) for process in started]
    assert [*map(numbers, said)] == [numbers(verdicts[0])] * 4
    kept = [path.suffix for path in (tmp_path / "cache").iterdir()]
    assert set(kept) == {".blob"}
