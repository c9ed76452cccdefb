"""Loading: names of MAEs and heads become what a detector is made of."""

from __future__ import annotations

import re
from importlib.util import find_spec
from os import PathLike
from pathlib import Path

from cinemae.extras import install_hint
from cinemae.features.extractor import Backbone, FeatureExtractor
from cinemae.features.spec import FeatureSpec
from cinemae.fusion.head import HeadError
from cinemae.mae.load import load_backbone
from cinemae.mae.select import PrecisionChoice, make_runtime
from cinemae.weights import shipped

SHIPPED_HEADS = {"cinemae": "head"}
"""Folders of the heads that the package ships, by name."""
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)


def build_extractor(
    names: dict[str, str | PathLike[str]],
    spec: FeatureSpec,
    *,
    device: str | None = None,
    precision: PrecisionChoice = "auto",
    jobs: int = 1,
    threads: int | None = None,
) -> FeatureExtractor:
    """Load one MAE a scale and tie them to a spec.

    Raises:
        CheckpointError: If an MAE is missing or does not load.
        DeviceError: If the device can't be used.
    """
    loaded: dict[str, Backbone] = {}
    for scale in spec.scales:
        name = str(names[scale])
        if name not in loaded:  # scales may share an MAE
            found = load_backbone(names[scale])
            loaded[name] = Backbone(make_runtime(found.mae, device, precision, jobs, threads), found.record.noise)
    backbones = {scale: loaded[str(names[scale])] for scale in spec.scales}
    return FeatureExtractor(backbones, spec)


def find_head(model: str | PathLike[str] | None) -> Path:
    """Return the folder of a head: a shipped one, a local one, or a hub download.

    Args:
        model: ``cinemae`` or None for the shipped head, a folder, or a hub id.

    Raises:
        HeadError: If it is neither a folder nor to be had from the hub.
    """
    if model is None or str(model) in SHIPPED_HEADS:
        return shipped(SHIPPED_HEADS[str(model or "cinemae")])
    if Path(model).is_dir():
        return Path(model)
    if not HUB_ID.fullmatch(str(model)):
        raise HeadError(f"{model}: no such folder, and no name on the hub, which would be OWNER/NAME")
    if find_spec("huggingface_hub") is None:
        raise HeadError(f"{model}: no such folder, and the hub needs huggingface-hub: {install_hint('hub')}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(model), allow_patterns=["config.json", "model.safetensors"]))
    except LocalEntryNotFoundError as error:
        raise HeadError(
            f"{model}: no such folder, not in the local cache, and the hub can't be reached; give a local folder"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = " ".join(str(error).split())
        raise HeadError(f"{model}: neither a folder nor a hub repository that can be reached: {reason}") from error
