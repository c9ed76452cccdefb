"""IPTC's vocabulary of digital source types, and what each value says of a picture.

https://cv.iptc.org/newscodes/digitalsourcetype/ (2024-12 and before; retired values are still found in files), and
C2PA's own values (specification 2.2, section 18.15).
"""

from __future__ import annotations

from dataclasses import dataclass

from cinemae.evidence.schema import Says

_PLACES = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/", "https://cv.iptc.org/newscodes/digitalsourcetype/",
    "http://c2pa.org/digitalsourcetype/", "https://c2pa.org/digitalsourcetype/", "digsrctype:",
)  # fmt: skip


@dataclass(frozen=True)
class SourceType:
    """A value of the vocabulary.

    Attributes:
        says: What it says of the picture.
        words: The same for people.
    """

    says: Says
    words: str


VOCABULARY = {
    "trainedAlgorithmicMedia": SourceType("ai", "made by a generative model"),
    "compositeWithTrainedAlgorithmicMedia": SourceType("partly_ai", "partly made by a generative model"),
    "trainedAlgorithmicData": SourceType("ai", "data made by a generative model"),
    "algorithmicMedia": SourceType("made_by_people", "made by an algorithm without training data"),
    "algorithmicallyEnhanced": SourceType("edited", "changed by an algorithm"),
    "digitalCapture": SourceType("captured", "captured by a camera"),
    "computationalCapture": SourceType("captured", "captured by a camera from several exposures or sensors"),
    "digitisedCapture": SourceType("captured", "captured by a camera"),
    "negativeFilm": SourceType("captured", "scanned from a negative"),
    "positiveFilm": SourceType("captured", "scanned from a positive"),
    "print": SourceType("captured", "scanned from a print"),
    "screenCapture": SourceType("unclear", "captured from a screen"),
    "virtualRecording": SourceType("unclear", "recorded from a virtual event"),
    "digitalArt": SourceType("made_by_people", "drawn by people"),
    "digitalCreation": SourceType("made_by_people", "created by people"),
    "softwareImage": SourceType("made_by_people", "made with software"),
    "dataDrivenMedia": SourceType("made_by_people", "drawn from data"),
    "humanEdits": SourceType("edited", "edited by people"),
    "minorHumanEdits": SourceType("edited", "slightly edited by people"),
    "composite": SourceType("edited", "composed of several pictures"),
    "compositeCapture": SourceType("captured", "composed of several captures"),
    "compositeSynthetic": SourceType("unclear", "composed of parts, at least one synthetic by whatever means"),
    "empty": SourceType("unclear", "begun from an empty canvas"),
}
_LOWER = {name.lower(): name for name in VOCABULARY}


def source_type(value: str) -> tuple[str, SourceType] | None:
    """Return the vocabulary's name and meaning of a value, a URI or a bare name; None if it isn't one."""
    bare = value.strip()
    for place in _PLACES:
        if bare.lower().startswith(place):
            bare = bare[len(place) :]
            break
    name = _LOWER.get(bare.strip("/").lower())
    return None if name is None else (name, VOCABULARY[name])
