"""Carrying a comparison out: measure once for all, fit and score each method, evaluate, write."""

from __future__ import annotations

import hashlib
import json
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cinemae.alignment import Protocol
from cinemae.compare import record
from cinemae.compare.config import CompareConfig
from cinemae.compare.errors import CompareError
from cinemae.compare.kept import Finished, Key, Shelf, write_text
from cinemae.compare.methods import Contestant, groups, prepare
from cinemae.compare.paired import Pairing, Scores
from cinemae.compare.publish import published_text
from cinemae.compare.schema import Comparison, MethodResult
from cinemae.compare.sets import Sets, read_sets
from cinemae.datasets import LabelledImage, ManifestError
from cinemae.features.collect import Collected, Variant, collect
from cinemae.features.measurer import Measurer
from cinemae.features.variants import Measured, Meter, Progress
from cinemae.fusion.config import TrainConfig
from cinemae.fusion.errors import AlphaError
from cinemae.fusion.jobs import draw_photos, training_jobs
from cinemae.fusion.recipe import check_division
from cinemae.mae.select import resolve_device, resolve_precision
from cinemae.metrics import evaluate_scores

RUN_FILE, JSON_FILE, MARKDOWN_FILE = "run.json", "comparison.json", "comparison.md"
Say = Callable[[str], object]


@dataclass(frozen=True)
class Workshop:
    """What measuring takes.

    Attributes:
        cache: Folder of the feature cache.
        jobs: Worker processes; None takes one a core.
        progress: Wraps the iteration over images.
        say: Told what is done, a line at a time.
    """

    cache: Path
    jobs: int | None = None
    progress: Progress = lambda items, total: items
    say: Say = lambda line: None


def run_comparison(config: CompareConfig, out: Path, workshop: Workshop) -> Comparison:
    """Carry a comparison out and write it into a folder.

    A method that the folder holds already is not run again if its settings, the images, the features and
    the code are those of now. One that fails is left out of the tables and named with its reason; the others go on.

    Args:
        config: The comparison.
        out: Folder of ``run.json``, ``comparison.json``, ``comparison.md``, ``heads`` and ``scores``.
        workshop: What measuring takes.

    Raises:
        CompareError: If it can't be carried out as configured, and nothing is measured then; or if every method fails.
        ManifestError: If a set can't be read or divided.
    """
    contestants = prepare(config)
    sets = read_sets(config, trained=any(contestant.training for contestant in contestants))
    photos = _Photos(sets)
    _check_divisions(contestants, sets, photos)
    run = record.RunRecord(
        config=config,
        code=record.code(),
        environment=record.environment(),
        precision=resolve_precision(config.precision, resolve_device(config.device)),
        sets=sets.records(),
        started=record.now(),
    )
    write_text(out / RUN_FILE, run.model_dump_json(indent=1) + "\n")
    shelf = Shelf(out, sets.test)
    keys = {contestant.name: _key(contestant, config, sets, run) for contestant in contestants}
    kept = _find_kept(contestants, shelf, keys, workshop.say)
    runner = _Runner(config, sets, photos, shelf, workshop, keys)
    failed: dict[str, str] = {}
    for measurer, trainings in groups([each for each in contestants if each.name not in kept]):
        found, lost = runner.run(measurer, trainings)
        kept, failed = kept | found, failed | lost
    if not kept:
        reasons = "; ".join(f"{name}: {why}" for name, why in failed.items())
        raise CompareError(f"no method could be finished: {reasons}")
    comparison = _compare(config, [kept[each.name] for each in contestants if each.name in kept], sets, shelf, failed)
    write_text(out / JSON_FILE, comparison.model_dump_json(indent=1) + "\n")
    write_text(out / MARKDOWN_FILE, comparison.to_markdown())
    times = {"finished": record.now(), "seconds": {name: kept[name].seconds for name in comparison.methods}}
    write_text(out / RUN_FILE, run.model_copy(update=times).model_dump_json(indent=1) + "\n")
    return comparison


class _Photos:
    """The photographs that each training draws; trainings that draw alike share them."""

    def __init__(self, sets: Sets) -> None:
        self._all = sets.photos
        self._drawn: dict[tuple[int, int], list[LabelledImage]] = {}

    def of(self, training: TrainConfig) -> list[LabelledImage]:
        key = training.photos_limit, training.seed
        if key not in self._drawn:
            self._drawn[key] = draw_photos(self._all, *key)
        return self._drawn[key]


def _check_divisions(contestants: list[Contestant], sets: Sets, photos: _Photos) -> None:
    """Find out before anything is measured whether the images can be divided as each training wants."""
    for contestant in contestants:
        if contestant.training:
            try:
                check_division([*sets.train, *photos.of(contestant.training)], contestant.training)
            except (AlphaError, ManifestError) as error:
                raise CompareError(f"methods.{contestant.name}: {error}") from error


def _key(contestant: Contestant, config: CompareConfig, sets: Sets, run: record.RunRecord) -> Key:
    code = [run.code.version, run.code.sources, run.environment.packages]
    settings = [contestant.digest(), config.seed, config.protocols]
    return Key(
        settings=_digest(settings),
        data=sets.digest(trained=contestant.training is not None),
        features=contestant.measured_by(),
        code=_digest(code),
    )


def _digest(values: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _find_kept(contestants: list[Contestant], shelf: Shelf, keys: dict[str, Key], say: Say) -> dict[str, Finished]:
    kept = {}
    for contestant in contestants:
        name = contestant.name
        found = shelf.find(name, keys[name], trained=contestant.training is not None)
        if isinstance(found, Finished):
            kept[name] = found.model_copy(update={"settings": contestant.settings()})  # as written now
            say(f"{name}: kept from {shelf.folder}, nothing has changed")
        elif found:
            say(f"{name}: run again: {found}")
    return kept


@dataclass(frozen=True)
class _Runner:
    config: CompareConfig
    sets: Sets
    photos: _Photos
    shelf: Shelf
    workshop: Workshop
    keys: dict[str, Key]

    def run(self, measurer: Measurer, trainings: list[list[Contestant]]) -> tuple[dict[str, Finished], dict[str, str]]:
        """Run all methods that share a measurer; the test set is measured once for them.

        Returns:
            The finished ones by name, and by name why others failed.
        """
        names = ", ".join(each.name for same in trainings for each in same)
        shop = self.workshop
        shop.say(f"measuring {len(self.sets.test)} test images for {names}")
        variants = [Variant(protocol=protocol, seed=self.config.seed) for protocol in self.config.protocols]
        tested = Meter(measurer, shop.cache, shop.jobs, shop.progress).measure(self.sets.test, variants)
        found, failed = {}, {}
        for same in trainings:
            training = same[0].training
            measured = None if training is None else self._trained_on(measurer, training)
            for contestant in same:
                try:
                    found[contestant.name] = self._finish(contestant, measured, tested, variants)
                except Exception as error:  # whatever it is, it must not cost the others their hours
                    failed[contestant.name] = " ".join(f"{type(error).__name__}: {error}".split())
                    shop.say(f"{contestant.name}: failed\n{traceback.format_exc()}")
        return found, failed

    def _trained_on(self, measurer: Measurer, training: TrainConfig) -> Collected:
        jobs = training_jobs([*self.sets.train, *self.photos.of(training)], training)
        shop = self.workshop
        shop.say(f"measuring {len(jobs)} training variants")
        return collect(jobs, measurer, shop.cache, workers=shop.jobs, progress=shop.progress)

    def _finish(
        self, contestant: Contestant, measured: Collected | None, tested: Measured, variants: list[Variant]
    ) -> Finished:
        name, start = contestant.name, time.monotonic()
        self.shelf.forget(name)
        photos = self.photos.of(contestant.training) if contestant.training else []
        judge = contestant.judge(measured, self.sets.train, photos)
        if judge.save:
            judge.save(self.shelf.head(name))
        scores: dict[Protocol, Scores] = {}
        for protocol, variant in zip(self.config.protocols, variants, strict=True):
            numbers = tested.known([variant])
            scores[protocol] = Scores(
                numbers, judge.probabilities(tested.features(variant, numbers)), judge.decision.threshold
            )
        everything = np.arange(len(self.sets.test))
        refused = [*(measured.refused if measured else ()), *tested.refused]
        finished = Finished(
            name=name,
            key=self.keys[name],
            kind=contestant.kind,
            settings=contestant.settings(),
            decision=judge.decision,
            held_out_auc=judge.held_out_auc,
            refused=tuple(dict.fromkeys(refused)),
            missing={
                protocol: tuple(np.setdiff1d(everything, found.numbers).tolist()) for protocol, found in scores.items()
            },
            scores=self.shelf.write_scores(name, scores),
            seconds=round(time.monotonic() - start, 1),
        )
        self.shelf.finish(finished)
        self.workshop.say(f"{name}: done in {finished.seconds} s")
        return finished


def _compare(
    config: CompareConfig, finished: list[Finished], sets: Sets, shelf: Shelf, failed: dict[str, str]
) -> Comparison:
    """Evaluate all finished methods on their scores; the first of them is the reference."""
    pairing = Pairing(
        labels=np.array([image.label for image in sets.test]),
        generators=[image.generator for image in sets.test],
        sources=[image.source for image in sets.test],
        families=config.families,
        resamples=config.resamples,
        seed=config.seed,
    )
    scores = {method.name: shelf.read_scores(method) for method in finished}
    reference = finished[0].name
    methods = {}
    for method in finished:
        tables = {
            protocol: evaluate_scores(
                pairing.scored(found.numbers, found.p),
                method.decision.threshold,
                band=method.decision.band,
                alpha=method.decision.alpha,
                empty=method.decision.empty,
                families=config.families,
                resamples=config.resamples,
                seed=config.seed,
            )
            for protocol, found in scores[method.name].items()
        }
        differences = {
            protocol: pairing.differences(found, scores[reference][protocol])
            for protocol, found in scores[method.name].items()
            if method.name != reference
        }
        methods[method.name] = MethodResult(
            kind=method.kind,
            settings=method.settings,
            held_out_auc=method.held_out_auc,
            refused=method.refused,
            tables={str(protocol): table for protocol, table in tables.items()},
            differences={str(protocol): found for protocol, found in differences.items()},
        )
    return Comparison(
        name=config.name,
        reference=reference,
        sets=sets.records(),
        resamples=config.resamples,
        seed=config.seed,
        methods=methods,
        failed=failed,
        published=published_text(config.published, methods),
    )
