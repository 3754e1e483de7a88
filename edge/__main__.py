"""`au-edge`, and `python -m edge`."""

import sys

from edge.machine.starting import end_unheard


def main() -> int:
    """Run the command of the process's arguments and return its exit status."""
    end_unheard()
    from edge.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
