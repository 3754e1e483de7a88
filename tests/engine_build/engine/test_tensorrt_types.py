"""Every call of TensorRT against the published types."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.requirements import need
from tests.tensorrt_stubs import find_stubs, write_repaired_stubs

ROOT = Path(__file__).parent.parent.parent.parent
FILES = (
    "edge/backends/tensorrt.py",
    "edge/backends/tensorrt_library.py",
    "edge/backends/tensorrt_session.py",
    "engine_build/engine/tensorrt_build.py",
)


def check_types(files: list[str], stubs: Path) -> list[str]:
    """Return mypy's complaints about our files."""
    found = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", *files],
        cwd=ROOT, env=os.environ | {"MYPYPATH": str(stubs)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "error: Cannot find" not in found.stderr
    lines = [line for line in found.stdout.splitlines() if ": error: " in line]
    return [line for line in lines if not Path(line.split(":", 1)[0]).is_absolute() or str(stubs) not in line]


def ours(lines: list[str]) -> list[str]:
    return [line for line in lines if re.match(r"(edge|engine_build)/|.*wrong_call", line)]


def test_every_call_of_tensorrt_keeps_to_its_types_and_a_wrong_one_is_seen(tmp_path: Path) -> None:
    need("tensorrt-stubs", find_stubs() is not None, "pip install tensorrt-stubs==10.13.0.35.1")
    need("mypy", subprocess.run([sys.executable, "-m", "mypy", "--version"]).returncode == 0, "pip install mypy")
    stubs = tmp_path / "stubs"
    removed = write_repaired_stubs(stubs)
    assert len(removed) < 10  # of functions that we do not call
    wrong = tmp_path / "wrong_call.py"
    wrong.write_text(
        "import tensorrt as trt\n\n\n"
        "def wrong(context: trt.IExecutionContext) -> bool:\n"
        "    return context.execute_async_v4(0)\n"
    )
    complaints = ours(check_types([*FILES, str(wrong)], stubs))
    assert [line for line in complaints if "execute_async_v4" in line], "the stubs were not looked at"
    assert [line for line in complaints if "wrong_call" not in line] == []
