"""Speak sentences with the synthesisers of the system: espeak-ng, flite, festival.

In: words, a voice, a pace. Out: a wave. Each class knows its voices and whether it is installed. Only their sound is
used, for training; none of their code or data is shipped. Licences are named with each class.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from engine_build.voices.sentences import LETTERS

Sound = tuple[NDArray[np.float32], int]
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Voice:
    """One speaker of a synthesiser; `pitch` is low, middle or high, as it decides which changes suit it."""

    name: str
    pitch: str


class Synthesiser(Protocol):
    """What the makers of corpora ask of a synthesiser."""

    name: str
    licence: str
    letters: tuple[str, ...]

    def missing(self) -> str | None:
        """Return what to install, or None if nothing is missing."""

    def voices(self) -> tuple[Voice, ...]:
        """Return the voices that are there."""

    def speak(self, text: str, voice: Voice, pace: float, rng: np.random.Generator) -> Sound:
        """Speak a sentence; pace 1 is the voice's own."""


def read_wave(path: Path) -> Sound:
    """Read a wave file as mono."""
    import soundfile

    wave, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return wave.mean(axis=1), int(rate_hz)


def run_program(command: list[str], text: str | None = None) -> None:
    """Run a synthesiser.

    Raises:
        RuntimeError: it failed; with what it said.
    """
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-300:]}")


class Espeak:
    """espeak-ng, a formant synthesiser (GPL-3; its speech is not covered): accents times timbres."""

    name = "espeak"
    licence = "GPL-3.0-or-later program; its output is free"
    letters = LETTERS
    ACCENTS = (
        "en-gb",
        "en-us",
        "en-gb-scotland",
        "en-gb-x-rp",
        "en-gb-x-gbclan",
        "en-gb-x-gbcwmd",
        "en-029",
        "en-us-nyc",
    )
    LOW = (
        "m1",
        "m2",
        "m3",
        "m4",
        "m5",
        "m6",
        "m7",
        "m8",
        "adam",
        "Andy",
        "klatt",
        "klatt2",
        "klatt4",
        "caleb",
        "Mario",
    )
    HIGH = ("f1", "f2", "f3", "f4", "f5", "Annie", "linda", "belinda", "steph", "Alicia", "aunty", "anika")

    def missing(self) -> str | None:
        """Return what to install, or None."""
        return None if shutil.which("espeak-ng") else "apt-get install espeak-ng"

    def voices(self) -> tuple[Voice, ...]:
        """Return accents times timbres."""
        low = tuple(Voice(f"{accent}+{timbre}", "low") for accent in self.ACCENTS for timbre in self.LOW)
        high = tuple(Voice(f"{accent}+{timbre}", "high") for accent in self.ACCENTS for timbre in self.HIGH)
        return low + high

    def speak(self, text: str, voice: Voice, pace: float, rng: np.random.Generator) -> Sound:
        """Speak a sentence at a random pitch."""
        said = " ".join("[[eI]]" if word == "a" and is_command(text) else word for word in text.split())
        speed, pitch = str(int(170 * pace)), str(int(rng.integers(25, 75)))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "speech.wav"
            run_program(["espeak-ng", "-v", voice.name, "-s", speed, "-p", pitch, "-w", str(path), said])
            return read_wave(path)


class Flite:
    """flite with its built-in voices (BSD-like Carnegie Mellon licence; voices free for any use)."""

    name = "flite"
    licence = "CMU Flite licence (BSD-like), voices included"
    letters = tuple(letter for letter in LETTERS if letter != "a")  # it reads a lone a as the article

    def missing(self) -> str | None:
        """Return what to install, or None."""
        return None if shutil.which("flite") else "apt-get install flite"

    def voices(self) -> tuple[Voice, ...]:
        """Return the full-band voices."""
        return (Voice("kal16", "low"), Voice("awb", "low"), Voice("rms", "low"), Voice("slt", "high"))

    def speak(self, text: str, voice: Voice, pace: float, rng: np.random.Generator) -> Sound:
        """Speak a sentence, the pitch a little up or down where the voice allows it."""
        stretch = f"duration_stretch={1.0 / pace:.3f}"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "speech.wav"
            run_program(["flite", "-voice", voice.name, "--setf", stretch, "-t", text + " .", "-o", str(path)])
            return read_wave(path)


class Festival:
    """festival with Debian's free voices: slt by hidden Markov models, ked and kal by diphones."""

    name = "festival"
    licence = "Festival licence (BSD-like); voices: EST-2003, CMU and Edinburgh free licences"
    letters = tuple(letter for letter in LETTERS if letter != "a")
    VOICES: ClassVar[dict[str, Voice]] = {
        "cmu_us_slt_arctic_hts": Voice("cmu_us_slt_arctic_hts", "high"),
        "ked_diphone": Voice("ked_diphone", "low"),
        "kal_diphone": Voice("kal_diphone", "low"),
    }

    def missing(self) -> str | None:
        """Return what to install, or None."""
        if shutil.which("text2wave") and self.voices():
            return None
        return "apt-get install festival festvox-us-slt-hts festvox-kdlpc16k festvox-kallpc16k"

    def voices(self) -> tuple[Voice, ...]:
        """Return the installed voices."""
        folder = Path("/usr/share/festival/voices")
        return tuple(voice for name, voice in self.VOICES.items() if any(folder.glob(f"*/{name}")))

    def speak(self, text: str, voice: Voice, pace: float, rng: np.random.Generator) -> Sound:
        """Speak a sentence."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "speech.wav"
            stretch = f"(Parameter.set 'Duration_Stretch {1.0 / pace:.3f})"
            choice = f"(voice_{voice.name})"
            run_program(["text2wave", "-eval", choice, "-eval", stretch, "-o", str(path)], text)
            return read_wave(path)


def is_command(text: str) -> bool:
    """Whether a lone a is the letter: in commands it stands fourth of six words."""
    words = text.split()
    return len(words) == 6 and words[3] == "a"
