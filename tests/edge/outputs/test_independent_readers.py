"""Software that nobody here wrote reads our formats: python-osc, liblo, a C compiler, Python's own json."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from edge.frames import State
from edge.outputs.binary import BinaryCodec
from edge.outputs.json_udp import JsonCodec
from edge.outputs.osc import OscCodec
from edge.vocabulary import ARKIT_APPLE
from tests.edge.outputs.faces import frame_with, manifest_with, random_frame
from tests.ports import free_udp_port
from tests.requirements import need

DOCS = Path(__file__).parents[3] / "docs"
MANIFEST = manifest_with()


def osc_messages(datagram: bytes) -> dict[str, list[object]]:
    from pythonosc.osc_packet import OscPacket

    return {timed.message.address: timed.message.params for timed in OscPacket(datagram).messages}


@pytest.mark.parametrize("state", list(State))
def test_python_osc_reads_every_state(state: State) -> None:
    frame = random_frame(3)
    frame.state = state
    (datagram,) = OscCodec(MANIFEST, {}).encode(frame)
    found = osc_messages(bytes(datagram))
    assert found["/face/info"] == [frame.sequence, 1_700_000_000, 250_000, state.label]
    assert found["/face/au"] == frame.activations.tolist()
    assert found["/face/head"] == frame.head_deg.tolist()


def test_python_osc_reads_one_address_per_channel_in_datagrams_that_are_never_fragmented() -> None:
    frame = random_frame(4)
    datagrams = [bytes(d) for d in OscCodec(MANIFEST, {"per_channel": "yes", "prefix": "/a/b/"}).encode(frame)]
    assert max(map(len, datagrams)) <= 1400
    found: dict[str, list[object]] = {}
    for datagram in datagrams:
        found |= osc_messages(datagram)
    assert {n: found[f"/a/b/au/{n}"][0] for n in ARKIT_APPLE} == dict(
        zip(ARKIT_APPLE, frame.activations.tolist(), strict=True)
    )


def test_oscdump_of_liblo_prints_the_frame() -> None:
    need("liblo", shutil.which("oscdump") is not None, "apt install liblo-tools")
    port = free_udp_port()
    codec = OscCodec(manifest_with(["jawOpen", "mouthClose"]), {})
    frame = frame_with([0.25, 1.0], [10.0, -20.0, 0.5], State.SILENCE)
    with subprocess.Popen(["stdbuf", "-oL", "oscdump", str(port)], stdout=subprocess.PIPE, text=True) as dump:
        try:
            assert dump.stdout is not None
            lines: list[str] = []
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                _wait_until_bound(port)
                for datagram in (*codec.announce(), *codec.encode(frame)):
                    sender.sendto(datagram, ("127.0.0.1", port))
            lines = [dump.stdout.readline() for _ in range(4)]
        finally:
            dump.terminate()
    printed = {line.split()[1]: " ".join(line.split()[2:]) for line in lines}
    assert printed["/face/names"] == 'ss "jawOpen" "mouthClose"'
    assert printed["/face/info"] == 'iiis 7 1700000000 250000 "silence"'
    assert printed["/face/au"] == "ff 0.250000 1.000000"
    assert printed["/face/head"] == "fff 10.000000 -20.000000 0.500000"


def _wait_until_bound(port: int) -> None:
    """Return when a process has bound the UDP port, on any address."""
    for _ in range(200):
        tables = Path("/proc/net/udp").read_text() + Path("/proc/net/udp6").read_text()
        if f":{port:04X} " in tables:
            return
        time.sleep(0.02)
    raise AssertionError("oscdump did not bind its port")


@pytest.fixture(scope="module")
def frame_printer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    need("cc", compiler is not None, "apt install gcc")
    program = tmp_path_factory.mktemp("c") / "frame_printer"
    source = Path(__file__).with_name("frame_printer.c")
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pedantic"]
    subprocess.run([str(compiler), *strict, f"-I{DOCS}", str(source), "-o", str(program)], check=True)
    return program


@pytest.mark.parametrize("seed", range(5))
def test_a_c_program_with_the_shipped_header_reads_the_binary(frame_printer: Path, seed: int) -> None:
    frame = random_frame(seed)
    (datagram,) = BinaryCodec(MANIFEST, {}).encode(frame)
    printed = subprocess.run([frame_printer], input=bytes(datagram), capture_output=True, check=True).stdout.split()
    assert [int(word) for word in printed] == [
        int(frame.state),
        frame.sequence,
        1_700_000_000_250_000,
        *[round(float(angle) * 100) for angle in frame.head_deg],
        *[round(float(value) * 65535) for value in frame.activations],
    ]


def test_the_header_is_c_plus_plus_too_as_arduino_needs_it(tmp_path: Path) -> None:
    compiler = shutil.which("c++") or shutil.which("g++")
    need("c++", compiler is not None, "apt install g++")
    source = tmp_path / "sketch.cpp"
    source.write_text('#include "au_edge_frame.h"\nint main() { au_edge_frame f; return au_edge_read(0, 0, &f); }\n')
    strict = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{DOCS}"]
    subprocess.run([str(compiler), *strict, str(source), "-o", str(tmp_path / "sketch")], check=True)
    assert subprocess.run([tmp_path / "sketch"]).returncode == 0


def test_the_c_program_refuses_a_changed_bit(frame_printer: Path) -> None:
    datagram = bytearray(BinaryCodec(MANIFEST, {}).encode(random_frame(0))[0])
    datagram[40] ^= 1
    assert subprocess.run([frame_printer], input=bytes(datagram), capture_output=True).stdout == b"refused\n"


def test_python_reads_the_json_which_fits_one_datagram_at_its_longest() -> None:
    frame = frame_with([1.0] * 52, [-180.0] * 3, State.STOPPING)
    frame.sequence = 2**31 - 1
    (datagram,) = JsonCodec(MANIFEST, {}).encode(frame)
    assert len(datagram) <= 1400
    assert json.loads(bytes(datagram)) == {
        "v": 1,
        "seq": 2**31 - 1,
        "t": 1_700_000_000.25,
        "state": "stopping",
        "au": dict.fromkeys(ARKIT_APPLE, 1.0),
        "head": {"pitch": -180.0, "yaw": -180.0, "roll": -180.0},
    }
