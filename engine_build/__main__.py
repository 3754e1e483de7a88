"""The commands that make a network: `python -m engine_build COMMAND --help`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from edge.errors import AuEdgeError

COMMANDS = {
    "label": ("engine_build.labels.label", "make labels from videos of speaking people"),
    "voices": ("engine_build.voices.make_voices", "make more voices: changed recordings, synthetic speakers, noise"),
    "train": ("engine_build.train", "train a network; a killed run goes on"),
    "evaluate": ("engine_build.evaluate", "measure a network on recordings with labels: report.html, report.json"),
    "export": ("engine_build.export", "write a trained network as ONNX with its manifest"),
    "quantize": ("engine_build.quantize", "write an int8 version of an exported network"),
    "build": ("engine_build.build", "build a TensorRT engine from an exported network"),
    "verify": ("engine_build.verify", "compare an engine with the network it was built from"),
}
_EXAMPLE = "example: python -m engine_build train config.json --out runs/stream"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its module is imported only when it is asked for.

    Returns:
        The exit code: 0, or that of the error (see `edge.errors`).
    """
    parser = argparse.ArgumentParser("python -m engine_build", description=__doc__, epilog=_EXAMPLE)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    arguments = list(sys.argv[1:] if argv is None else argv)
    asked = next((word for word in arguments if word in COMMANDS), None)
    for name, (module_name, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary)
        if name == asked:
            module = importlib.import_module(module_name)
            command.description = (module.__doc__ or summary).strip()
            command.formatter_class = argparse.RawDescriptionHelpFormatter
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    args = parser.parse_args(arguments)
    try:
        return int(args.run(args))
    except AuEdgeError as err:
        print(f"engine_build: {err}", file=sys.stderr)
        return err.exit_code
    except KeyboardInterrupt:
        print("engine_build: stopped; what was done is kept", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
