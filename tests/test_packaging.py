"""What is built is what is in the tree, and works where nothing else of the checkout is."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from cinemae.verdict import Verdict
from installs import ROOT, Environment, build, copy_tree

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SAMPLES = sorted(path for path in (ROOT / "samples").iterdir() if path.suffix != ".md")

IMPORTS = {
    "hub": "huggingface_hub",
    "heic": "pillow_heif",
    "provenance": "c2pa, cinemae.evidence.beside",
    "parquet": "cinemae.scan.run, cinemae.scan.summary, cinemae.scan.sources.cells",
    "scan": "ray.data, fsspec, cinemae.scan.ray, cinemae.scan.storage.http",
    "serve": "cinemae.serve.app, cinemae.serve.run, cinemae.serve.openapi",
    "train": "cinemae.fusion.recipe, cinemae.evaluation, cinemae.compare.run, cinemae.pretrain.train",
    "export": "cinemae.export, onnxscript, onnxruntime",
    "report": "cinemae.report.build, cinemae.report.draw",
    "bench": "skimage, transformers, cinemae.fusion.recipe",
}
"""What of each extra is imported where only this extra is."""

EVERY_MODULE = """
import importlib, pkgutil, cinemae
names = [m.name for m in pkgutil.walk_packages(cinemae.__path__, "cinemae.") if not m.name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
print(len(names), cinemae.__file__)
"""


def in_tree(folder: Path = ROOT / "src") -> set[str]:
    """The files of the package in the checkout, as a wheel names them."""
    files = (path for path in (folder / "cinemae").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in files}


def in_wheel(wheel: Path) -> set[str]:
    """The files of the package in a wheel, those that are put there from elsewhere left out."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    return {name for name in names if not name.startswith("cinemae/configs/")}


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source archive and, built from it, the wheel; the tree is a copy outside of git."""
    tree = copy_tree(tmp_path_factory.mktemp("tree"))
    out = tmp_path_factory.mktemp("dist")
    build(tree, out)
    return out


@pytest.fixture(scope="module")
def wheel(artefacts: Path) -> Path:
    (found,) = artefacts.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Environment:
    """The wheel with what it needs and no extra."""
    env = Environment(tmp_path_factory.mktemp("bare"))
    env.link(PROJECT["dependencies"])
    env.install(str(wheel))
    return env


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    assert "cinemae/mae/load.py" in in_tree()  # an ignore pattern once took it out
    assert in_wheel(wheel) == in_tree()


def test_the_wheel_has_the_configurations(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for config in (ROOT / "configs").iterdir():
            assert archive.read(f"cinemae/configs/{config.name}") == config.read_bytes()


def test_the_source_archive_has_what_make_test_needs(artefacts: Path) -> None:
    (sdist,) = artefacts.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    here = {f"src/{name}" for name in in_tree()}
    for folder in ("tests", "configs", "samples", "benchmarks", "scripts", "docs", "deploy"):
        here |= {
            path.relative_to(ROOT).as_posix()
            for path in (ROOT / folder).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
    here |= {
        "Makefile",
        "constraints.txt",
        "constraints-cpu.txt",
        "README.md",
        "Dockerfile",
        "compose.yaml",
        ".dockerignore",
        ".ci/run",
    }
    assert here - names == set()


def test_a_wheel_straight_from_the_tree_is_the_same(tmp_path: Path, wheel: Path) -> None:
    build(copy_tree(tmp_path / "tree"), tmp_path / "out", "--wheel")
    (direct,) = (tmp_path / "out").glob("*.whl")
    assert zipfile.ZipFile(direct).namelist() == zipfile.ZipFile(wheel).namelist()


def test_what_the_dockerfile_builds_from_gives_the_same_wheel(tmp_path: Path, wheel: Path) -> None:
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    build(copy_tree(tmp_path / "tree", let_through), tmp_path / "out", "--wheel")
    (docker,) = (tmp_path / "out").glob("*.whl")
    assert zipfile.ZipFile(docker).namelist() == zipfile.ZipFile(wheel).namelist()


def test_the_check_of_the_image_copies_what_the_dockerfile_does() -> None:
    (line,) = re.findall(r"^cp -r (.*) \"\$place/src\"$", (ROOT / "deploy" / "check.sh").read_text(), re.MULTILINE)
    let_through = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(line.split()) == sorted(let_through)


def test_make_installs_what_is_built_and_again_when_the_sources_change() -> None:
    text = (ROOT / "Makefile").read_text()
    assert not re.search(r"install .*(-e|--editable)\b", text)
    for target in ("DEMO", "TEST", "BENCH"):
        assert f"$({target})/installed: $(SOURCES)" in text
    shown = subprocess.run(
        ["make", "-p", "-n", "help"], cwd=ROOT, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
    )
    (sources,) = re.findall(r"^SOURCES := (.*)$", shown.stdout, re.MULTILINE)
    assert {f"src/{name}" for name in in_tree()} <= set(sources.split())


# --- installed where nothing else is ----------------------------------------------------------------


def assert_scores(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    assert json.loads(last) == {"left_out": {"count": 1, "kinds": {".md": 1}}}
    verdicts = [Verdict.model_validate_json(line) for line in lines]
    assert len(verdicts) == len(SAMPLES)
    assert all(verdict.probability is not None for verdict in verdicts)


def test_the_wheel_alone_detects(bare: Environment) -> None:
    assert_scores(bare.run("-m", "cinemae", "detect", str(ROOT / "samples"), "--json"))
    where = bare.run("-c", "import cinemae; print(cinemae.__file__)").stdout
    assert where.startswith(str(bare.place))


def test_the_wheel_alone_draws_maps_and_lists_models(bare: Environment) -> None:
    done = bare.run("-m", "cinemae", "detect", str(SAMPLES[0]), "--map", "maps")
    assert done.returncode == 0, done.stderr
    assert len(list((bare.place / "maps").iterdir())) == 2
    models = bare.run("-m", "cinemae", "models")
    assert models.returncode == 0, models.stderr
    assert "vit-tiny" in models.stdout


def test_its_script_is_there(bare: Environment) -> None:
    done = subprocess.run([bare.place / "bin" / "cinemae", "--version"], capture_output=True, text=True)
    assert done.stdout == f"cinemae {PROJECT['version']}\n"


def test_a_command_whose_extra_is_not_there_names_it(bare: Environment) -> None:
    for command, extra in ((["scan", "x", "--out", "y"], "parquet"), (["serve"], "serve"), (["train", "x"], "train")):
        done = bare.run("-m", "cinemae", *command, *(["--out", "y"] if command[0] == "train" else []))
        assert done.returncode == 2
        assert f"[{extra}]" in done.stderr
        assert "Traceback" not in done.stderr


def test_pip_install_of_the_checkout_in_an_empty_environment(tmp_path: Path) -> None:
    tree = copy_tree(tmp_path / "tree")
    env = Environment(tmp_path / "env")
    env.link([*PROJECT["dependencies"], "hatchling"])
    env.install(str(tree))
    shutil.rmtree(tree)
    assert_scores(env.run("-m", "cinemae", "detect", str(ROOT / "samples"), "--json"))


def test_the_source_archive_installs_and_detects(tmp_path: Path, artefacts: Path) -> None:
    (sdist,) = artefacts.glob("*.tar.gz")
    env = Environment(tmp_path / "env")
    env.link([*PROJECT["dependencies"], "hatchling"])
    env.install(str(sdist))
    assert_scores(env.run("-m", "cinemae", "detect", str(ROOT / "samples"), "--json"))


@pytest.mark.parametrize("extra", sorted(set(PROJECT["optional-dependencies"]) - {"all", "dev"}))
def test_each_extra_brings_what_it_is_for(extra: str, tmp_path: Path, wheel: Path) -> None:
    env = with_extra(tmp_path / "env", wheel, extra)
    done = env.run("-W", "ignore", "-c", f"import {IMPORTS[extra]}")
    assert done.returncode == 0, done.stderr


def with_extra(place: Path, wheel: Path, extra: str) -> Environment:
    """An environment with the wheel and what one of its extras asks for, extras of extras included."""
    wanted, stack = list(PROJECT["dependencies"]), [extra]
    while stack:
        for text in PROJECT["optional-dependencies"][stack.pop()]:
            if inner := re.fullmatch(r"cinemae\[([\w,]+)\]", text):
                stack += inner[1].split(",")
            else:
                wanted.append(text)
    env = Environment(place)
    env.link(wanted)
    env.install(f"{wheel}[{extra}]")
    return env


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Environment:
    """The wheel with all extras that users may want."""
    return with_extra(tmp_path_factory.mktemp("full"), wheel, "all")


def test_every_module_is_importable_with_all_extras(full: Environment) -> None:
    done = full.run("-W", "ignore", "-c", EVERY_MODULE)
    assert done.returncode == 0, done.stderr
    count, where = done.stdout.split()
    assert int(count) > 100
    assert where.startswith(str(full.place))


def test_scan_works_where_it_is_installed(full: Environment) -> None:
    done = full.run("-m", "cinemae", "scan", str(ROOT / "samples"), "--out", "table")
    assert done.returncode == 0, done.stderr
    summed = json.loads(full.run("-m", "cinemae", "scan", "summary", "table", "--json").stdout)
    assert summed["rows"] == len(SAMPLES)
    assert summed["errors"] == {}


def test_shipped_configurations_are_found_where_it_is_installed(full: Environment) -> None:
    sets = full.place / "DATA" / "toy" / "val"
    for folder in ("ai", "nature"):
        (sets / folder).mkdir(parents=True)
        shutil.copy(SAMPLES[0], sets / folder)
    data = str(full.place / "DATA")
    for name in ("configs/bench.yaml", "bench.yaml"):
        done = full.run("-m", "cinemae", "compare", name, "--train", data, "--test", data, "--dry-run")
        assert done.returncode == 0, done.stderr
        assert "fused" in done.stdout


def test_the_service_answers_where_it_is_installed(full: Environment) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = f"http://127.0.0.1:{port}"
    command = [str(full.python), "-I", "-m", "cinemae", "serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=full.place, stderr=subprocess.DEVNULL) as server:
        try:
            await_health(where, server)
            body = Request(f"{where}/v1/detect", SAMPLES[0].read_bytes(), {"Content-Type": "image/jpeg"})
            with urlopen(body) as answer:
                (result,) = json.load(answer)["results"]
            with urlopen(where) as page:
                assert "cinemae" in page.read().decode()
        finally:
            server.terminate()
            status = server.wait()
    assert result["verdict"]["probability"] is not None
    assert status == 0


def await_health(where: str, server: subprocess.Popen[bytes]) -> None:
    while True:  # as long as it takes to start; one that ends instead is seen
        assert server.poll() is None, "the service has ended"
        try:
            urlopen(f"{where}/healthz").close()
        except URLError:
            time.sleep(0.2)
        else:
            return


def test_the_table_of_imports_names_every_extra() -> None:
    assert set(IMPORTS) == set(PROJECT["optional-dependencies"]) - {"all", "dev"}


def test_what_builds_here_is_what_builds_in_isolation() -> None:
    """The tests build with the backend that is installed; it must be one that the project asks for."""
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    dev = PROJECT["optional-dependencies"]["dev"]
    assert set(asked) <= set(dev)
    assert sys.version_info >= (3, 11)
