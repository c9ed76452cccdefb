"""WebDataset: images in tar shards, each followed by what is known of it, as ``KEY.cls`` or ``KEY.json``."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from cinemae.datasets.images import SPLITS, LabelledImage, ManifestError, source_of
from cinemae.datasets.labels import Labels
from cinemae.datasets.listing import Listing
from cinemae.datasets.tables import FACTS, generator_in, split_in_name
from cinemae.plainfiles import decode_text, open_plain
from cinemae.scan.items import Item

SIDECARS = (".cls", ".json")
_LARGEST_SIDECAR = 1 << 20  # bytes; a description of one image is some hundred


def list_shards(root: Path, shards: Sequence[tuple[str, ...]], labels: Labels) -> Listing:
    """Read WebDataset shards.

    The label is the text of ``KEY.cls``, or ``label`` (or ``cls``) in ``KEY.json``, which may also have
    ``generator``, ``source``, ``split`` and ``kind``. Without them the generator is the shard's topmost folder
    (:func:`generator_in`), or else the set's own name; the source is the part of the key before ``__``, or the key;
    the split is what the shard's name or folder says (``train-000000.tar``), or else ``train``.

    Args:
        root: Folder that the shards lie in.
        shards: Their paths below it.
        labels: What the classes are called.

    Raises:
        ManifestError: If a shard is broken, or an image has no label or one that is not known.
    """
    from cinemae.scan.sources import list_items

    images = []
    for parts in shards:
        file = root.joinpath(*parts)
        inner = "/".join(parts)
        items = list(list_items(str(file)))
        for item in items:
            if item.reason is not None or item.offset is None:
                raise ManifestError(f"{item.id}: {item.reason or 'no member of a shard'}")
        facts = _sidecars(file)
        default = generator_in(parts) or root.resolve().name
        for item in items:
            member = item.id.removeprefix(f"{file.name}/")
            images.append(_image(file, f"{inner}/{member}", item, facts.get(key_of(member)), default, parts, labels))
    return Listing(root, "webdataset", images)


def key_of(member: str) -> str:
    """Return the key of a member: its path up to the first dot of the file's name, as WebDataset has it."""
    folder, slash, name = member.rpartition("/")
    return f"{folder}{slash}{name.partition('.')[0]}"


def _image(
    file: Path,
    name: str,
    item: Item,
    facts: Mapping[str, str] | None,
    default: str,
    parts: tuple[str, ...],
    labels: Labels,
) -> LabelledImage:
    if facts is None or "label" not in facts:
        raise ManifestError(f"{name}: no label; it needs KEY.cls, or KEY.json with a label, in the same shard")
    split = facts.get("split", "").lower()
    if split and split not in SPLITS:
        raise ManifestError(f"{name}: unknown split {facts['split']!r}; known are {', '.join(SPLITS)}")
    return LabelledImage(
        path=file,
        label=labels.of(facts["label"], name),
        generator=facts.get("generator") or default,
        source=facts.get("source") or source_of(PurePosixPath(key_of(name)).name),
        split=SPLITS[split] if split else split_in_name(parts) or "train",
        kind=facts.get("kind", ""),
        name=name,
        item=item.model_copy(update={"modified": None}),
    )


def _sidecars(file: Path) -> dict[str, dict[str, str]]:
    """Return what a shard says of its images, by key."""
    found: dict[str, dict[str, str]] = {}
    try:
        # Past an end mark too: archives may have been joined.
        with (
            open_plain(file) as opened,
            tarfile.open(fileobj=opened, mode="r:", encoding="utf-8", ignore_zeros=True) as tar,
        ):
            for member in tar:
                suffix = PurePosixPath(member.name).suffix.lower()
                if suffix not in SIDECARS or not member.isfile():
                    continue
                if member.size > _LARGEST_SIDECAR:
                    raise ManifestError(f"{file}/{member.name}: {member.size:,} bytes describe no image")
                stream = tar.extractfile(member)
                text = b"" if stream is None else stream.read()
                found.setdefault(key_of(member.name), {}).update(_facts(text, suffix, f"{file}/{member.name}"))
    except tarfile.TarError as error:
        raise ManifestError(f"{file}: a broken or compressed tar ({error})") from error
    return found


def _facts(text: bytes, suffix: str, place: str) -> dict[str, str]:
    try:
        if suffix == ".cls":
            return {"label": decode_text(text, place).strip()}
        record: Any = json.loads(decode_text(text, place))
    except ValueError as error:  # UnicodeDecodeError too
        raise ManifestError(f"{place}: can't be read ({error})") from error
    if not isinstance(record, dict):
        raise ManifestError(f"{place}: not a JSON object")
    label = record.get("label", record.get("cls"))
    known = {name: record[name] for name in FACTS if record.get(name) is not None}
    return {name: str(value).strip() for name, value in ({"label": label} | known).items() if value is not None}
