"""The methods of a comparison, ready to run: what measures images for each, and how it is fitted."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from cinemae.baselines import Baseline
from cinemae.compare.config import SHIPPED, CompareConfig, HeadMethod, MethodConfig, SavedMethod
from cinemae.compare.errors import CompareError
from cinemae.datasets import LabelledImage
from cinemae.detector import Detector
from cinemae.features.collect import Collected
from cinemae.features.measurer import ExtractorConfig, Measurer, Vector
from cinemae.features.spec import SpecMismatchError
from cinemae.fusion.config import TrainConfig
from cinemae.fusion.conformal import Conformal, Decision
from cinemae.fusion.head import FusionHead, HeadError
from cinemae.fusion.recipe import fit_recorded, prepare_extractor, weigh_and_divide
from cinemae.loading import build_extractor, find_head
from cinemae.mae.errors import CheckpointError
from cinemae.mae.select import DeviceError

_UNFIT = (CheckpointError, DeviceError, HeadError, ImportError, SpecMismatchError)


@dataclass(frozen=True)
class Judge:
    """A method that can score.

    Attributes:
        probabilities: Features (rows, features) to P(AI-generated), (rows,).
        decision: How probabilities become verdicts; its threshold was chosen on images held out of the training.
        held_out_auc: ROC-AUC of those images; None for a method trained elsewhere.
        save: Writes it into a folder; None for a method that lies somewhere already.
    """

    probabilities: Callable[[Vector], NDArray[np.float64]]
    decision: Decision
    held_out_auc: float | None = None
    save: Callable[[Path], object] | None = None


@dataclass(frozen=True)
class Contestant(ABC):
    """One method, its settings checked and its networks found.

    Attributes:
        name: Its name.
        measurer: What measures images for it.
        training: What its training images go through; None if it is not trained.
    """

    name: str
    measurer: Measurer
    training: TrainConfig | None

    @property
    @abstractmethod
    def kind(self) -> str:
        """Kind of method."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return its settings, for the record."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return all that its scores depend on beside images, features and code."""

    @abstractmethod
    def judge(self, measured: Collected | None, images: list[LabelledImage], photos: list[LabelledImage]) -> Judge:
        """Fit it, if that is needed.

        Args:
            measured: What the training's jobs gave; None for a method that is not trained.
            images: The labelled training set.
            photos: The photographs that were drawn for this training.
        """

    def digest(self) -> str:
        """Return a hash of :meth:`identity`."""
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()[:16]

    def measured_by(self) -> str:
        """Return a hash of all that its features depend on, beside the images and what is done to them."""
        parts = dict(self.measurer.parts)
        return hashlib.sha256(json.dumps([type(self.measurer).__name__, parts]).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Head(Contestant):
    method: HeadMethod
    extractor: ExtractorConfig
    config: TrainConfig

    @property
    def kind(self) -> str:
        return "head"

    def settings(self) -> dict[str, Any]:
        return self.method.model_dump(mode="json", exclude={"kind"})

    def identity(self) -> dict[str, Any]:
        # Its features say what precision it is: "auto" and what that stands for are the same.
        return {"part": self.method.part, "train": self.config.model_dump(mode="json", exclude={"precision"})}

    def judge(self, measured: Collected | None, images: list[LabelledImage], photos: list[LabelledImage]) -> Judge:
        if measured is None:
            raise ValueError(f"{self.name}: a head is trained on something")
        report = fit_recorded(measured, self.extractor, self.config, self.method.part, images, photos)
        return _judge_of(report.head, report.held_out_auc, report.head.save)


@dataclass(frozen=True)
class _Saved(Contestant):
    method: SavedMethod
    head: FusionHead

    @property
    def kind(self) -> str:
        return "saved"

    def settings(self) -> dict[str, Any]:
        return self.method.model_dump(mode="json", exclude={"kind"})

    def identity(self) -> dict[str, Any]:
        return {"head": self.head.fingerprint()}

    def judge(self, measured: Collected | None, images: list[LabelledImage], photos: list[LabelledImage]) -> Judge:
        return _judge_of(self.head)


@dataclass(frozen=True)
class _Baseline(Contestant):
    method: Baseline
    config: TrainConfig

    @property
    def kind(self) -> str:
        return self.method.kind

    def settings(self) -> dict[str, Any]:
        return self.method.model_dump(mode="json", exclude={"kind"})

    def identity(self) -> dict[str, Any]:
        fit = self.config.fit
        return {
            "baseline": self.method.model_dump(mode="json"),
            "images": images_of(self.config),
            "rows": fit.model_dump(mode="json", include={"balance", "folds"}),
            "families": {name: list(members) for name, members in self.config.families.items()},
            "alpha": fit.alpha,
        }

    def judge(self, measured: Collected | None, images: list[LabelledImage], photos: list[LabelledImage]) -> Judge:
        from sklearn.metrics import roc_auc_score

        if measured is None:
            raise ValueError(f"{self.name}: a baseline is trained on something")
        rows = weigh_and_divide(measured, self.config)
        features, labels, weights = measured.features, rows.labels, rows.weights
        # One fold to choose and stop on, one for the verdicts' error rate: a baseline is fitted once.
        held, conformal = rows.folds == 0, (rows.folds == 1) & rows.scored
        used = rows.folds != 1
        scorer = self.method.fit(features[used], labels[used], weights[used], held[used], self.config.seed)
        aside = scorer.probabilities(features[conformal])
        of_ai = labels[conformal] == 1
        # Verdicts are calibrated as a head's are, so that what abstaining buys can be compared.
        decision = Conformal(aside[of_ai], aside[~of_ai]).decide(scorer.threshold, self.config.fit.alpha)
        area = roc_auc_score(labels[held], scorer.probabilities(features[held]), sample_weight=weights[held])
        return Judge(scorer.probabilities, decision, float(area), scorer.save)


def _judge_of(head: FusionHead, area: float | None = None, save: Callable[[Path], object] | None = None) -> Judge:
    return Judge(head.probabilities, head.decision(), area, save)


def images_of(config: TrainConfig) -> dict[str, Any]:
    """Return those of a training's settings that say which images it sees, and what is done to them."""
    wanted = {"augment", "window", "augmentations", "photos_limit", "seed"}
    return config.model_dump(mode="json", include=wanted)


def prepare(config: CompareConfig) -> list[Contestant]:
    """Find every network and head of a comparison, before anything is measured.

    Raises:
        CompareError: If one is missing or can't be used as a method wants it; the message names the method.
    """
    makers = _Makers(config)
    found = []
    for name, method in config.expanded.items():
        try:
            found.append(makers.make(name, method))
        except _UNFIT as error:
            raise CompareError(f"methods.{name}: {error}") from error
    return found


class _Makers:
    """Makes contestants; what several of them need is loaded once."""

    def __init__(self, config: CompareConfig) -> None:
        self.config = config
        self._extractors: dict[str, ExtractorConfig] = {}

    def make(self, name: str, method: MethodConfig) -> Contestant:
        if isinstance(method, HeadMethod):
            training = self.config.training(name, method)
            extractor = self._extractor(training)
            return _Head(name, extractor, training, method, extractor, training)
        if isinstance(method, SavedMethod):
            head = FusionHead.load(find_head(None if method.model == SHIPPED else method.model))
            return _Saved(name, self._measurer_of(head), None, method, head)
        training = self.config.shared_training
        measurer = method.measurer(self.config.precision, self.config.device)
        return _Baseline(name, measurer, training, method, training)

    def _extractor(self, training: TrainConfig) -> ExtractorConfig:
        wanted = {"backbones", "scales", "family", "precision", "device"}
        return self._once(training, wanted, lambda: prepare_extractor(training))

    def _measurer_of(self, head: FusionHead) -> ExtractorConfig:
        names = head.config.backbone_names

        def build() -> ExtractorConfig:
            built = build_extractor(
                {**names}, head.config.spec, device=self.config.device, precision=self.config.precision
            )
            Detector(built, head)  # fails before anything is measured under the fingerprint of another MAE
            return ExtractorConfig.of(built, names)

        return self._once(head.config, {"spec", "backbones", "backbone_names"}, build)

    def _once(self, config: BaseModel, wanted: set[str], build: Callable[[], ExtractorConfig]) -> ExtractorConfig:
        key = config.model_dump_json(include=wanted)
        if key not in self._extractors:
            self._extractors[key] = build()
        return self._extractors[key]


def groups(contestants: list[Contestant]) -> list[tuple[Measurer, list[list[Contestant]]]]:
    """Order methods so that nothing is measured twice.

    Returns:
        For each measurer the methods that use it, those together that are trained on the same rows.
    """
    found: list[tuple[Measurer, list[list[Contestant]]]] = []
    for contestant in contestants:
        trainings = next((inside for measurer, inside in found if measurer == contestant.measurer), None)
        if trainings is None:
            trainings = []
            found.append((contestant.measurer, trainings))
        same = next((members for members in trainings if _rows(members[0]) == _rows(contestant)), None)
        if same is None:
            trainings.append([contestant])
        else:
            same.append(contestant)
    return found


def _rows(contestant: Contestant) -> Mapping[str, Any] | None:
    return None if contestant.training is None else images_of(contestant.training)
