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


def begin_of(sound: NDArray[np.float32], audience: Audience, since_s: float) -> float:
    """Return when the first sample of a sound left the loudspeaker; all of it must have been played, unchanged."""
    runs = [run for run in audience.heard() if run.start_s > since_s]
    heard = np.concatenate([run.samples[:, 0] for run in runs])
    times_s = np.concatenate([run.times() for run in runs])
    n = len(heard) + len(sound)
    match = np.fft.irfft(np.fft.rfft(heard, n) * np.conj(np.fft.rfft(sound, n)), n)
    first = int(np.argmax(match))
    np.testing.assert_allclose(heard[first : first + len(sound)], sound, atol=4 / 32768)  # 16 bits, dithered
    return float(times_s[first])


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
    sound, _ = soundfile.read(speech, dtype="float32")
    begin_s = begin_of(sound, audience, began_s)
    out = tmp_path / "frames.npz"
    assert au_edge("render", str(speech), "--out", str(out), "--model", "stream-100ms", "--quiet").returncode == 0
    table = np.load(out)
    channels = [str(name) for name in table["channels"]]
    expected = table["activations"][:, [channels.index(name) for name in MOUTH]]
    seen_s = np.array([seen.at_s for seen in watcher.seen])
    seen = np.array([seen.mouth for seen in watcher.seen])

    def likeness(late_s: float) -> float:
        moments = begin_s + table["time_s"] + late_s
        curves = np.stack([np.interp(moments, seen_s, curve) for curve in seen.T], axis=1)
        return float(np.corrcoef(curves.ravel(), expected.ravel())[0, 1])

    late_s = max(np.arange(-0.2, 0.2, 0.002), key=likeness)
    assert likeness(late_s) > 0.98
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
