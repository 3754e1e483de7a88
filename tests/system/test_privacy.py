"""What is heard stays here: nothing but the configured frames leaves, and nothing is left in the home folder."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.requirements import need
from tests.system.programs import ROOT, SPEECH, environment

need("onnxruntime", importlib.util.find_spec("onnxruntime") is not None, "pip install onnxruntime")

# ONNX Runtime (1.32 for one) keeps a device's number and a queue of what it is about to send to its makers there.
PROGRAMS = {
    "edge": ["-m", "edge", "render", str(SPEECH), "--out", "frames.csv"],
    "engine_build": ["-c", "import engine_build.engine.verify, onnxruntime as o; o.InferenceSession(@)"],
    "calibration": ["-c", "import calibration.roll_out, onnxruntime as o; o.InferenceSession(@)"],
}


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_inference_library_tells_its_makers_nothing(program: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    network = str(ROOT / "edge" / "models" / "stream.int8.onnx")
    kept = {
        key: value for key, value in environment().items() if key not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    }
    done = subprocess.run(
        [sys.executable, *(word.replace("@", repr(network)) for word in PROGRAMS[program])], cwd=tmp_path, text=True,
        env={**kept, "HOME": str(home), "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(str(path.relative_to(home)) for path in home.rglob("*")) == []
