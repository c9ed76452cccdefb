"""IPTC and XMP: every value of the vocabulary, and the properties on AI."""

from __future__ import annotations

import pytest

import statements as st
from cinemae.evidence import read_evidence
from cinemae.evidence.source_types import VOCABULARY, source_type


@pytest.mark.parametrize("name", VOCABULARY)
def test_each_digital_source_type_is_said_in_words(name):
    (finding,) = read_evidence(
        st.jpeg_with(st.jpeg_xmp(st.xmp(Iptc4xmpExt_DigitalSourceType=st.SOURCE_TYPE + name)))
    ).findings
    assert finding.says == VOCABULARY[name].says
    assert finding.strength == ("stated" if finding.says in ("ai", "partly_ai") else "weak")
    assert name in finding.text


@pytest.mark.parametrize(
    "value",
    ["trainedAlgorithmicMedia", "TRAINEDALGORITHMICMEDIA", "digsrctype:trainedAlgorithmicMedia",
     "https://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia/",
     "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia", " trainedAlgorithmicMedia "],
)  # fmt: skip
def test_a_source_type_is_known_however_it_is_written(value):
    assert source_type(value)[0] == "trainedAlgorithmicMedia"


def test_a_value_outside_of_the_vocabulary_claims_nothing():
    data = st.jpeg_with(st.jpeg_xmp(st.xmp(Iptc4xmpExt_DigitalSourceType="http://example.com/robot")))
    (finding,) = read_evidence(data).findings
    assert (finding.says, finding.strength) == ("unclear", "weak")


def test_the_properties_of_2025_name_system_and_prompt():
    packet = st.xmp(
        Iptc4xmpExt_DigitalSourceType=st.SOURCE_TYPE + "trainedAlgorithmicMedia", Iptc4xmpExt_AISystemUsed="Imagen",
        Iptc4xmpExt_AISystemVersionUsed="4", Iptc4xmpExt_AIPromptInformation="a lighthouse",
        Iptc4xmpExt_AIPromptWriterName="Jane Doe",
    )  # fmt: skip
    (finding,) = read_evidence(st.jpeg_with(st.jpeg_xmp(packet))).findings
    assert finding.generator == "Imagen"
    told = {one.name: one.value for one in finding.details}
    assert (told["version"], told["prompt"], told["prompt writer"]) == ("4", "a lighthouse", "there, not shown")


def test_a_system_without_a_source_type_is_a_statement_too():
    (finding,) = read_evidence(st.jpeg_with(st.jpeg_xmp(st.xmp(Iptc4xmpExt_AISystemUsed="Imagen")))).findings
    assert (finding.says, finding.strength, finding.generator) == ("ai", "stated", "Imagen")


def test_xmp_is_read_as_attribute_and_as_resource():
    for inner in (
        'Iptc4xmpExt:DigitalSourceType="trainedAlgorithmicMedia"/>',
        "><Iptc4xmpExt:DigitalSourceType rdf:resource='trainedAlgorithmicMedia'/></rdf:Description>",
        "><Iptc4xmpExt:DigitalSourceType><rdf:Bag><rdf:li>trainedAlgorithmicMedia</rdf:li></rdf:Bag>"
        "</Iptc4xmpExt:DigitalSourceType></rdf:Description>",
    ):
        packet = (
            "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
            "<rdf:Description xmlns:Iptc4xmpExt='http://iptc.org/std/Iptc4xmpExt/2008-02-29/' "
            f"{inner}</rdf:RDF></x:xmpmeta>"
        )
        (finding,) = read_evidence(st.jpeg_with(st.jpeg_xmp(packet.encode()))).findings
        assert finding.says == "ai", inner
