"""What an evaluation says, as JSON: figures with their intervals, a row a generator, a mean a family.

Shares are fractions of 1. AI-generated is the positive class. A figure that is not defined, for
example of a class that is absent, is None (``null``).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from cinemae.metrics.bootstrap import Interval

PointName = Literal["half", "stored", "far_1", "far_5"]
"""Operating points: 0.5, the head's own threshold, and the ones that let 1 and 5 % of real images through."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Frozen):
    """A number with its uncertainty.

    Attributes:
        value: Of the sample itself.
        interval: 95 % percentile interval of the bootstrap; None where it was not resampled.
    """

    value: float
    interval: Interval | None = None


class PointFigures(_Frozen):
    """What one threshold makes of the images.

    Attributes:
        accuracy: Share of all images on the right side.
        accuracy_ai: The same among AI-generated images (sensitivity).
        accuracy_real: The same among real images (specificity).
        balanced_accuracy: Mean of the two.
    """

    accuracy: Figure
    accuracy_ai: Figure | None = None
    accuracy_real: Figure | None = None
    balanced_accuracy: Figure | None = None


class RankingFigures(_Frozen):
    """How well the classes are ordered, whatever the threshold.

    Attributes:
        roc_auc: Area under the ROC curve.
        average_precision: Average precision. Depends on the classes' shares.
        pd_far_1: Share of AI-generated images found where 1 % of this row's real images are false
            alarms: a point of the row's own ROC curve.
        pd_far_5: The same at 5 %.
    """

    roc_auc: Figure
    average_precision: Figure
    pd_far_1: Figure
    pd_far_5: Figure


class CalibrationFigures(_Frozen):
    """Whether the probabilities mean what they say.

    Attributes:
        ece: Expected calibration error: mean distance between probability and share of AI-generated
            images over 15 bins of equally many images. Its resamples keep the sample's bins, and are
            moved so that their mean is the sample's: resampling adds to an ECE.
        brier: Mean squared error.
        nll: Mean negative log-likelihood in nats.
        cllr: Log-likelihood-ratio cost in bits, both classes weighing the same; 1 for scores that say
            nothing, more for ones that mislead.
        min_cllr: The cllr after the best monotone recalibration; what is above it is miscalibration.
    """

    ece: Figure
    brier: Figure
    nll: Figure
    cllr: Figure
    min_cllr: Figure


class SelectiveFigures(_Frozen):
    """What abstaining buys.

    Attributes:
        coverage: Share of images outside of the abstention band: those that get a verdict.
        inconclusive_ai: Share of AI-generated images that get none.
        inconclusive_real: The same of real images.
        miscoverage_ai: Share of AI-generated images whose verdict's set lacks their class: the verdict is
            real, or the set is empty. At most alpha is promised, of images like those of calibration.
        miscoverage_real: The same of real images.
        empty: Share of images whose set is empty: they look like neither class.
        error: Share of wrong verdicts among those.
        error_ai: The same among AI-generated images.
        error_real: The same among real images.
        risk_coverage_area: Area under the risk-coverage curve, confidence being the distance of the
            log-odds from the stored threshold's.
    """

    coverage: Figure
    inconclusive_ai: Figure | None = None
    inconclusive_real: Figure | None = None
    miscoverage_ai: Figure | None = None
    miscoverage_real: Figure | None = None
    empty: Figure | None = None
    error: Figure | None = None
    error_ai: Figure | None = None
    error_real: Figure | None = None
    risk_coverage_area: Figure


class Figures(_Frozen):
    """The figures of a row; all but accuracy need both classes.

    Attributes:
        points: By operating point.
        ranking: Ranking figures.
        calibration: Calibration figures.
        selective: Figures with the abstention band.
    """

    points: dict[PointName, PointFigures] = {}
    ranking: RankingFigures | None = None
    calibration: CalibrationFigures | None = None
    selective: SelectiveFigures | None = None


class GeneratorRow(Figures):
    """One generator's images and the real images that it is compared with.

    Attributes:
        generator: Its name.
        n_ai: Number of AI-generated images.
        n_real: Number of real images.
        sources_ai: Number of distinct sources of the AI-generated images.
        sources_real: Number of distinct sources of the real images.
    """

    generator: str
    n_ai: int
    n_real: int
    sources_ai: int
    sources_real: int


class MeanRow(Figures):
    """Unweighted mean over the generators of one family, each resampled on its own.

    Attributes:
        family: The family's name.
        generators: Those the mean is over.
        missing: Those of the family that have no row, or one class only.
    """

    family: str
    generators: tuple[str, ...]
    missing: tuple[str, ...] = ()


class EvaluationTable(_Frozen):
    """Rows per generator and means per family, with what they were computed with.

    Attributes:
        threshold: The stored threshold; a probability at or above it counts as AI-generated.
        band: Abstention band; strictly inside there is no verdict, at its ends and beyond real and AI.
        alpha: Error rate that the band was made for; None if it was not made for one.
        empty: Whether strictly inside the band neither class is in the verdict's set, rather than both.
        thresholds: All operating points. Those of 1 and 5 % false alarms are missing without real images.
        thresholds_from: Whose real images, of all generators together, chose those two: the
            ``evaluated`` ones, or a ``calibration`` set of its own.
        thresholds_real: Number of those real images.
        resamples: Number of bootstrap resamples; 0 = no intervals.
        seed: Seed of the bootstrap.
        rows: One row a generator, in order of first appearance.
        means: One row a family.
    """

    threshold: float
    band: Interval
    alpha: float | None = None
    empty: bool = False
    thresholds: dict[PointName, float]
    thresholds_from: Literal["evaluated", "calibration"]
    thresholds_real: int
    resamples: int
    seed: int
    rows: tuple[GeneratorRow, ...]
    means: tuple[MeanRow, ...]

    def row(self, generator: str) -> GeneratorRow:
        """Return the row of one generator.

        Raises:
            KeyError: If there is none.
        """
        for row in self.rows:
            if row.generator == generator:
                return row
        raise KeyError(generator)

    def mean(self, family: str) -> MeanRow:
        """Return the mean of one family.

        Raises:
            KeyError: If there is none.
        """
        for mean in self.means:
            if mean.family == family:
                return mean
        raise KeyError(family)

    def to_markdown(self) -> str:
        """Return the main table in Markdown: accuracy at the stored threshold, ROC-AUC, AP."""
        from cinemae.metrics.tables import main_table

        return main_table(self)

    def details_markdown(self) -> str:
        """Return the other figures in Markdown, a heading and a table for each kind."""
        from cinemae.metrics.tables import detail_tables

        return detail_tables(self)
