"""The commands that make a network small: `python -m calibration COMMAND --help`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from edge.errors import AuEdgeError

COMMANDS = {
    "quantize": ("calibration.quantize", "write the int8 version of a network, with a report"),
    "record": ("calibration.record", "record representative speech from the microphone"),
}
_EXAMPLE = "example: python -m calibration quantize stream.float32.json --speech recordings/ --out stream.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; its module is imported only when it is asked for.

    Returns:
        The exit code: 0, or that of the error (see `edge.errors`).
    """
    parser = argparse.ArgumentParser("python -m calibration", description=__doc__, epilog=_EXAMPLE)
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
        print(f"calibration: {err}", file=sys.stderr)
        return err.exit_code
    except KeyboardInterrupt:
        print("calibration: stopped; what was done is kept", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
