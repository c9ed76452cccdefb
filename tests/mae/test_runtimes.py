"""What every runtime must do, asked of each of them: parity, determinism, and hidden means hidden."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cinemae.mae.config import ConvMAEConfig, ViTMAEConfig
from cinemae.mae.conv import ConvMAE, condition_on_colour
from cinemae.mae.frozen import FrozenMAE
from cinemae.mae.huggingface import load_huggingface
from cinemae.mae.modules import to_frozen, to_module
from cinemae.mae.openvino_runtime import OpenVINORuntime
from cinemae.mae.runtime import Runtime, ViewOutput
from cinemae.mae.torch_runtime import TorchRuntime
from cinemae.masks import BlockMasks, LatticeMasks, PartitionMasks, RandomMasks
from cinemae.masks.schemes import MaskScheme
from cinemae.verdict import Precision
from references import SMALL, Reference, fill, set_waves
from toys import pink

SIDE, PATCH, GRID = 32, 4, (8, 8)
TOLERANCE = 1e-4  # in units of normalised pixels
SPREAD = 0.2  # of the weights: activations so wide that every non-linearity shows
VIT_MASKS: dict[str, MaskScheme] = {
    "partition": PartitionMasks(groups=4),
    "two rounds of an eighth": PartitionMasks(groups=8, rounds=2),
    "random": RandomMasks(ratio=0.75, passes=3),
    "random, few hidden": RandomMasks(ratio=0.3, passes=2),
    "block": BlockMasks(size=4),
    "small block": BlockMasks(size=2),
}
CONV_SIZES = [(16, 16), (24, 40), (2, 2), (64, 6)]
KINDS = ["raw", "patch_norm", "logistic"]


@dataclass(frozen=True)
class Case:
    """A ViT-MAE and the network it was made from."""

    mae: FrozenMAE
    reference: Reference

    @property
    def config(self) -> ViTMAEConfig:
        assert isinstance(self.mae.config, ViTMAEConfig)
        return self.mae.config


@pytest.fixture(scope="module")
def cases(make_reference: Callable[..., Reference]) -> dict[str, Case]:
    """The three kinds of output; transformers has no logistic one, its decoder's last layer is doubled for it."""
    found = {}
    for number, kind in enumerate(("raw", "patch_norm")):
        reference = make_reference(seed=number, spread=SPREAD, **SMALL, norm_pix_loss=kind == "patch_norm")
        found[kind] = Case(load_huggingface(reference.folder)[0], reference)
    raw = found["raw"]
    model = copy.deepcopy(raw.reference.model)
    model.decoder.decoder_pred = nn.Linear(SMALL["decoder_hidden_size"], 2 * raw.config.outputs).requires_grad_(False)
    fill(model.decoder.decoder_pred, 7)
    last = {f"decoder_pred.{name}": tensor.numpy() for name, tensor in model.decoder.decoder_pred.named_parameters()}
    config = raw.config.model_copy(update={"output": "logistic"})
    mae = FrozenMAE.of(config, raw.mae.tensors | last, "logistic")
    found["logistic"] = Case(mae, Reference(model, raw.reference.folder))
    return found


@pytest.fixture(scope="module")
def conv() -> FrozenMAE:
    module = ConvMAE(ConvMAEConfig(width=8, encoder_blocks=2, decoder_blocks=1))
    set_waves(module)
    return to_frozen(module)


@pytest.fixture(params=["vit", "conv"])
def any_mae(request: pytest.FixtureRequest, cases: dict[str, Case], conv: FrozenMAE) -> FrozenMAE:
    return cases["logistic"].mae if request.param == "vit" else conv


def views(count: int, side: int = SIDE) -> list[np.ndarray]:
    return [pink(500 + number, side) for number in range(count)]


def masks_for(mae: FrozenMAE, seed: int = 0) -> np.ndarray:
    if isinstance(mae.config, ViTMAEConfig):
        return PartitionMasks(groups=4).hidden(GRID, seed)
    return LatticeMasks(phases=2).hidden((SIDE, SIDE), seed)


def over_pixels(hidden: np.ndarray, patch: int = PATCH) -> np.ndarray:
    return hidden.repeat(patch, 1).repeat(patch, 2)


def bits(out: ViewOutput) -> bytes:
    assert out.passes.scale is not None
    return b"".join(part.tobytes() for part in (out.passes.mean, out.passes.scale, *out.encoder.values()))


def run(runtime: Runtime, view: np.ndarray) -> bytes:
    return bits(runtime.view(view, masks_for(runtime.mae)))


def normalised(view: np.ndarray, config: ViTMAEConfig) -> torch.Tensor:
    images = (view / 255 - np.array(config.pixel_mean)) / np.array(config.pixel_std)
    return torch.from_numpy(images.transpose(2, 0, 1)[None].astype(np.float32))


def expected_vit(case: Case, view: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Mean and scale in units of normalised pixels as transformers computes them, (passes, side, side, 3)."""
    model, images = case.reference.model, normalised(view, case.config)
    flat = torch.from_numpy(hidden).flatten(1)
    logits = case.reference.decode(images.expand(len(flat), -1, -1, -1), flat)
    scale = None
    if case.config.output == "logistic":
        logits, log_scale = logits.chunk(2, dim=-1)
        scale = model.unpatchify(log_scale.exp()).permute(0, 2, 3, 1).numpy()
    if case.config.target == "patch_norm":
        truth = model.patchify(images)
        logits = logits * (truth.var(-1, keepdim=True) + 1e-6).sqrt() + truth.mean(-1, keepdim=True)
    return model.unpatchify(logits).permute(0, 2, 3, 1).numpy(), scale


def assert_near(found: np.ndarray, wanted: np.ndarray, tolerance: float = TOLERANCE) -> None:
    assert wanted.std() > 0.05, "a comparison of constants would prove nothing"
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


class RuntimeSuite(ABC):
    """The tests; a subclass for each runtime inherits them all."""

    @abstractmethod
    def make(self, mae: FrozenMAE, precision: Precision = "f32") -> Runtime:
        """Return the runtime that is tested."""

    @pytest.mark.parametrize("masks", VIT_MASKS.values(), ids=VIT_MASKS.keys())
    @pytest.mark.parametrize("kind", KINDS)
    def test_vit_predictions_are_those_of_transformers(
        self, cases: dict[str, Case], kind: str, masks: MaskScheme
    ) -> None:
        case, view = cases[kind], pink(1, SIDE)
        hidden = masks.hidden(GRID, 5)
        out = self.make(case.mae).view(view, hidden).passes
        mean, scale = expected_vit(case, view, hidden)
        covered = over_pixels(hidden)
        colours, widths = np.array(case.config.pixel_mean), np.array(case.config.pixel_std)
        assert out.mean.dtype == np.float32
        assert_near(((out.mean / 255 - colours) / widths)[covered], mean[covered])
        assert not out.mean[~covered].any()
        if scale is None:
            assert out.scale is None
        else:
            assert_near((out.scale / 255 / widths)[covered], scale[covered])
            assert not out.scale[~covered].any()

    @pytest.mark.parametrize("layers", [(), (1,), (1, 3), (1, 2, 3)])
    def test_vit_features_are_pooled_blocks_with_nothing_hidden(
        self, cases: dict[str, Case], layers: tuple[int, ...]
    ) -> None:
        case, view = cases["raw"], pink(2, SIDE)
        shown = [tokens[0].double().numpy() for tokens in case.reference.show(normalised(view, case.config))]
        wanted = {}
        for name, tokens in zip((*layers, "last"), [*(shown[layer - 1] for layer in layers), shown[-1]], strict=True):
            wanted |= {f"{name}.cls": tokens[0], f"{name}.mean": tokens[1:].mean(0), f"{name}.std": tokens[1:].std(0)}
        runtime = self.make(case.mae)
        for seed in range(2):  # the masks must not matter
            found = runtime.view(view, masks_for(case.mae, seed), layers).encoder
            assert list(found) == list(wanted)
            for name, values in wanted.items():
                assert found[name].shape == (SMALL["hidden_size"],)
                assert_near(found[name], values)

    @pytest.mark.parametrize("phases", [2, 4])
    @pytest.mark.parametrize("size", CONV_SIZES)
    @torch.inference_mode()
    def test_conv_predictions_are_those_of_the_module(
        self, conv: FrozenMAE, size: tuple[int, int], phases: int
    ) -> None:
        view = np.ascontiguousarray(pink(3, 64)[: size[0], : size[1]])
        hidden = LatticeMasks(phases=phases).hidden(size, 5)
        out = self.make(conv).view(view, hidden)
        module = to_module(conv)
        images = torch.from_numpy(view).permute(2, 0, 1)[None] / 127.5 - 1
        masks, shared = torch.from_numpy(hidden)[:, None], images.expand(phases, -1, -1, -1)
        mean, log_scale = condition_on_colour(module(shared, masks), images)
        assert out.passes.mean.dtype == np.float32
        assert_near(out.passes.mean / 127.5 - 1, mean.permute(0, 2, 3, 1).numpy())
        np.testing.assert_allclose(
            out.passes.scale / 127.5, log_scale.exp().permute(0, 2, 3, 1), rtol=TOLERANCE, atol=TOLERANCE
        )
        blocks = [block.double().numpy() for block in module.encode(shared, masks)]
        assert list(out.encoder) == [f"{number}.{part}" for number in range(3) for part in ("mean", "std")]
        for number, block in enumerate(blocks):
            np.testing.assert_allclose(out.encoder[f"{number}.mean"], block.mean((0, 2, 3)), atol=TOLERANCE)
            # E[x^2] - E[x]^2 loses half the digits of a spread near zero.
            np.testing.assert_allclose(out.encoder[f"{number}.std"], block.std((0, 2, 3)), atol=1e-3)

    def test_twice_gives_the_same_bits_whatever_came_between(self, any_mae: FrozenMAE) -> None:
        runtime = self.make(any_mae)
        first, *others = views(4)
        wanted = run(runtime, first)
        for other in others:
            assert run(runtime, other) != wanted
            assert run(runtime, first) == wanted

    def test_outputs_are_not_overwritten_by_the_next_view(self, any_mae: FrozenMAE) -> None:
        runtime = self.make(any_mae)
        first, second = views(2)
        out = runtime.view(first, masks_for(any_mae))
        before = bits(out)
        runtime.view(second, masks_for(any_mae))
        assert bits(out) == before

    def test_a_new_instance_gives_the_same_bits(self, any_mae: FrozenMAE) -> None:
        (view,) = views(1)
        again = FrozenMAE(any_mae.config, {name: tensor.copy() for name, tensor in any_mae.tensors.items()})
        assert run(self.make(again), view) == run(self.make(any_mae), view)

    def test_threads_at_the_same_time_get_the_same_bits(self, any_mae: FrozenMAE) -> None:
        pictures = views(6)
        alone = self.make(any_mae)
        wanted = [run(alone, view) for view in pictures]
        together = self.make(any_mae)  # nothing is compiled yet: the first calls meet there too
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda view: run(together, view), pictures * 5))
        assert found == wanted * 5

    @pytest.mark.parametrize("kind", ["raw", "logistic"])
    @pytest.mark.parametrize("masks", VIT_MASKS.values(), ids=VIT_MASKS.keys())
    def test_a_vit_never_sees_what_a_pass_hides(self, cases: dict[str, Case], kind: str, masks: MaskScheme) -> None:
        runtime, hidden = self.make(cases[kind].mae), masks.hidden(GRID, 1)
        view, other = pink(4, SIDE), np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        plain = runtime.view(view, hidden)
        for number, covered in enumerate(over_pixels(hidden)[..., None]):
            painted = runtime.view(np.where(covered, other, view), hidden)
            assert np.array_equal(painted.passes.mean[number], plain.passes.mean[number])
            if kind == "logistic":
                assert np.array_equal(painted.passes.scale[number], plain.passes.scale[number])
            assert not np.array_equal(painted.encoder["last.mean"], plain.encoder["last.mean"])
            shown = runtime.view(np.where(covered, view, other), hidden)
            assert not np.array_equal(shown.passes.mean[number], plain.passes.mean[number])

    def test_per_patch_targets_know_only_a_hidden_patchs_moments(self, cases: dict[str, Case]) -> None:
        runtime, hidden = self.make(cases["patch_norm"].mae), masks_for(cases["patch_norm"].mae)
        view = pink(5, SIDE)
        cut = view.reshape(GRID[0], PATCH, GRID[1], PATCH, 3)
        mirrored = cut[:, ::-1, :, ::-1].reshape(view.shape)
        plain = runtime.view(view, hidden).passes.mean
        for number, covered in enumerate(over_pixels(hidden)[..., None]):
            found = runtime.view(np.where(covered, mirrored, view), hidden).passes.mean
            np.testing.assert_allclose(found[number], plain[number], atol=1e-2)  # levels
            others = [other for other in range(len(hidden)) if other != number]
            assert np.abs(found[others] - plain[others]).max() > 1

    @pytest.mark.parametrize("phases", [2, 4])
    def test_a_conv_net_sees_of_a_hidden_pixel_only_its_earlier_colours(self, conv: FrozenMAE, phases: int) -> None:
        runtime, hidden = self.make(conv), LatticeMasks(phases=phases).hidden((SIDE, SIDE), 1)
        view, other = pink(6, SIDE), np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        plain = runtime.view(view, hidden).passes
        for number, covered in enumerate(hidden):
            for colour in range(3):
                painted = view.copy()
                painted[covered, colour] = other[covered, colour]
                found = runtime.view(painted, hidden).passes
                assert np.array_equal(found.scale[number], plain.scale[number])
                moved = found.mean[number] != plain.mean[number]
                assert not moved[~covered].any()
                assert moved[covered].any(axis=0).tolist() == [later > colour for later in range(3)]
            shown = runtime.view(np.where(covered[..., None], view, other), hidden).passes
            assert (shown.mean[number] != plain.mean[number])[covered].mean() > 0.9

    @pytest.mark.parametrize("shape", [(32, 28), (64, 64), (16, 32)])
    def test_a_vit_refuses_views_of_another_size(self, cases: dict[str, Case], shape: tuple[int, int]) -> None:
        runtime, hidden = self.make(cases["raw"].mae), masks_for(cases["raw"].mae)
        message = rf"view \({shape[0]}, {shape[1]}\) with masks \(8, 8\) for an MAE of 32x32 pixels and \(8, 8\)"
        with pytest.raises(ValueError, match=message):
            runtime.view(np.zeros((*shape, 3), dtype=np.uint8), hidden)

    def test_a_vit_refuses_masks_of_another_grid_or_unequal_ones(self, cases: dict[str, Case]) -> None:
        runtime, (view,) = self.make(cases["raw"].mae), views(1)
        with pytest.raises(ValueError, match=r"view \(32, 32\) with masks \(4, 16\) for an MAE of.*\(8, 8\) patches"):
            runtime.view(view, masks_for(cases["raw"].mae).reshape(4, 4, 16))
        unequal = masks_for(cases["raw"].mae)
        unequal[1] = ~unequal[1]
        with pytest.raises(ValueError, match="the same number of patches"):
            runtime.view(view, unequal)

    @pytest.mark.parametrize("layers", [(0,), (1, 4), (-1, 2), (12,)])
    def test_a_vit_refuses_layers_it_lacks(self, cases: dict[str, Case], layers: tuple[int, ...]) -> None:
        runtime, (view,) = self.make(cases["raw"].mae), views(1)
        with pytest.raises(ValueError, match=r"this MAE has 3 blocks, layers \(.*\) are asked for"):
            runtime.view(view, masks_for(cases["raw"].mae), layers)

    @pytest.mark.parametrize(("shape", "masks"), [((7, 8), (7, 8)), ((8, 9), (8, 9)), ((8, 8), (4, 4))])
    def test_a_conv_net_refuses_odd_sides_and_other_masks(
        self, conv: FrozenMAE, shape: tuple[int, int], masks: tuple[int, int]
    ) -> None:
        runtime = self.make(conv)
        message = rf"view \({shape[0]}, {shape[1]}\) with masks \({masks[0]}, {masks[1]}\): need equal, even sides"
        with pytest.raises(ValueError, match=message):
            runtime.view(np.zeros((*shape, 3), dtype=np.uint8), LatticeMasks().hidden(masks))

    @pytest.mark.parametrize("precision", ["bf16", "f16"])
    def test_short_floats_stay_near_f32(self, any_mae: FrozenMAE, precision: Precision) -> None:
        exact, short = self.make(any_mae), self.make(any_mae, precision)
        (view,), hidden = views(1), masks_for(any_mae)
        wanted, found = exact.view(view, hidden), short.view(view, hidden)
        assert exact.precision == "f32"
        # A CPU may lack the type; what is reported then is what was computed in.
        assert (bits(found) == bits(wanted)) is (short.precision == "f32")
        bound = {"bf16": 0.02, "f16": 0.003, "f32": 1e-9}[short.precision]
        pairs = [(found.passes.mean, wanted.passes.mean), (found.passes.scale, wanted.passes.scale)]
        pairs += [(found.encoder[name], values) for name, values in wanted.encoder.items()]
        for ours, theirs in pairs:
            assert ours.dtype == np.float32
            assert np.sqrt(np.mean((ours - theirs) ** 2)) < bound * theirs.std()


class TestTorchRuntime(RuntimeSuite):
    """The reference runtime."""

    def make(self, mae: FrozenMAE, precision: Precision = "f32") -> Runtime:
        return TorchRuntime(mae, precision)


class TestOpenVINORuntime(RuntimeSuite):
    """The CPU runtime."""

    def make(self, mae: FrozenMAE, precision: Precision = "f32") -> Runtime:
        return OpenVINORuntime(mae, precision)

    @pytest.mark.parametrize("precision", ["f32", "bf16"])
    def test_jobs_threads_and_company_change_no_bit(self, any_mae: FrozenMAE, precision: Precision) -> None:
        pictures = views(3)
        single = OpenVINORuntime(any_mae, precision, jobs=1, threads=1)
        wanted = [run(single, view) for view in pictures]
        for jobs, threads in ((1, 2), (2, 1), (2, 2), (3, 4)):
            runtime = OpenVINORuntime(any_mae, precision, jobs=jobs, threads=threads)
            with ThreadPoolExecutor(jobs) as pool:
                assert list(pool.map(lambda view, runtime=runtime: run(runtime, view), pictures * 2)) == wanted * 2

    def test_alone_changes_no_bit(self, any_mae: FrozenMAE) -> None:
        (view,), hidden = views(1), masks_for(any_mae)
        runtime = OpenVINORuntime(any_mae, jobs=2, threads=2)
        assert not runtime.large
        runtime.large = True  # only a large MAE is computed otherwise when it is alone
        assert bits(runtime.view(view, hidden, alone=True)) == bits(runtime.view(view, hidden))
        assert len(runtime._compiled) == 2

    def test_a_graph_from_the_cache_gives_the_same_bits(
        self, any_mae: FrozenMAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CINEMAE_CACHE", str(tmp_path))
        (view,) = views(1)
        compiled = run(self.make(any_mae), view)
        (file,) = tmp_path.iterdir()
        written = file.stat().st_mtime_ns
        assert run(self.make(any_mae), view) == compiled
        assert file.stat().st_mtime_ns == written

    def test_one_graph_serves_every_seed(self, any_mae: FrozenMAE) -> None:
        runtime = OpenVINORuntime(any_mae)
        for seed in range(3):
            runtime.view(views(1)[0], masks_for(any_mae, seed))
        assert len(runtime._compiled) == 1
