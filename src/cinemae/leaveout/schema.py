"""What leaving out one family after the other found, as JSON."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from cinemae.metrics.schema import Figure, Figures
from cinemae.provenance import Run
from cinemae.verdict import Precision


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fold(_Record):
    """The head that was fitted without a family.

    Attributes:
        trained_ai: AI-generated images that it was fitted on.
        trained_real: Real ones.
        left_out: Sources of real images that were left out with the family.
        threshold: Its stored threshold.
        band: Ends of what it calls inconclusive.
    """

    trained_ai: int
    trained_real: int
    left_out: tuple[str, ...]
    threshold: float
    band: tuple[float, float]


class FamilyRow(Figures):
    """What a head says of a family that it had not seen.

    Attributes:
        family: Its name; of a mean what the mean is over.
        n_ai: Number of AI-generated images.
        n_real: Number of real images.
    """

    family: str
    n_ai: int
    n_real: int


class KindRow(_Record):
    """False alarms on real images of one kind, all of sources that the head had not seen.

    Attributes:
        kind: What they are: ``photo``, ``art`` and so on.
        n: Number of images.
        sources: Number of sources.
        false_alarms: Share that the stored threshold calls AI-generated.
    """

    kind: str
    n: int
    sources: int
    false_alarms: Figure


class LeftOutTable(_Record):
    """All families after one treatment of the images, by one part of the head or all.

    Attributes:
        part: ``fused``, or a part that was fitted alone.
        variant: The alignment protocol, and the corruption after it if there was one.
        rows: A row a family.
        mean: Their unweighted mean.
        kinds: False alarms by kind of real image.
        less_than_fused: This part's mean ROC-AUC minus that of all together, on the same resamples; None of all.
    """

    part: str
    variant: str
    rows: tuple[FamilyRow, ...]
    mean: FamilyRow
    kinds: tuple[KindRow, ...]
    less_than_fused: Figure | None = None


class LeftOut(_Record):
    """What leaving out one family after the other found.

    Attributes:
        training_hash: Of all images that heads were fitted on.
        tested_hash: Of the tested images.
        precision: Type of the networks' arithmetic.
        refused: Images that could not be read, with the reason.
        folds: By part and family, the head that was fitted without it.
        tables: By part and variant.
        run: What made it.
    """

    training_hash: str
    tested_hash: str
    precision: Precision
    refused: tuple[str, ...]
    folds: dict[str, dict[str, Fold]]
    tables: tuple[LeftOutTable, ...]
    run: Run | None = None

    def to_markdown(self) -> str:
        """Return the means, then every table, in Markdown."""
        from cinemae.leaveout.tables import to_markdown

        return to_markdown(self)
