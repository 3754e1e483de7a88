"""`au-edge speak` on a virtual loudspeaker: every sample is played, and each face comes when its sound leaves."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from tests.pace import Pace
from tests.system.programs import ROOT, SPEECH, au_edge, bound_socket, environment
from tests.system.talking import MOUTH, Watcher
from tests.virtual_loudspeaker.audience import Audience, open_hall
from tests.virtual_microphone.air import Device

SECONDS = 6.0
BLOCK, LOUD = 1024, 0.01
TOLERANCE = 4 / 32768  # 16 bits, dithered
HELD_S = 0.04  # docs/talking.md: Python may stand still for so long without being heard
QUIET = ("--no-view", "-o", "output.osc.enabled=no")


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Audience]]:
    with open_hall(tmp_path_factory.mktemp("hall"), [Device("speaker_44", 44_100, 2)]) as made:
        yield made


@pytest.fixture(autouse=True)
def _repaired(hall: dict[str, Audience]) -> Iterator[None]:
    yield
    hall["speaker_44"].fault("none")
    hall["speaker_44"].run_fast(0)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sound, rate_hz = soundfile.read(SPEECH, dtype="float32")
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    soundfile.write(path, sound[: int(SECONDS * rate_hz)], rate_hz)
    return path


def begins_of(
    sound: NDArray[np.float32], rate_hz: int, audience: Audience, since_s: float, may_pause: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Check that all of a sound left the loudspeaker, unchanged, once, in order; return how time and sound went along.

    A card that ran dry, since the machine gave the program no processor for longer than the card holds, pauses in the
    middle: what follows is later, and none of it is lost.

    Returns:
        Times in the sound, [n], and when its first sample would have left going by what was heard there, [n].
    """
    runs = [run for run in audience.heard() if run.start_s > since_s]
    heard = np.concatenate([run.samples[:, 0] for run in runs]).astype(np.float64)
    times_s = np.concatenate([run.times() for run in runs])
    n = 1 << (len(heard) + BLOCK).bit_length()
    spectrum, power = np.fft.rfft(heard, n), np.concatenate([[0.0], np.cumsum(heard**2)])

    def is_at(place: int, block: NDArray[np.float64]) -> bool:
        there = heard[place : place + BLOCK]
        return len(there) == BLOCK and bool(np.abs(there - block).max() < TOLERANCE)

    places: list[tuple[int, int]] = []
    n_loud = 0
    for at in range(0, len(sound) - BLOCK, BLOCK):
        block = sound[at : at + BLOCK].astype(np.float64)
        if np.abs(block).max() < LOUD:  # may be anywhere
            continue
        n_loud += 1
        place = at + places[-1][1] - places[-1][0] if places else 0
        if not is_at(place, block):
            match = np.fft.irfft(spectrum * np.conj(np.fft.rfft(block, n)), n)[: len(heard) - BLOCK + 1]
            place = int(np.argmin(power[BLOCK:] - power[:-BLOCK] - 2 * match))
        if is_at(place, block):
            places.append((at, place))
    assert len(places) > 0.9 * n_loud, "blocks that were not played, or not in one piece"
    begins, lefts = np.array(places).T
    n_paused = np.diff(lefts - begins)
    assert (n_paused >= 0).all(), "samples were lost, or came before others"
    assert np.sum(heard**2) == pytest.approx(np.sum(sound.astype(np.float64) ** 2), rel=5e-4), "lost or played twice"
    if not n_paused.any():
        first = lefts[0] - begins[0]
        np.testing.assert_allclose(heard[first : first + len(sound)], sound, atol=TOLERANCE)
    assert may_pause or not n_paused.any(), f"pauses of {n_paused[n_paused > 0] / rate_hz} s"
    return begins / rate_hz, times_s[lefts] - begins / rate_hz


def test_a_file_is_played_whole_and_its_face_is_in_step(
    hall: dict[str, Audience], speech: Path, tmp_path: Path
) -> None:
    audience = hall["speaker_44"]
    audience.run_fast(200)
    began_s = time.monotonic()
    with bound_socket() as (receiver, port):
        watcher = Watcher(receiver)
        with Pace() as pace:
            done = au_edge("speak", str(speech), "--speaker", "speaker", *QUIET, "-o", f"output.json.port={port}")
        watcher.is_over = True
        watcher.join()
    assert done.returncode == 0, done.stderr
    sound, rate_hz = soundfile.read(speech, dtype="float32")
    sound_s, begins_s = begins_of(sound, rate_hz, audience, began_s, pace.latest_s > HELD_S)
    out = tmp_path / "frames.npz"
    assert au_edge("render", str(speech), "--out", str(out), "--model", "stream-100ms", "--quiet").returncode == 0
    table = np.load(out)
    channels = [str(name) for name in table["channels"]]
    expected = table["activations"][:, [channels.index(name) for name in MOUTH]]
    seen_s = np.array([seen.at_s for seen in watcher.seen])
    seen = np.array([seen.mouth for seen in watcher.seen])

    def likeness(late_s: float) -> float:
        moments = np.interp(table["time_s"], sound_s, begins_s) + table["time_s"] + late_s
        curves = np.stack([np.interp(moments, seen_s, curve) for curve in seen.T], axis=1)
        return float(np.corrcoef(curves.ravel(), expected.ravel())[0, 1])

    late_s = max(np.arange(-0.2, 0.2, 0.002), key=likeness)
    assert 1 - likeness(late_s) < 0.02 * pace.slowdown  # a face that the machine lets come late is not where it was
    assert abs(late_s) < pace.allowed(0.020)


def test_two_files_and_what_is_piped_in_are_spoken_to_their_ends(hall: dict[str, Audience], speech: Path) -> None:
    audience = hall["speaker_44"]
    sound, rate_hz = soundfile.read(speech, dtype="float32")
    short = speech.with_name("short.wav")
    soundfile.write(short, sound[rate_hz : 2 * rate_hz], rate_hz)
    command = [sys.executable, "-m", "edge", "speak", str(short), str(short), "-", "--speaker", "speaker", *QUIET]
    began_s = time.monotonic()
    with short.open("rb") as piped:
        done = subprocess.run(
            command, stdin=piped, capture_output=True, text=True, timeout=300, cwd=ROOT, env=environment(), check=False
        )
    assert done.returncode == 0, done.stderr
    loud = [run for run in audience.heard() if run.start_s > began_s and np.any(np.abs(run.samples) > 0.01)]
    assert len(loud) == 2, "files follow one another without a gap; the network is loaded anew for what is piped in"
    heard, n = np.concatenate([run.samples[:, 0] for run in loud]), rate_hz
    assert np.sum(heard.astype(np.float64) ** 2) == pytest.approx(
        3 * np.sum(sound[n : 2 * n].astype(np.float64) ** 2), rel=0.01
    )


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("nothing.wav",), 65, "does not exist"),
        (("-", "-"), 2, "one standard input"),
        ((str(SPEECH), "--speaker", "pigeon"), 78, "here are 'speaker_44'"),
    ],
)
def test_what_cannot_be_spoken_is_said_at_once(
    hall: dict[str, Audience], words: tuple[str, ...], status: int, said: str
) -> None:
    done = au_edge("speak", *words, *QUIET)
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_busy_loudspeaker_is_named(hall: dict[str, Audience], speech: Path) -> None:
    hall["speaker_44"].fault("busy")
    done = au_edge("speak", str(speech), "--speaker", "speaker_44", *QUIET)
    assert done.returncode == 69, done.stderr
    assert "speaker_44" in done.stderr
