"""The linear probe: a frozen encoder's pooled features and a logistic regression.

The obligatory baseline: a linear classifier on the frozen features of a modern vision foundation model beats most
specialised detectors on pictures from the wild (Zhou et al.: Simplicity Prevails: The Emergence of
Generalizable AIGI Detection in Visual Foundation Models, 2026, arXiv 2602.01738).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cinemae.baselines.base import short_hash
from cinemae.baselines.encoders import Checkpoint, find_checkpoint, open_encoder
from cinemae.baselines.encoders.open import Pool
from cinemae.baselines.logistic import LinearBaseline
from cinemae.features.measurer import Measure
from cinemae.likelihood.conditional import FloatArray
from cinemae.mae.errors import CheckpointError
from cinemae.mae.select import PrecisionChoice, resolve_device, resolve_precision
from cinemae.verdict import Precision

VERSION = 1  # raised whenever the numbers change their meaning: they are kept in the cache under it
PART = "probe"


class ProbeConfig(LinearBaseline):
    """The linear probe of a frozen encoder.

    Attributes:
        checkpoint: A folder that transformers' ``save_pretrained`` has written, with its image
            processor's record; a folder in timm's hub layout; or an MAE: a name that ``cinemae models``
            lists, or a folder. Nothing is downloaded; of the first two, weights are safetensors.
        pool: Which vector stands for the picture. ``auto``: of transformers the pooler's output
            where the checkpoint has one, else the class token; of timm the model's own pooling; of an
            MAE everything that is pooled over its last block. ``cls``: the class token. ``mean``: the mean of
            the tokens. ``pooler``: the pooler's output, or an error.
    """

    kind: Literal["probe"] = "probe"
    checkpoint: str = Field(min_length=1)
    pool: Pool = "auto"

    def measurer(self, precision: PrecisionChoice = "auto", device: str | None = None) -> ProbeMeasurer:
        """Load the encoder once, to see that it is whole, how long its vectors are, and that nothing in it is drawn.

        On a CPU, ``auto`` means f32 for checkpoints of transformers and timm, which torch runs.

        Raises:
            CheckpointError: If a weight is missing, or the model has no such pooled vector, or draws at random.
            DeviceError: If the device can't be used.
            MissingLibraryError: If the library that it needs is not there.
        """
        place = resolve_device(device)
        checkpoint = find_checkpoint(self.checkpoint)
        foreign = checkpoint.kind != "cinemae"
        kind = "f32" if (precision, place, foreign) == ("auto", "cpu", True) else resolve_precision(precision, place)
        encoder = open_encoder(checkpoint, self.pool, kind, place)
        ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None], (256, 256, 3))
        first, second = encoder(ramp), encoder(ramp)
        if not np.array_equal(first, second):
            raise CheckpointError(f"{self.checkpoint}: gives the same picture another vector each time")
        return ProbeMeasurer(checkpoint, self.pool, kind, place, len(first), short_hash(self._identity(checkpoint)))

    def identity(self) -> str:
        """The checkpoint's hash, the pooling and the version of the code.

        Raises:
            CheckpointError: If the checkpoint isn't there.
        """
        return self._identity(find_checkpoint(self.checkpoint))

    def _identity(self, found: Checkpoint) -> str:
        return f"probe/{VERSION}/{found.kind}/{found.fingerprint}/{self.pool}"


@dataclass(frozen=True)
class ProbeMeasurer:
    """Measures the encoder's vector; see :class:`cinemae.features.measurer.Measurer`.

    Attributes:
        checkpoint: The encoder.
        pool: Which vector.
        precision: Type of its arithmetic.
        device: Where it runs.
        width: Length of the vector.
        digest: Of the checkpoint and the pooling.
    """

    checkpoint: Checkpoint
    pool: Pool
    precision: Precision
    device: str
    width: int
    digest: str

    @property
    def parts(self) -> dict[str, str]:
        """One part."""
        return {PART: f"{self.digest}-{self.precision}"}

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """Always float32."""
        return np.dtype(np.float32)

    def build(self) -> Measure:
        """Load the encoder."""
        encoder = open_encoder(self.checkpoint, self.pool, self.precision, self.device)

        def measure(pixels: NDArray[np.uint8], part: str) -> FloatArray:
            return encoder(pixels)

        return measure
