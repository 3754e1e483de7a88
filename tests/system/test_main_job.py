"""The main job: the real program, real speech, real sockets, decoded by software that is not ours."""

from __future__ import annotations

import json
import shutil
import subprocess
import time

import numpy as np
from pythonosc.osc_packet import OscPacket

from tests.pace import Pace
from tests.ports import free_udp_port
from tests.requirements import need
from tests.system.programs import SPEECH, bound_socket, receive_for, running, stop

ONLY_OSC = ("-o", "output.json.enabled=no", "-o", "output.osc.enabled=yes")
ONLY_JSON = ("-o", "output.osc.enabled=no", "-o", "output.json.enabled=yes")


def _bundle(datagram: bytes) -> dict[str, list]:
    return {timed.message.address: list(timed.message.params) for timed in OscPacket(datagram).messages}


def test_speech_arrives_as_osc_and_the_end_is_neutral() -> None:
    with (
        bound_socket() as (receiver, port),
        running(
            "run", "--no-view", "--input", str(SPEECH), "--loop", *ONLY_OSC, "-o", f"output.osc.port={port}"
        ) as run,
    ):
        first = receiver.recv(65_536)
        with Pace() as pace:
            datagrams = [first, *receive_for(receiver, 4.0)]
            status, seconds, errors = stop(run)
        datagrams += receive_for(receiver, 0.2)
    assert status == 0, errors
    assert seconds < pace.allowed(1.0)
    bundles = [_bundle(d) for d in datagrams]
    names = next(b["/face/names"] for b in bundles if "/face/names" in b)
    assert len(names) == 52
    frames = [b for b in bundles if "/face/au" in b]
    assert pace.expected(4.0 * 30 * 0.9) <= len(frames) <= 5.0 * 30 + 10
    sequence = [b["/face/info"][0] for b in frames]
    assert sequence == list(range(sequence[0], sequence[0] + len(sequence))), "a frame was lost or came twice"
    values = np.array([b["/face/au"] for b in frames])
    assert values.shape[1] == 52
    assert values.min() >= 0
    assert values.max() <= 1
    assert values[:, names.index("jawOpen")].std() > 0.03, "the jaw does not move with the speech"
    states = [b["/face/info"][3] for b in frames]
    assert {"live", "silence"} <= set(states)
    assert states[-1] == "stopping"
    assert values[-1].max() == 0
    assert frames[-1]["/face/head"] == [0, 0, 0]
    captured_s = np.array([b["/face/info"][1] + b["/face/info"][2] / 1e6 for b in frames])
    assert abs(captured_s[-1] - time.time()) < 5
    np.testing.assert_allclose(np.median(np.diff(captured_s)), 1 / 30, atol=2e-3)


def test_liblo_decodes_what_is_sent() -> None:
    need("liblo", shutil.which("oscdump") is not None, "oscdump is missing: apt-get install liblo-tools")
    port = free_udp_port()
    dump = subprocess.Popen(["stdbuf", "-oL", "oscdump", str(port)], stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.3)
        with (
            Pace() as pace,
            running(
                "run",
                "--no-view",
                "--input",
                str(SPEECH),
                "--duration",
                "3",
                *ONLY_OSC,
                "-o",
                f"output.osc.port={port}",
            ) as run,
        ):
            run.wait(120.0)
        time.sleep(0.2)
    finally:
        dump.terminate()
        out, _ = dump.communicate()
    lines = out.splitlines()
    infos = [line for line in lines if "/face/info" in line]
    units = [line for line in lines if "/face/au" in line]
    assert len(infos) >= pace.expected(80)
    assert abs(len(units) - len(infos)) <= 1  # oscdump is stopped between two lines
    assert " iiis " in infos[0]
    assert "f" * 52 in units[0]
    assert any("/face/names" in line and "jawOpen" in line for line in lines)


def test_json_is_one_small_datagram_a_frame() -> None:
    with (
        bound_socket() as (receiver, port),
        running("run", "--no-view", "--input", str(SPEECH), *ONLY_JSON, "-o", f"output.json.port={port}") as run,
    ):
        with Pace() as pace:
            datagrams = [receiver.recv(65_536), *receive_for(receiver, 3.0)]
        assert stop(run)[0] == 0
    assert max(len(d) for d in datagrams) <= 1400
    frames = [f for f in (json.loads(d) for d in datagrams) if "au" in f]
    assert len(frames) > pace.expected(60)
    assert {"v", "seq", "t", "state", "au", "head"} <= frames[0].keys()
    assert np.std([f["au"].get("jawOpen", 0.0) for f in frames]) > 0.03


def test_a_file_ends_the_program_by_itself(tmp_path) -> None:
    import soundfile

    path = tmp_path / "short.wav"
    speech, rate = soundfile.read(SPEECH, frames=44_100)
    soundfile.write(path, speech, rate)
    with running("run", "--no-view", "--input", str(path)) as run:
        assert run.wait(120.0) == 0


def test_a_dead_receiver_does_not_hold_up_the_others() -> None:
    with (
        bound_socket() as (receiver, port),
        running(
            "run", "--no-view", "--input", str(SPEECH), *ONLY_JSON, "-o", f"output.json.port={port}",
            "-o", "output.gone.host=no-such-host.invalid", "-o", "output.gone.port=9", "-o", "output.closed.port=1",
        ) as run,
    ):  # fmt: skip
        receiver.recv(65_536)
        with Pace() as pace:
            frames = receive_for(receiver, 2.0)
        status, _, errors = stop(run)
    assert status == 0
    assert len(frames) >= pace.expected(55)
    assert errors.count("no-such-host.invalid") <= 3, "an outage is said once, not at every frame"
    assert "gone" in errors
