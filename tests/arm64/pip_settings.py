"""Tell the pip of another root where this machine's finds packages.

    PIP_USER=0 python -m pip config list | python -m tests.arm64.pip_settings ROOT

What it is told by files and by its environment lies outside another root, or is dropped with the environment. Written
into ROOT/etc/pip.conf is the sum of both; printed, one a line, are the folders of this machine that it names.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

# What says where packages come from and how to reach it. The rest is what somebody likes, or holds for this machine.
KEYS = ("index-url", "extra-index-url", "find-links", "no-index", "proxy", "trusted-host", "retries")


def handed_on(listed: str) -> dict[str, str]:
    """Return the settings of KEYS in what `pip config list` printed; the environment's win, as they do in pip."""
    found: dict[str, str] = {}
    by_environment: dict[str, str] = {}
    for line in listed.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if key in KEYS and section in (":env:", "global", "install"):
            (by_environment if section == ":env:" else found)[key] = str(ast.literal_eval(value))
    return found | by_environment


def as_file(settings: dict[str, str]) -> str:
    """Return the pip.conf with these settings."""
    lines = (f"{key} = " + "\n    ".join(value.split()) for key, value in settings.items())
    return "\n".join(("[global]", *lines)) + "\n"


def folders(settings: dict[str, str]) -> list[str]:
    """Return the folders of this machine that the settings need, absolute, each once.

    An index names its files by `../../files/NAME`, as the specification's own example does: the folder above it counts.
    """
    found = []
    for key, value in settings.items():
        for word in value.split():
            path = Path(word.removeprefix("file://"))
            if path.is_dir() and path.is_absolute():
                found.append(str(path.parent if "index-url" in key and path.parent != Path("/") else path))
    return list(dict.fromkeys(found))


def main(root: str) -> None:
    """Write ROOT/etc/pip.conf and print the folders."""
    settings = handed_on(sys.stdin.read())
    Path(root, "etc/pip.conf").write_text(as_file(settings), encoding="utf-8")
    for folder in folders(settings):
        print(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
