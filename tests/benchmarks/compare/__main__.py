"""`python -m tests.benchmarks.compare measure|page`; see the package."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from edge.exit_status import exit_status
from edge.machine.whole_file import write_whole


def main() -> int:
    """Measure, or write the page and its drawings."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.compare")
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="run every program over the clips, some minutes")
    measuring.add_argument("corpus", type=Path, help="folder with audio/ and labels.npz (of `engine_build landmarks`)")
    measuring.add_argument("--phones", type=Path, required=True, help="phones.json, as `engine_build voices` writes it")
    measuring.add_argument("--speakers", nargs="+", required=True, help="whose clips")
    measuring.add_argument(
        "--network", nargs="+", default=["au-edge=stream"], metavar="NAME=NETWORK", help="of au-edge, the default first"
    )
    measuring.add_argument(
        "--heard", default="yes", help='whether these networks heard the speakers in training: "no", or what to say'
    )
    measuring.add_argument("--npm", type=Path, help="folder with node_modules of HeadAudio and wawa-lipsync")
    measuring.add_argument("--timed", default="stream", metavar="NETWORK", help="whose processor time is told")
    measuring.add_argument("--rounds", type=int, default=3)
    measuring.add_argument("--keep", type=Path, help="folder in which what the peers showed is kept for the next run")
    measuring.add_argument("--out", type=Path, required=True)
    paging = commands.add_parser("page", help="write the page of a result, its drawings, and the numbers of the README")
    paging.add_argument("result", type=Path)
    paging.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.command == "measure":
        from tests.benchmarks.compare.measure import measure

        networks = dict(word.split("=", 1) for word in arguments.network)
        result = measure(
            arguments.corpus, arguments.phones, arguments.speakers, networks, arguments.heard, arguments.npm,
            arguments.rounds, arguments.keep, arguments.timed,
        )  # fmt: skip
        write_whole(arguments.out, json.dumps(result, indent=1) + "\n")
    else:
        from tests.benchmarks.compare.page import write_page
        from tests.benchmarks.compare.readme import write_readme

        result = json.loads(arguments.result.read_text(encoding="utf-8"))
        write_page(result, arguments.out)
        write_readme(result)
    return 0


if __name__ == "__main__":
    sys.exit(exit_status("tests.benchmarks.compare", main))
