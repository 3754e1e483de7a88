"""`python -m tests.benchmarks measure|page|affect`; see the package."""

from __future__ import annotations

import sys

from edge.machine.starting import end_unheard


def main() -> int:
    """Measure, or write the page."""
    import argparse
    import json
    from pathlib import Path

    from edge.machine.whole_file import write_whole
    from tests.benchmarks.affect import add_arguments

    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="run everything, some minutes")
    measuring.add_argument("--out", type=Path, required=True)
    measuring.add_argument("--rounds", type=int, default=7)
    measuring.add_argument("--live", type=float, default=167.0, metavar="S", help="5,000 frames by default; 0 = none")
    measuring.add_argument("--chirps", type=int, default=40)
    measuring.add_argument("--npm", type=Path, help="folder in which HeadAudio is or shall be installed")
    paging = commands.add_parser("page", help="write the page of a result")
    paging.add_argument("result", type=Path)
    paging.add_argument("--out", type=Path, required=True)
    judging = commands.add_parser("affect", help="how much of acted speech reaches the eye; half an hour")
    add_arguments(judging)
    judging.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.command == "measure":
        from tests.benchmarks.measure import measure

        result = measure(arguments.rounds, arguments.live, arguments.chirps, arguments.npm)
        write_whole(arguments.out, json.dumps(result, indent=1) + "\n")
    elif arguments.command == "affect":
        from tests.benchmarks.affect import measure as measure_affect

        figures = json.dumps(measure_affect(arguments), indent=1)
        write_whole(arguments.out, figures + "\n")
        print(figures)
    else:
        from tests.benchmarks.page import render_page

        page = render_page(json.loads(arguments.result.read_text(encoding="utf-8")))
        write_whole(arguments.out, page)
    return 0


if __name__ == "__main__":
    end_unheard()
    from edge.exit_status import exit_status

    sys.exit(exit_status("tests.benchmarks", main))
