"""Write down which Python packages `install.sh` installs as root: version and SHA-256 of each, in `systemd/pins/`.

`make pins` runs it, in a working copy and with the network: it asks uv for the newest versions that setup.py allows,
for every Python from 3.10 on. `build.txt` is what builds, `base.txt` what every machine gets, EXTRA.txt what an extra
adds. Each is installed by `pip install --require-hashes --requirement FILE`, which takes nothing else.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINS = ROOT / "systemd" / "pins"
EXTRAS = ("head", "metrics", "robots", "formats", "jetson", "openvino")  # what a service may need
BUILD = "setuptools>=59\nwheel\n"  # as [build-system] of pyproject.toml; also what PyAudio and PyCUDA are built with
OLDEST_PYTHON = "3.10"
_BLOCK = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==.*?(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Write the files anew; the exit status is that of uv."""
    PINS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        build, everything = Path(folder, "build.in"), Path(folder, "all.txt")
        build.write_text(BUILD)
        compile_pins([str(build)], PINS / "build.txt")
        # All together first, so that two extras never ask for two versions of one package.
        compile_pins(["setup.py", *(f"--extra={extra}" for extra in EXTRAS)], everything)
        base = compile_pins(["setup.py", f"--constraint={everything}"], PINS / "base.txt")
        for extra in EXTRAS:
            target = PINS / f"{extra}.txt"
            compile_pins(["setup.py", f"--extra={extra}", f"--constraint={everything}"], target, base)
    return 0


def compile_pins(arguments: list[str], target: Path, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """Have uv write a file of pins, and leave only those in it that are not in another already.

    Args:
        arguments: What is pinned.
        target: The file.
        known: Lines of pins that lie elsewhere.

    Returns:
        The first line of each pin.
    """
    done = subprocess.run(
        [sys.executable, "-m", "uv", "pip", "compile", "--universal", f"--python-version={OLDEST_PYTHON}",
         "--generate-hashes", "--upgrade", "--no-annotate", "--no-header", "--no-emit-index-url",
         "--no-python-downloads", "--no-config", *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    pins = {block[0].split("\n", 1)[0]: block[0] for block in _BLOCK.finditer(done.stdout)}
    text = "".join(block for first, block in pins.items() if first not in known)
    target.write_text(f"# Written by `make pins`.\n{text}", encoding="utf-8")
    return frozenset(pins)


if __name__ == "__main__":
    sys.exit(main())
