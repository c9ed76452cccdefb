"""``cinemae fit-noise``: give an MAE that predicts only a mean its noise model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinemae.cli.options import Device
from cinemae.cli.progress import progress_bar

if TYPE_CHECKING:
    from cinemae.likelihood.noise import NoiseModel
    from cinemae.mae.frozen import FrozenMAE


def fit_noise(
    backbone: Annotated[str, typer.Option(help="The MAE: a hub id, a folder or a .pth file.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the converted checkpoint, noise model included.")],
    photos: Annotated[
        Path | None, typer.Argument(help="Folder of real photographs; a few hundred varied ones are enough.")
    ] = None,
    off: Annotated[
        bool, typer.Option("--off", help="Fit nothing: the variance is that of the passes. For ablations.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="Photographs to use at most, spread over the folder.")] = 500,
    device: Device = None,
    seed: Annotated[int, typer.Option(help="Seed of the masks.")] = 0,
) -> None:
    """Convert a checkpoint to cinemae's format with a noise model fitted on photographs."""
    if off == (photos is not None):
        raise typer.BadParameter("give photographs to fit to, or --off", param_hint="PHOTOS")
    import numpy as np

    from cinemae.likelihood.calibrate import require_mean_only
    from cinemae.likelihood.noise import PASSES_ALONE
    from cinemae.mae.checkpoint import save_mae
    from cinemae.mae.load import load_backbone

    loaded = load_backbone(backbone)
    require_mean_only(loaded.mae.config)
    noise, origin = PASSES_ALONE, "no photographs"
    if photos is not None:
        noise, used = _fitted(loaded.mae, photos, limit, device, seed)
        origin = f"{used} photographs"
    record = loaded.record.model_copy(update={"noise": noise, "licence": loaded.licence})
    save_mae(out, loaded.mae, record, dtype=np.float32)
    typer.echo(f"{out}: noise model {noise.coefficients} from {origin}")


def _fitted(mae: FrozenMAE, photos: Path, limit: int, device: str | None, seed: int) -> tuple[NoiseModel, int]:
    """Fit on photographs spread over a folder; return how many could be read, too."""
    import numpy as np

    from cinemae.features.spec import default_scales
    from cinemae.images import ImageError, LoadedImage, load_image
    from cinemae.likelihood.calibrate import fit_noise as fit
    from cinemae.likelihood.noise import NoiseModelError
    from cinemae.mae.select import make_runtime
    from cinemae.pretrain.pack import find_photos

    paths = find_photos(photos)
    paths = [paths[number] for number in np.linspace(0, len(paths) - 1, min(limit, len(paths))).round().astype(int)]
    used = 0

    def decoded(items: Iterable[Path]) -> Iterator[LoadedImage]:
        nonlocal used
        for path in items:
            try:
                photo = load_image(path)
            except ImageError as error:
                typer.echo(f"left out: {error}", err=True)
                continue
            used += 1
            yield photo

    with progress_bar("fitting") as progress:
        stream = decoded(progress(paths, len(paths)))
        try:
            return fit(make_runtime(mae, device, "f32"), stream, default_scales()["semantic"], seed), used
        except NoiseModelError as error:
            raise typer.BadParameter(str(error), param_hint="PHOTOS") from error
