"""Configuration files."""

from __future__ import annotations

import json

import pytest

from cinemae.compare.errors import CompareError
from cinemae.compare.reading import load_config

YAML = """
name: tiny
seed: 4
data:
  train: {generators: &both [a, b]}
  test: {path: somewhere, generators: *both}
families: {all: *both}
methods:
  fused: {kind: head}
  small: {kind: head, train: {fit.folds: 3}}
"""


def test_yaml_and_json_say_the_same(tmp_path):
    (tmp_path / "c.yaml").write_text(YAML)
    config = load_config(tmp_path / "c.yaml")
    assert (config.seed, config.data.test.generators, list(config.methods)) == (4, ("a", "b"), ["fused", "small"])
    (tmp_path / "c.json").write_text(config.model_dump_json())
    assert load_config(tmp_path / "c.json") == config


def test_a_run_s_record_is_a_configuration(tmp_path):
    (tmp_path / "c.yaml").write_text(YAML)
    config = load_config(tmp_path / "c.yaml")
    (tmp_path / "run.json").write_text(json.dumps({"config": config.model_dump(mode="json"), "code": {}}))
    assert load_config(tmp_path / "run.json") == config


def test_overrides_replace_what_the_file_says(tmp_path):
    (tmp_path / "c.yaml").write_text(YAML)
    overrides = {"data.test.path": "elsewhere", "data.train.root": "r", "only": ["small"], "resamples": 0}
    config = load_config(tmp_path / "c.yaml", overrides)
    assert (config.data.test.path, config.data.test.generators) == ("elsewhere", ("a", "b"))
    assert (config.data.train.root, config.data.train.split) == ("r", "train")
    assert (list(config.expanded), config.resamples) == (["small"], 0)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("c.yaml", "methods: {a: {kind: head}\n", "not YAML"),
        ("c.yaml", "- a\n", "not a mapping"),
        ("c.yaml", "", "not a mapping"),
        ("c.yaml", "methods:\n  a: {kind: head}\n  a: {kind: saved}\n", "line 2: 'a' occurs twice"),
        ("c.yaml", "name: !!python/object/apply:os.system [ls]\n", "not YAML"),
        ("c.yaml", "methods: {a: {kind: head, train: {fit.folds: x}}}\n", r"fit\.folds = x"),
        ("c.yaml", "data: 3\nmethods: {a: {}}\n", "data"),
        ("c.json", "{", "not JSON"),
        ("c.json", '{"seed": 1, "seed": 2}', "'seed' occurs twice"),
        ("c.json", '{"name": 3}', "name"),
        ("c.txt", "name: a", "ends in .yaml"),
    ],
)
def test_what_is_wrong_is_named_with_the_file(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(CompareError, match=message) as caught:
        load_config(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_config(tmp_path / "none.yaml")
