"""The documents describe what is sent, and the code in them works."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.app import PROTOCOLS, load_class
from edge.outputs.binary import BinaryCodec
from edge.outputs.retarget import load_retarget, shipped_retargets
from edge.robots.actuator_map import ACTUATOR_OPTIONS, ROBOT_OPTIONS
from edge.robots.assembly import DRIVERS, load_driver
from edge.vocabulary import ARKIT_APPLE
from tests.edge.outputs.faces import frame_with, manifest_with
from tests.requirements import need

DOCS = Path(__file__).parents[3] / "docs"
PROTOCOLS_PAGE = (DOCS / "protocols.md").read_text()
ROBOTS_PAGE = (DOCS / "robots.md").read_text()

# The board: datagrams arrive at given milliseconds, and the jaw is printed once a millisecond.
BOARD = """
#include <stdio.h>
#include <string.h>
static uint32_t now_ms;
static struct { uint32_t at_ms; int length; uint8_t bytes[256]; } arrivals[16];
static int n_arrivals, n_taken;
uint32_t millis(void) { return now_ms; }
int receive(uint8_t *packet, int room) {
    if (n_taken == n_arrivals || arrivals[n_taken].at_ms > now_ms || arrivals[n_taken].length > room) return 0;
    memcpy(packet, arrivals[n_taken].bytes, (size_t)arrivals[n_taken].length);
    return arrivals[n_taken++].length;
}
void move_jaw(uint16_t opening) { printf("%u\\n", opening); }
int main(void) {
    unsigned at_ms, length, byte;
    while (scanf("%u %u", &at_ms, &length) == 2) {
        arrivals[n_arrivals].at_ms = at_ms;
        arrivals[n_arrivals].length = (int)length;
        for (unsigned i = 0; i < length && scanf("%2x", &byte) == 1; i++) arrivals[n_arrivals].bytes[i] = (uint8_t)byte;
        n_arrivals++;
    }
    for (now_ms = 0; now_ms < 2000; now_ms++) loop();
    return 0;
}
"""


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    need("cc", compiler is not None, "apt install gcc")
    (sketch,) = re.findall(r"```c\n(.*?)```", PROTOCOLS_PAGE, re.DOTALL)
    folder = tmp_path_factory.mktemp("sketch")
    (folder / "board.c").write_text(sketch + BOARD)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{DOCS}"]
    subprocess.run([str(compiler), *flags, str(folder / "board.c"), "-o", str(folder / "board")], check=True)
    return folder / "board"


def jaw_over_time(board: Path, arrivals: list[tuple[int, int, float]]) -> list[int]:
    """Return the jaw in each millisecond, for frames that arrive at a time with a sequence and an opening."""
    codec = BinaryCodec(manifest_with(), {})
    lines = []
    for at_ms, sequence, opening in arrivals:
        frame = frame_with([0.0] * 52)
        frame.activations[ARKIT_APPLE.index("jawOpen")] = opening
        frame.sequence = sequence
        datagram = bytes(codec.encode(frame)[0])
        lines.append(f"{at_ms} {len(datagram)} {datagram.hex()}")
    printed = subprocess.run([board], input="\n".join(lines), capture_output=True, text=True, check=True).stdout
    return [int(line) for line in printed.split()]


def test_the_sketch_for_a_microcontroller_keeps_the_receivers_contract(board: Path) -> None:
    jaw = jaw_over_time(board, [(100, 1, 1.0), (133, 2, 1.0)])
    assert jaw[99] == 0
    assert set(jaw[100 : 133 + 100]) == {65535}, "held for 100 ms after the last frame"
    assert jaw[133 + 100 + 150] == pytest.approx(65535 / 2, rel=0.02), "half way after 150 more"
    assert set(jaw[133 + 100 + 300 :]) == {0}, "neutral after 300 more"


def test_the_sketch_drops_late_frames_and_takes_a_sender_that_starts_again(board: Path) -> None:
    assert set(jaw_over_time(board, [(10, 500, 1.0), (20, 499, 0.5), (30, 500, 0.5)])[10:60]) == {65535}
    assert jaw_over_time(board, [(10, 500, 1.0), (20, 0, 0.5)])[20] == 32768
    assert jaw_over_time(board, [(10, 2**32 - 1, 1.0), (20, 0, 0.5)])[20] == 32768


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_has_its_row_with_its_port_and_its_chapter(name: str) -> None:
    port = load_class(PROTOCOLS, name).default_port
    assert re.search(rf"^\| `{name}` \| {port} \|", PROTOCOLS_PAGE, re.MULTILINE)
    assert f"\n## {name}\n" in PROTOCOLS_PAGE


def test_the_sound_has_its_row_its_chapter_and_its_true_numbers() -> None:
    from edge.outputs.sound import DEFAULT_PORT
    from edge.outputs.sound_datagram import MOST_SAMPLES

    assert f"\n| `sound` | {DEFAULT_PORT} |" in PROTOCOLS_PAGE
    chapter = PROTOCOLS_PAGE.split("\n## sound\n")[1].split("\n## ")[0]
    assert f"at most {MOST_SAMPLES} " in chapter


def test_every_shipped_map_is_named() -> None:
    for name in shipped_retargets():
        assert f"`{name}`" in PROTOCOLS_PAGE


def test_the_map_in_the_document_is_a_map(tmp_path: Path) -> None:
    (example,) = re.findall(r"```\n(\[Mouth_Wide\].*?)```", PROTOCOLS_PAGE, re.DOTALL)
    path = tmp_path / "rig.ini"
    path.write_text(example)
    assert load_retarget(str(path), ARKIT_APPLE).targets == ("Mouth_Wide",)


def test_every_key_of_a_robot_is_described() -> None:
    for option in (*ROBOT_OPTIONS, *ACTUATOR_OPTIONS):
        assert f"`{option.name}`" in ROBOTS_PAGE
    for name in DRIVERS:
        assert f"`{name}`" in ROBOTS_PAGE
        for option in load_driver(name).OPTIONS:
            assert f"`{option.name}`" in ROBOTS_PAGE
