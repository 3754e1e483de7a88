"""Write an int8 version of an exported network: the pipeline's name for `python -m calibration quantize`.

python -m engine_build quantize models/mine.json --audio recordings/ --out models/mine-int8.json
"""

from __future__ import annotations

import argparse
from pathlib import Path

from calibration.command_line import count
from calibration.quantize import quantize
from calibration.report import as_text

DEFAULT_CLIPS = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("manifest", type=Path, help="manifest of the float32 network")
    parser.add_argument("--audio", type=Path, required=True, help="folder of representative recordings")
    parser.add_argument("--clips", type=count, default=DEFAULT_CLIPS, help="how many of them, evenly spread (0 = all)")
    parser.add_argument("--out", type=Path, required=True, help="manifest to write; NAME.int8.onnx goes beside it")


def run(args: argparse.Namespace) -> int:
    """Quantise as the command line says."""
    print(as_text(quantize(args.manifest, args.audio, args.out, n_files=args.clips)))
    return 0
