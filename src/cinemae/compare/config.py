"""The one configuration of a comparison: what is trained on what, and how it is measured."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from cinemae.alignment import Protocol
from cinemae.baselines import BaselineConfig
from cinemae.compare.ablations import Ablations
from cinemae.compare.errors import CompareError
from cinemae.compare.settings import with_settings
from cinemae.datasets import AnyLayout
from cinemae.fusion.config import TrainConfig, part_config
from cinemae.mae.select import PrecisionChoice

SHIPPED = "shipped"
_LONGEST_NAME = 150  # a file name has 255 bytes at most


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SetConfig(_Frozen):
    """A labelled set.

    Attributes:
        path: Folder or manifest; None if it is left to the command line.
        root: What a manifest's relative paths are relative to.
        layout: How it is laid out; ``auto`` finds out.
        split: The split that is used; None for all images, whatever their split.
        generators: Generators that are used; None for all.
        limit: At most this many images of each generator and class, drawn by the seed; None for all.
    """

    path: str | None = None
    root: str | None = None
    layout: AnyLayout = "auto"
    split: Literal["train", "val"] | None = None
    generators: tuple[str, ...] | None = None
    limit: int | None = Field(default=None, ge=1)


class TrainSetConfig(SetConfig):
    """The training set; its ``train`` split unless another is asked for."""

    split: Literal["train", "val"] | None = "train"


class EvalSetConfig(SetConfig):
    """The test set; its ``val`` split unless another is asked for."""

    split: Literal["train", "val"] | None = "val"


class PhotosConfig(_Frozen):
    """More real photographs for the training: a folder or manifest, and the root of its paths."""

    path: str
    root: str | None = None


class DataConfig(_Frozen):
    """The images.

    Attributes:
        train: What every method is trained on.
        photos: Real photographs beside it; the training's ``photos_limit`` says how many are drawn.
        test: What every method is measured on.
    """

    train: TrainSetConfig = TrainSetConfig()
    photos: tuple[PhotosConfig, ...] = ()
    test: EvalSetConfig = EvalSetConfig()


class HeadMethod(_Frozen):
    """A head on the MAEs' features, trained here.

    Attributes:
        kind: Always ``head``.
        part: ``fused``, or the name of a part that is fitted alone.
        train: What it changes of the training that all methods share, by dotted path; see
            :func:`cinemae.compare.settings.with_settings`.
    """

    kind: Literal["head"] = "head"
    part: str = "fused"
    train: dict[str, Any] = Field(default_factory=dict)


class SavedMethod(_Frozen):
    """A head that was trained before.

    Attributes:
        kind: Always ``saved``.
        model: Its folder or hub id; ``shipped`` is the package's own.
    """

    kind: Literal["saved"] = "saved"
    model: str = SHIPPED


MethodConfig = Annotated[HeadMethod | SavedMethod | BaselineConfig, Field(discriminator="kind")]
"""What is compared, told apart by its ``kind``."""


class PublishedConfig(_Frozen):
    """A published table that our figures are set under; its name alone is enough.

    Attributes:
        table: Its name in :mod:`cinemae.published`.
        generators: What the table's columns call a generator of the test set, where it is another name.
        methods: Whose figures; empty for all methods.
        protocols: Under which protocols; a row each. Published figures are raw ones.
        point: At which threshold: 0.5, as in published tables, or the stored one.
    """

    table: str
    generators: dict[str, str] = Field(default_factory=dict)
    methods: tuple[str, ...] = ()
    protocols: tuple[Protocol, ...] = Field(default=("raw",), min_length=1)
    point: Literal["half", "stored"] = "half"

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, values: Any) -> Any:
        return {"table": values} if isinstance(values, str) else values

    @field_validator("table")
    @classmethod
    def _is_known(cls, name: str) -> str:
        from cinemae.published import names

        if name not in names():
            raise ValueError(f"no published table is called {name!r}; there are {', '.join(names())}")
        return name


class CompareConfig(_Frozen):
    """A comparison.

    Attributes:
        name: Heading of the tables.
        seed: Seed of every draw: limits, augmentation, split, fits, alignment, bootstrap.
        data: The images.
        train: What the training that all methods share changes of its defaults, by dotted path.
        protocols: Alignment protocols that every method is measured under.
        families: Generators of each mean, by its name; None for one mean over all.
        methods: What is compared, by name. The first is what the others are compared with.
        ablations: Variants of one of the methods, which come after them.
        only: Names of the methods that are carried out, in the order in which they were
            defined; empty for all.
        resamples: Bootstrap resamples of the 95 % intervals.
        precision: Arithmetic of the MAEs.
        device: Where they run; None chooses.
        published: A published table to show beside.
    """

    name: str = Field(default="comparison", min_length=1)
    seed: int = 0
    data: DataConfig = DataConfig()
    train: dict[str, Any] = Field(default_factory=dict)
    protocols: tuple[Protocol, ...] = Field(default=("raw", "format", "history"), min_length=1)
    families: dict[str, tuple[str, ...]] | None = None
    methods: dict[str, MethodConfig] = Field(min_length=1)
    ablations: Ablations | None = None
    only: tuple[str, ...] = ()
    resamples: int = Field(default=1000, ge=0)
    precision: PrecisionChoice = "auto"
    device: str | None = None
    published: PublishedConfig | None = None

    @model_validator(mode="after")
    def _everything_is_there(self) -> CompareConfig:
        if len(set(self.protocols)) < len(self.protocols):
            raise ValueError(f"protocols: one is given twice: {', '.join(self.protocols)}")
        everything = self._expanded()
        places: dict[str, str] = {}
        for name, method in everything.items():
            other = places.setdefault(file_name(name).lower(), name)
            if other != name:
                raise ValueError(f"methods {other!r} and {name!r} would share a file")
            if isinstance(method, HeadMethod):
                self.training(name, method)
        if unknown := [name for name in self.only if name not in everything]:
            raise ValueError(f"no method is called {unknown[0]!r}; there are {', '.join(everything)}")
        if self.published is not None:
            if unknown := [name for name in self.published.methods if name not in everything]:
                raise ValueError(f"published.methods: no method is called {unknown[0]!r}")
            if missing := [name for name in self.published.protocols if name not in self.protocols]:
                raise ValueError(f"published.protocols: {missing[0]} is none of the protocols")
        return self

    @cached_property
    def expanded(self) -> dict[str, MethodConfig]:
        """All methods that are carried out, ablations among them, by name."""
        return {name: method for name, method in self._expanded().items() if not self.only or name in self.only}

    @cached_property
    def shared_training(self) -> TrainConfig:
        """The training that all methods share.

        Raises:
            CompareError: If a setting is unknown or not allowed.
        """
        start = TrainConfig(seed=self.seed, precision=self.precision, device=self.device)
        try:
            return with_settings(start, self.train)
        except CompareError as error:
            raise CompareError(f"train.{error}") from error

    def training(self, name: str, method: HeadMethod) -> TrainConfig:
        """Return the training of a head.

        Raises:
            CompareError: If a setting is unknown or not allowed, or it lacks the part.
        """
        shared = self.shared_training
        try:
            config = with_settings(shared, method.train)
            part_config(config.fit, method.part)
        except ValueError as error:
            raise CompareError(f"methods.{name}: {error}") from error
        return config

    def _expanded(self) -> dict[str, MethodConfig]:
        if self.ablations is None:
            return self.methods
        base = self.methods.get(self.ablations.base)
        if not isinstance(base, HeadMethod):
            raise CompareError(f"ablations.base: {self.ablations.base!r} is no method of kind head")
        out = dict(self.methods)
        for name, settings in self.ablations.expand().items():
            if name in out:
                raise CompareError(f"ablations: there is a method {name!r} already")
            out[name] = base.model_copy(update={"train": base.train | settings})
        return out


def file_name(method: str) -> str:
    """Return what a method's files are called: its name, with ``_`` for what is unusual in file names.

    Raises:
        CompareError: If nothing is left of the name, or it is too long.
    """
    name = re.sub(r"[^\w.,=+-]+", "_", method, flags=re.ASCII).strip("._")
    if not name or len(name) > _LONGEST_NAME:
        raise CompareError(f"methods: {method!r} can't name files: it needs 1 to {_LONGEST_NAME} letters or digits")
    return name


def given_path(config: SetConfig, setting: str, option: str) -> Path:
    """Return where a set is.

    Raises:
        CompareError: If neither the configuration nor the command line says so.
    """
    if config.path is None:
        raise CompareError(f"{setting}.path is not given; say {option} PATH")
    return Path(config.path)
