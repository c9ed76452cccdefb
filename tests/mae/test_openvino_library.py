"""OpenVINO must neither report to anybody nor need a home folder."""

import subprocess
import sys

from processes import environment

SPY = """
import sys
seen = []
sys.addaudithook(lambda event, args: seen.append(event) if event in ("socket.connect", "socket.getaddrinfo") else None)
import cinemae.mae.openvino_runtime, cinemae.export.write
from cinemae.mae.openvino_library import op, ov
assert ov.Core().available_devices and op.parameter
assert "openvino_telemetry" not in sys.modules, "it is left to others as it was"
import openvino.tools.ovc.convert_impl as uses_it
assert uses_it.tm.__name__ == "openvino.tools.ovc.telemetry_stub", uses_it.tm
import threading
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
assert not seen, seen
"""


def test_nothing_is_sent_or_counted(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SPY], capture_output=True, text=True, env=environment(HOME=str(tmp_path)), timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "intel").exists()


def test_a_telemetry_package_that_is_loaded_already_is_left_alone():
    code = "import openvino_telemetry, sys, cinemae.mae.openvino_library; assert sys.modules['openvino_telemetry']"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=120)
    assert done.returncode == 0, done.stderr
