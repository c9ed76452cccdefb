"""What a comparison says, as JSON: nothing in it depends on when or how fast it was made."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from cinemae.metrics import EvaluationTable, Figure


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SetRecord(_Frozen):
    """A set of images.

    Attributes:
        manifest_hash: See :func:`cinemae.datasets.manifest_hash`.
        ai: Number of AI-generated images.
        real: Number of real images.
    """

    manifest_hash: str
    ai: int
    real: int


class Difference(_Frozen):
    """A method's figures minus those of the reference, on the same images and in the same resamples.

    Attributes:
        family: The family whose mean is meant.
        generators: Those of its generators that both methods have both classes of.
        images: Number of images that both methods have scored, those of these generators.
        roc_auc: Of the mean ROC-AUC.
        balanced_accuracy: Of the mean balanced accuracy, each method at its own stored threshold.
    """

    family: str
    generators: tuple[str, ...]
    images: int
    roc_auc: Figure | None = None
    balanced_accuracy: Figure | None = None


class MethodResult(_Frozen):
    """One method.

    Attributes:
        kind: ``head``, ``saved``, or the kind of baseline.
        settings: Its settings as configured; of a head, what it changes of the shared training.
        held_out_auc: ROC-AUC of the held-out training images; None for a method trained elsewhere.
        refused: Images that could not be measured, with the reason.
        tables: By protocol. Each names the stored threshold, chosen on images held out of the training, and the
            band in which the method gives no verdict.
        differences: By protocol, a difference a family; empty for the reference itself.
    """

    kind: str
    settings: dict[str, Any]
    held_out_auc: float | None
    refused: tuple[str, ...]
    tables: dict[str, EvaluationTable]
    differences: dict[str, tuple[Difference, ...]]


class Comparison(_Frozen):
    """A comparison.

    Attributes:
        format: Version of this layout.
        name: Its heading.
        reference: The method that differences are taken from: the first that was finished.
        sets: The images by their use: ``train``, ``photos`` (of which each training draws some), ``test``.
        resamples: Bootstrap resamples.
        seed: Seed of all draws.
        methods: By name, in order, those that were finished.
        failed: Why each other method could not be finished; figures of the others stand as they are.
        published: Published rows with ours, in Markdown; None if none were asked for.
    """

    format: Literal[1] = 1
    name: str
    reference: str
    sets: dict[str, SetRecord]
    resamples: int
    seed: int
    methods: dict[str, MethodResult]
    failed: dict[str, str] = {}
    published: str | None = None

    def to_markdown(self) -> str:
        """Return all tables in Markdown."""
        from cinemae.compare.markdown import comparison_markdown

        return comparison_markdown(self)
