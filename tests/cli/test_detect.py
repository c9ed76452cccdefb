"""``cinemae detect`` from outside: what it prints, its exit status, how it takes bad files and Ctrl-C."""

import csv
import io
import json
import os
import pty
import select
import signal
from pathlib import Path

import pytest
from PIL import Image

from cinemae.detector import Detector
from cinemae.mae.select import resolve_precision
from cinemae.verdict import Verdict, guarantee
from processes import start
from toys import FIT, pink

LEFT_OUT = {"count": 3, "kinds": {".txt": 1, "hidden": 1, "hidden folder": 1}}


def verdicts(text: str) -> list[Verdict]:
    """The verdicts of JSON lines; a last line may count what is no input."""
    lines = text.splitlines()
    if lines and lines[-1].startswith('{"left_out"'):
        lines.pop()
    return [Verdict.model_validate_json(line) for line in lines]


def scores(found: list[Verdict]) -> list[Verdict]:
    return [verdict.model_copy(update={"seconds": 0.0}) for verdict in found]


def test_folder_as_json_equals_the_api(cinemae, album, head_folder):
    done = cinemae("detect", album, "--model", head_folder, "--json", "--batch-size", 3)
    assert done.returncode == 0
    kinds = "left out as no images: 3 (1 .txt, 1 hidden, 1 hidden folder)"
    assert done.stderr == f"cinemae: 3 inputs, 0 of them refused; {kinds}\n"
    assert json.loads(done.stdout.splitlines()[-1]) == {"left_out": LEFT_OUT}
    found = verdicts(done.stdout)
    assert [Path(verdict.path).name for verdict in found] == ["a.JPG", "b.png", "c.webp"]
    detector = Detector.load(head_folder)
    assert scores(found) == scores([detector.detect_one(verdict.path) for verdict in found])
    assert all(verdict.verdict in ("ai", "real", "inconclusive") for verdict in found)
    first = json.loads(done.stdout.splitlines()[0])
    wanted = {"path", "verdict", "probability", "bits_per_dim", "width", "height", "format", "error"}
    assert wanted <= first.keys()
    assert (first["format"], first["width"], first["error"]) == ("JPEG", 96, None)


def test_bad_files_stay_in_the_stream_and_stop_nobody(cinemae, album, bad_files, head_folder):
    bomb, cut, text = bad_files.values()
    given = [bomb, album / "b.png", cut, text, "no/such.png", "http://127.0.0.1:1/x.png", album / "a.JPG"]
    done = cinemae("detect", *given, "--model", head_folder, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    found = verdicts(done.stdout)
    assert [verdict.path for verdict in found] == [str(path) for path in given]
    types = [verdict.error and verdict.error.type for verdict in found]
    reading = "UnreadableFileError"
    assert types == ["PixelLimitError", None, "TruncatedImageError", "UnsupportedFormatError", reading, reading, None]
    assert all(verdict.error is None or verdict.error.message.startswith(verdict.path) for verdict in found)
    assert all((verdict.verdict is None) == (verdict.error is not None) for verdict in found)


def test_table_in_a_pipe(cinemae, album, bad_files, head_folder):
    done = cinemae("detect", album / "b.png", bad_files["TruncatedImageError"], "--model", head_folder)
    assert (done.returncode, done.stderr) == (1, f"cinemae: {guarantee(FIT.alpha)}\n")
    head, good, bad = done.stdout.splitlines()
    assert head.split() == ["verdict", "P(ai)", "bits/dim", "size", "format", "bytes", "seconds", "path"]
    assert good.endswith(str(album / "b.png"))
    assert good.split()[0] in ("ai", "real", "inconclusive")
    assert bad.startswith("refused")
    assert "\x1b" not in done.stdout


def test_standard_input_and_csv(cinemae, album, head_folder):
    done = cinemae("detect", "-", "--model", head_folder, "--csv", stdin=(album / "b.png").read_bytes())
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["path"], row["format"], row["error_type"]) == ("-", "PNG", "")
    assert float(row["probability"]) == Detector.load(head_folder).detect_one(album / "b.png").probability


def test_empty_folder_and_empty_input(cinemae, tmp_path, head_folder):
    done = cinemae("detect", tmp_path, "-", "--model", head_folder, "--json", stdin=b"")
    assert done.returncode == 1
    folder, nothing = verdicts(done.stdout)
    assert "no image" in folder.error.message
    assert "empty" in nothing.error.message


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["x.png", "--json", "--csv"], "--json or --csv"),
        (["x.png", "--threshold", "1.5"], "--threshold"),
        (["x.png", "--alpha", "0"], "--alpha"),
        (["x.png", "--alpha", "0.1", "--threshold", "0.5"], "not both"),
        (["x.png", "--batch-size", "0"], "--batch-size"),
        (["x.png", "--device", "nonsense"], "--device"),
        ([], "PATH"),
        (["x.png", "--no-such-option"], "--no-such-option"),
    ],
)
def test_usage(cinemae, options, said):
    done = cinemae("detect", *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("options", [["--model", "."], ["--backbone", "no-such-mae"]])
def test_what_cannot_be_loaded_is_one_line(cinemae, options, album, tmp_path):
    done = cinemae("detect", album / "b.png", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("cinemae: ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_maps_need_a_folder(cinemae, album, tmp_path):
    (tmp_path / "a-file").touch()
    done = cinemae("detect", album / "b.png", "--map", "a-file", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "a-file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_table_says_what_its_verdicts_are_worth(cinemae, album, head_folder):
    said = "cinemae: at most 25 % of AI images like those of calibration are called real, and of real ones AI\n"
    common = ["detect", album / "b.png", "--model", head_folder]
    assert cinemae(*common, "--alpha", 0.25).stderr == said
    assert cinemae(*common, "--threshold", 0.5).stderr == ""
    assert cinemae(*common, "--alpha", 0.25, "--csv").stderr == ""  # where it stands in each row


def test_an_alpha_that_the_head_cannot_keep_is_one_line(cinemae, album, head_folder):
    done = cinemae("detect", album / "b.png", "--model", head_folder, "--alpha", 0.001)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "the smallest possible is 0.0589" in done.stderr


def test_options_reach_the_detector(cinemae, album, head_folder, tmp_path):
    common = ["detect", album / "b.png", "--model", head_folder, "--json"]
    (plain,) = verdicts(cinemae(*common).stdout)
    (other,) = verdicts(cinemae(*common, "--seed", 5, "--threshold", 1e-200, "--map", tmp_path / "maps").stdout)
    assert other.seed == 5
    assert other.bits_per_dim != plain.bits_per_dim
    assert (other.verdict, other.threshold, other.band) == ("ai", 1e-200, (1e-200, 1e-200))
    assert (plain.alpha, other.alpha) == (FIT.alpha, None)
    assert (other.p_ai is None) is (other.p_real is None) is False
    (less,) = verdicts(cinemae(*common, "--alpha", 0.7).stdout)
    assert (less.alpha, less.probability) == (0.7, plain.probability)
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["b.overlay.png", "b.sides.png"]
    (accurate,) = verdicts(cinemae(*common, "--accurate").stdout)
    assert accurate.bits_per_dim not in (plain.bits_per_dim, other.bits_per_dim)
    small = cinemae(*common, "--max-pixels", 9000)
    assert small.returncode == 1
    assert verdicts(small.stdout)[0].error.type == "PixelLimitError"


def test_another_backbone_scores_the_likelihood(cinemae, album, mae_folders, head_folder):
    """The head is given with another MAE than its own: refused in one line; no score from a mismatch."""
    done = cinemae("detect", album / "b.png", "--model", head_folder, "--backbone", mae_folders["fine"])
    assert done.returncode == 2
    assert "trained" in done.stderr
    assert "Traceback" not in done.stderr


def many(place, count):
    """Links to one picture under many names."""
    Image.fromarray(pink(1)).save(place / "0000.png")
    for number in range(1, count):
        os.link(place / "0000.png", place / f"{number:04d}.png")
    return place


def test_ctrl_c_leaves_whole_lines(tmp_path, head_folder):
    process = start("detect", many(tmp_path, 2000), "--model", head_folder, "--json")
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    # Not communicate(): it would lose what readline() has read ahead.
    with process.stdout, process.stderr:
        rest, said = process.stdout.read(), process.stderr.read()
    assert process.wait(timeout=600) == 130
    found = verdicts(first + rest)
    assert 0 < len(found) < 2000
    # The signal may fall between a line and its being counted.
    counts = [f"interrupted after {len(found) - late} of 2000 inputs\n" for late in (0, 1)]
    assert said in counts
    assert (first + rest).endswith("\n")


def test_reader_that_hangs_up(tmp_path, head_folder):
    """``cinemae detect ... | head -1`` ends without a traceback."""
    process = start("detect", many(tmp_path, 2000), "--model", head_folder, "--json")
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    assert process.wait(timeout=600) == 1
    assert said == ""
    process.stderr.close()


def terminal_output(main: int, process) -> str:
    """What a process writes to a terminal until it ends."""
    seen = b""
    while True:
        if select.select([main], [], [], 0.1)[0]:
            try:
                seen += os.read(main, 65536)
            except OSError:  # Linux says so when the last writer is gone
                break
        elif process.poll() is not None:
            break
    os.close(main)
    return seen.decode()


def test_progress_on_a_terminal_leaves_piped_output_alone(tmp_path, head_folder):
    main, side = pty.openpty()
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    with (tmp_path / "out.jsonl").open("w") as out:
        process = start("detect", many(pictures, 6), "--model", head_folder, "--json", stdout=out, stderr=side)
    os.close(side)
    shown = terminal_output(main, process)
    assert process.wait(timeout=600) == 0
    assert len(verdicts((tmp_path / "out.jsonl").read_text())) == 6
    assert "scoring" in shown
    assert "6/6" in shown
    assert "bits_per_dim" not in shown


def test_table_on_a_terminal_is_coloured(tmp_path, head_folder):
    main, side = pty.openpty()
    process = start("detect", many(tmp_path, 3), "no.png", "--model", head_folder, stdout=side, stderr=side)
    os.close(side)
    shown = terminal_output(main, process)
    assert process.wait(timeout=600) == 1
    assert "\x1b[35mrefused" in shown
    assert "scoring" in shown
    for number in range(3):
        assert f"{number:04d}.png" in shown


def test_jobs_and_precision_are_the_callers(cinemae, album, head_folder):
    common = ["detect", album, "--model", head_folder, "--json"]
    runs = [cinemae(*common, "--precision", "f32", "--jobs", jobs) for jobs in (1, 2, 3)]
    found = [scores(verdicts(run.stdout)) for run in runs]
    assert found[0] == found[1] == found[2]
    assert {verdict.precision for verdict in found[0]} == {"f32"}
    (automatic,) = {verdict.precision for verdict in verdicts(cinemae(*common).stdout)}
    assert automatic == resolve_precision("auto")
