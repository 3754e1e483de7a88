"""The extractors against librosa."""

from __future__ import annotations

import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from edge.contracts import FeatureExtractor
from edge.errors import ModelError
from edge.features import fourier
from edge.features.framing import FrameAxis, Framer
from edge.features.log_mel import LogMel
from edge.features.mel import mel_filters
from edge.features.spectrogram import PaperSpectrogram
from tests.requirements import need

try:
    import librosa
except ImportError:
    librosa = None

PAPER = {
    "kind": "paper_spectrogram", "n_fft": 256, "hop": 128, "n_columns": 32, "floor_db": -80.0, "padding": "constant",
}  # fmt: skip
MEL = {
    "kind": "log_mel", "n_fft": 1024, "hop": 490, "n_columns": 3, "n_mels": 80, "fmin_hz": 60, "fmax_hz": 7600.0,
    "floor_db": -100, "offset_db": -30.0, "scale_db": 20.0,
}  # fmt: skip
RATE = Fraction(30)


def sounds(n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    t = np.arange(n) / 44100
    half = rng.standard_normal(n) * 0.1
    half[: n // 2] = 0
    return {
        "noise": rng.standard_normal(n) * 0.1,
        "tone": 0.5 * np.sin(2 * np.pi * 440 * t),
        "loud": np.sign(np.sin(2 * np.pi * 100 * t)),
        "quiet": rng.standard_normal(n) * 1e-5,
        "half_silent": half,
        "click": np.eye(1, n, n - 1)[0],
        "silence": np.zeros(n),
    }


@pytest.mark.parametrize("name", sounds(8))
def test_the_papers_spectrogram_is_librosas(name: str) -> None:
    need("librosa", librosa is not None, "install the test extra")
    sound = sounds(3968)[name].astype(np.float32)
    magnitude = np.abs(librosa.stft(sound, n_fft=256, hop_length=128, center=True, pad_mode="constant"))[:-1]
    expected = np.abs(librosa.amplitude_to_db(magnitude, ref=np.max)) / 80
    extractor = PaperSpectrogram.from_manifest(PAPER, 44100, RATE)
    out = np.full(extractor.shape, np.nan, np.float32)
    extractor.compute(sound, out)
    assert extractor.window_samples == 3968
    assert out.shape == (1, 1, 128, 32)
    assert np.abs(out[0, 0] - expected).max() <= 2e-5  # float32 rounding of a level over 80 dB


@pytest.mark.parametrize(
    ("rate_hz", "n_fft", "n_mels", "fmin", "fmax"),
    [(44100, 1024, 80, 60, 7600), (16000, 512, 40, 0, 8000), (48000, 2048, 128, 20, 20000)],
)
def test_the_mel_filters_are_librosas(rate_hz: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> None:
    need("librosa", librosa is not None, "install the test extra")
    expected = librosa.filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax, htk=False)
    np.testing.assert_allclose(mel_filters(rate_hz, n_fft, n_mels, fmin, fmax), expected, atol=1e-8)


@pytest.mark.parametrize("name", sounds(8))
def test_log_mel_is_librosas_melspectrogram_without_centring(name: str) -> None:
    need("librosa", librosa is not None, "install the test extra")
    extractor = LogMel.from_manifest(MEL, 44100, RATE)
    assert extractor.window_samples == 1024 + 2 * 490
    sound = sounds(extractor.window_samples)[name].astype(np.float32)
    energy = librosa.feature.melspectrogram(
        y=sound, sr=44100, n_fft=1024, hop_length=490, center=False, n_mels=80, fmin=60, fmax=7600
    )
    expected = (10 * np.log10(energy + 1e-10) + 30) / 20
    out = np.full(extractor.shape, np.nan, np.float32)
    extractor.compute(sound, out)
    assert np.abs(out[0] - expected).max() <= 2e-4  # bands 90 dB below a tone: float32 rounding of the transform


@pytest.mark.parametrize("hop", [245, 490, 333])
def test_a_sequence_is_what_streaming_gives(hop: int) -> None:
    extractor = LogMel.from_manifest(MEL | {"hop": hop}, 44100, RATE)
    axis = FrameAxis(44100, RATE)
    sound = (np.random.default_rng(3).standard_normal(44100 * 10 + 77) * 0.1).astype(np.float32)
    whole = extractor.compute_sequence(sound, axis)
    framer = Framer(axis, extractor.window_samples)
    framer.push(sound, 0)
    out = np.empty(extractor.shape, np.float32)
    n_frames = 0
    while (item := framer.next_window()) is not None:
        extractor.compute(item[1], out)
        np.testing.assert_allclose(whole[item[0]], out[0], atol=1e-5)
        n_frames += 1
    assert whole.shape == (n_frames, 80, 3)
    assert n_frames == 300


@pytest.mark.parametrize("n_samples", [0, 1469, 1470])
def test_a_sequence_of_none_or_one_frame(n_samples: int) -> None:
    extractor = LogMel.from_manifest(MEL, 44100, RATE)
    assert len(extractor.compute_sequence(np.zeros(n_samples, np.float32), FrameAxis(44100, RATE))) == n_samples // 1470


EXTRACTORS = [(PaperSpectrogram, PAPER), (LogMel, MEL)]


@pytest.mark.parametrize(("kind", "features"), EXTRACTORS)
def test_an_extractor_keeps_no_history_and_leaves_its_input_alone(kind: type, features: dict) -> None:
    extractor = kind.from_manifest(features, 44100, RATE)
    assert isinstance(extractor, FeatureExtractor)
    sound = sounds(extractor.window_samples)["noise"].astype(np.float32)
    kept = sound.copy()
    sound.flags.writeable = False
    first, second = (np.empty(extractor.shape, np.float32) for _ in range(2))
    extractor.compute(sound, first)
    extractor.compute(np.ones_like(sound), second)
    extractor.compute(sound, second)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(sound, kept)


@pytest.mark.parametrize(("kind", "features"), EXTRACTORS)
def test_an_extractor_works_with_a_numpy_that_cannot_transform_in_place(
    kind: type, features: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    extractor = kind.from_manifest(features, 44100, RATE)
    sound = sounds(extractor.window_samples)["noise"].astype(np.float32)
    first, second = (np.empty(extractor.shape, np.float32) for _ in range(2))
    extractor.compute(sound, first)
    monkeypatch.setattr(fourier, "_HAS_OUT", False)
    extractor.compute(sound, second)
    np.testing.assert_allclose(first, second, atol=1e-5)


@pytest.mark.parametrize(("kind", "features"), EXTRACTORS)
def test_an_extractor_leaves_no_memory_behind_and_takes_little(kind: type, features: dict) -> None:
    extractor = kind.from_manifest(features, 44100, RATE)
    sound, out = sounds(extractor.window_samples)["noise"].astype(np.float32), np.empty(extractor.shape, np.float32)
    extractor.compute(sound, out)
    tracemalloc.start()
    try:
        for _ in range(20):
            extractor.compute(sound, out)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 160 * 1024  # numpy's own scratch within one ufunc or transform (133 KiB measured)


@pytest.mark.parametrize(
    ("kind", "features", "complaint"),
    [
        (PaperSpectrogram, {k: v for k, v in PAPER.items() if k != "hop"}, "'hop' is missing"),
        (PaperSpectrogram, PAPER | {"colour": 1}, "'colour' is unknown"),
        (PaperSpectrogram, PAPER | {"padding": "reflect"}, "'reflect'"),
        (PaperSpectrogram, PAPER | {"n_fft": 255}, "n_fft 255"),
        (PaperSpectrogram, PAPER | {"n_fft": True}, "not of type int"),
        (PaperSpectrogram, PAPER | {"kind": "log_mel"}, "kind is 'log_mel'"),
        (PaperSpectrogram, PAPER | {"floor_db": 80.0}, "floor_db 80.0"),
        (PaperSpectrogram, PAPER | {"hop": 0}, "hop 0"),
        (LogMel, MEL | {"fmax_hz": 30000.0}, "22050"),
        (LogMel, MEL | {"n_mels": 0}, "n_mels is 0"),
        (LogMel, MEL | {"n_mels": 400}, "hold no frequency"),
        (LogMel, MEL | {"scale_db": "20"}, "not of type float"),
        (LogMel, MEL | {"floor_db": 3.0}, "floor_db 3.0"),
    ],
)
def test_a_wrong_manifest_is_named(kind: type, features: dict, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        kind.from_manifest(features, 44100, RATE)
