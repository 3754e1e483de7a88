"""What the README says is run as it stands."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import COMMANDS
from tests.system.programs import ROOT, SPEECH, environment

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
BARE = {
    "au-edge render",
    "au-edge run",
    "au-edge head",
    "au-edge bench",
    "au-edge servo",
    "au-edge sync",
}  # named in a sentence, not meant to be typed like this
INLINE = [line for line in re.findall(r"`(au-edge [^`]+)`", README) if line not in BARE]
LINES = [line for kind, block in BLOCKS if kind == "sh" for line in block.splitlines() if line.startswith("au-edge ")]
# Commands that go on for ever or need a microphone end by themselves here; all else is as written.
BOUNDED = {"run": ["--duration", "1", "--no-view", "--input", str(SPEECH)], "watch": ["--duration", "0.3"]}
NEEDS_MICROPHONE = "--device"


@pytest.mark.parametrize("line", sorted(set(LINES + INLINE)))
def test_commands_of_the_readme_work(line: str, tmp_path: Path) -> None:
    for kind, block in BLOCKS:
        if kind == "ini":
            (tmp_path / "head.conf").write_text(block)
    shutil.copy(SPEECH, tmp_path / "speech.wav")  # libsndfile goes by content
    words = shlex.split(line)[1:]
    if NEEDS_MICROPHONE in words:
        at = words.index(NEEDS_MICROPHONE)
        del words[at : at + 2]
    words += BOUNDED.get(words[0], [])
    done = subprocess.run(
        [sys.executable, "-m", "edge", *words], cwd=tmp_path, env=environment(PYTHONPATH=str(ROOT)),
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    allowed = {0, 1} if words[0] == "watch" else {0, 69} if words[0] in ("check", "speak") else {0}  # no card here
    assert done.returncode in allowed, done.stderr
    assert "Traceback" not in done.stderr


def test_make_targets_of_the_readme_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:^|`)make (\w+)", README, flags=re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_files_that_documents_link_to_exist() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "edge", command, "--help"], cwd=ROOT, env=environment(), capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Example" in done.stdout
    assert f"au-edge {command}" in done.stdout


def test_no_document_names_this_workplace() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    # Written in pieces, or this file would name them too.
    pieces = (("/wo", "rk/"), ("/ro", "ot/"), ("pypi.o", "rg"), ("registry.n", "pmjs"))
    words = [re.compile(re.escape(first + second)) for first, second in pieces]
    for name in listed:
        path = ROOT / name
        if path.suffix in (".md", ".py", ".conf", ".service", ".sh", ".toml", ".json", "") and path.is_file():
            text = path.read_text(encoding="utf-8", errors="ignore")
            for word in words:
                assert not word.search(text), f"{name} names {word.pattern}"
