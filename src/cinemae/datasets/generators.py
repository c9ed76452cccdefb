"""What published sets call their generators, and what cinemae calls them."""

from __future__ import annotations

import re
from collections.abc import Mapping

GENERATORS: Mapping[str, str] = {
    # GenImage, https://github.com/GenImage-Dataset/GenImage: the folders of its README ("Stable Diffusion V1.4"), those
    # of its archives, and what the archives unpack to. The latter two as in GenImage_LIST of
    # https://github.com/beibuwandeluori/DRCT, data/dataset.py (commit 364012a).
    "midjourney": "midjourney",
    "imagenet_midjourney": "midjourney",
    "stable_diffusion_v_1_4": "stable_diffusion_v_1_4",
    "stable_diffusion_v1_4": "stable_diffusion_v_1_4",
    "imagenet_ai_0419_sdv4": "stable_diffusion_v_1_4",
    "stable_diffusion_v_1_5": "stable_diffusion_v_1_5",
    "stable_diffusion_v1_5": "stable_diffusion_v_1_5",
    "imagenet_ai_0424_sdv5": "stable_diffusion_v_1_5",
    "adm": "adm",
    "imagenet_ai_0508_adm": "adm",
    "glide": "glide",
    "imagenet_glide": "glide",
    "wukong": "wukong",
    "imagenet_ai_0424_wukong": "wukong",
    "vqdm": "vqdm",
    "imagenet_ai_0419_vqdm": "vqdm",
    "biggan": "biggan",
    "imagenet_ai_0419_biggan": "biggan",
    # AIGCDetectBenchmark, https://github.com/Ekko-zn/AIGCDetectBenchmark, eval_config.py (commit 0c775e2): `vals`,
    # beside those above.
    "progan": "progan",
    "stylegan": "stylegan",
    "stylegan2": "stylegan2",
    "cyclegan": "cyclegan",
    "stargan": "stargan",
    "gaugan": "gaugan",
    "whichfaceisreal": "whichfaceisreal",
    "dalle2": "dalle_2",
    # ForenSynths, https://github.com/PeterWang512/CNNDetection, eval_config.py: `vals`, beside those above.
    "crn": "crn",
    "imle": "imle",
    "seeingdark": "seeingdark",
    "san": "san",
    "deepfake": "deepfake",
}
"""A folder's name in lower case, spaces and dots as ``_`` -> cinemae's name of the generator."""

# fmt: off
PROGAN_OBJECTS: frozenset[str] = frozenset((
    "airplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog", "horse",
    "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
))
# fmt: on
"""The 20 folders of ForenSynths' training and validation images, all ProGAN's: --classes in the README of
https://github.com/PeterWang512/CNNDetection. One of them is called ``train``."""


def known_generator(folder: str) -> str | None:
    """Return what cinemae calls the generator of a published folder; None if it is not one."""
    return GENERATORS.get(re.sub(r"[\s.]+", "_", folder.strip().lower()))


def generator_name(folder: str) -> str:
    """Return what cinemae calls a generator: its own name for a published folder, any other as it is."""
    return known_generator(folder) or folder
