"""A recording for calibration is what the microphone gave, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from calibration.record import record
from edge.errors import InputError
from edge.frames import AudioChunk
from edge.machine.clock import SystemClock
from edge.sources.sound_file import SoundFileSource
from tests.edge.machine.test_whole_file import little_room


def test_recording_writes_what_was_heard_and_refuses_silence(tmp_path: Path) -> None:
    speech = np.random.default_rng(0).standard_normal(16000) * 0.1
    soundfile.write(tmp_path / "heard.wav", speech, 16000)
    source = SoundFileSource(tmp_path / "heard.wav", clock=SystemClock())
    peak, n_lost = record(source, 0.5, tmp_path / "new" / "written.wav")
    assert n_lost == 0
    written, rate_hz = soundfile.read(str(tmp_path / "new" / "written.wav"))
    assert (rate_hz, len(written)) == (16000, 8000)
    np.testing.assert_allclose(written, speech[:8000], atol=1e-4)
    assert peak == pytest.approx(np.abs(speech[:8000]).max(), abs=1e-3)
    soundfile.write(tmp_path / "heard.wav", speech * 0, 16000)
    with pytest.raises(InputError, match="silent"):
        record(SoundFileSource(tmp_path / "heard.wav", clock=SystemClock()), 0.5, tmp_path / "no.wav")
    assert not (tmp_path / "no.wav").exists()


def test_what_was_lost_while_recording_is_counted_and_keeps_its_place(tmp_path: Path) -> None:
    class Lossy:
        rate_hz, description = 1000, "lossy"

        def open(self) -> None:
            self.chunks = [AudioChunk(np.full(100, 0.5, np.float32), start, 0.0) for start in (7, 107, 257, 357)]

        def read(self, timeout_s: float) -> AudioChunk:
            return self.chunks.pop(0)

        def close(self) -> None:
            pass

    assert record(Lossy(), 0.4, tmp_path / "x.wav") == (0.5, 50)
    samples, _ = soundfile.read(str(tmp_path / "x.wav"))
    assert len(samples) == 400
    assert (samples[200:250] == 0).all()
    assert np.allclose(np.delete(samples, np.s_[200:250]), 0.5, atol=1e-4)


def test_a_disk_without_room_is_said_and_keeps_what_was_there(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "heard.wav", np.full(16000, 0.1), 16000)
    (tmp_path / "kept.wav").write_text("old")
    source = SoundFileSource(tmp_path / "heard.wav", clock=SystemClock())
    with (
        little_room(),
        pytest.raises(InputError, match=r"kept\.wav: File too large\. Free some space, or give .*--out"),
    ):
        record(source, 0.5, tmp_path / "kept.wav")
    assert (tmp_path / "kept.wav").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["heard.wav", "kept.wav"]
