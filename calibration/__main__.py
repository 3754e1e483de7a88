"""The commands that make a network small: `python -m calibration COMMAND --help`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from edge.machine.starting import end_unheard

COMMANDS = {
    "quantize": ("calibration.quantize", "write the int8 version of a network, with a report"),
    "record": ("calibration.record", "record representative speech from the microphone"),
    "ship": ("calibration.ship", "put an exported network among those that come with the package"),
}
_EXAMPLE = "example: python -m calibration quantize stream --speech recordings/ --out mine/stream.json"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    from calibration.command_line import run_command

    return run_command("calibration", __doc__, COMMANDS, _EXAMPLE, argv)


if __name__ == "__main__":
    end_unheard()
    sys.exit(main())
