"""How to install what is missing, in words that work where this cinemae came from."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, distribution

PACKAGES = {
    "huggingface_hub": "huggingface-hub",
    "multipart": "python-multipart",
    "pillow_heif": "pillow-heif",
    "prometheus_client": "prometheus-client",
    "python_multipart": "python-multipart",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""What is installed under another name than it is imported by."""


def package_name(module: str) -> str:
    """Return the name that a module is installed by: ``scikit-learn`` for ``sklearn``."""
    return PACKAGES.get(module.partition(".")[0], module.partition(".")[0])


WITH_TORCH = ("train", "export", "report", "bench", "all")
LARGE = (
    " (about 1.2 GB; on Linux some 4 GB more for CUDA, unless you add --extra-index-url"
    " https://download.pytorch.org/whl/cpu and the constraint torch==2.13.0+cpu)"
)


def install_hint(extra: str) -> str:
    """Return the command that installs an extra: by the published name, or from the checkout that this is from.

    What brings torch is said to be large, before anybody waits for it.
    """
    large = LARGE if extra in WITH_TORCH else ""
    if is_published():
        return f"pip install 'cinemae[{extra}]'{large}"
    return f"pip install '.[{extra}]' in cinemae's checkout{large}"


@cache
def is_published() -> bool:
    """Tell whether this cinemae was installed from an index, by its name; not from a folder, a file or a URL."""
    try:
        return distribution("cinemae").read_text("direct_url.json") is None
    except PackageNotFoundError:  # imported from a checkout that is not installed
        return False
