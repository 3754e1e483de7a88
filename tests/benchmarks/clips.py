"""Speech whose phones are known: flite says how long each of them lasts."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.frames import Float32Array

RATE_HZ = 44_100
SENTENCES = (
    "Papa met Bob and my baby by the open pool.",
    "Move the blue map up above my memory book.",
    "People may be happy about mopping up a pub.",
    "A warm summer may bring many bumble bees home.",
    "Pam and Abby hope to buy a maple piano.",
    "You probably remember my empty paper boxes.",
)
# How far the lips are apart, of what they can: the order is that of any phonetics book (open, mid, close vowels), lips
# shut for p, b, m, teeth on the lip for f, v; other consonants move lips little.
_APERTURES = {
    1.0: "aa ao ae ay aw", 0.7: "ah eh ow oy ey er ax", 0.45: "ih iy uh y hh k g ng",
    0.3: "uw w t d n l r s z th dh ch jh sh zh", 0.1: "f v", 0.0: "p b m pau",
}  # fmt: skip
APERTURE = {phone: value for value, phones in _APERTURES.items() for phone in phones.split()}


@dataclass(frozen=True)
class Clip:
    """A sentence.

    Attributes:
        text: What is said.
        samples: float32 [n] at RATE_HZ.
        ends_s: When each phone ends.
        phones: Their names.
    """

    text: str
    samples: Float32Array
    ends_s: tuple[float, ...]
    phones: tuple[str, ...]

    @property
    def duration_s(self) -> float:
        """Return its length."""
        return len(self.samples) / RATE_HZ

    def aperture_at(self, time_s: Float32Array) -> Float32Array:
        """Return the opening of the lips that the phones ask for, smoothed as lips are (60 ms)."""
        fine_s = np.arange(0, self.duration_s, 0.002)
        places = np.minimum(np.searchsorted(self.ends_s, fine_s), len(self.phones) - 1)
        steps = np.array([APERTURE.get(self.phones[place], 0.4) for place in places])
        bell = np.hanning(31)  # 60 ms: a consonant's closure is as long
        smooth = np.convolve(steps, bell / bell.sum(), mode="same")
        wanted: Float32Array = np.interp(time_s, fine_s, smooth).astype(np.float32)
        return wanted


def make_clips(folder: Path) -> list[Clip]:
    """Speak the sentences and return them at RATE_HZ; the files stay as `N.wav`."""
    import soundfile
    from scipy.signal import resample_poly

    clips = []
    for number, text in enumerate(SENTENCES):
        path = folder / f"{number}.wav"
        command = ["flite", "-voice", "slt", "-psdur", "-t", text, "-o", str(path)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        pairs = [word.rpartition(":") for word in said]
        samples, rate_hz = soundfile.read(path, dtype="float32")
        samples = resample_poly(samples, RATE_HZ, rate_hz).astype(np.float32) * 0.7
        soundfile.write(path, samples, RATE_HZ, subtype="PCM_16")
        ends = tuple(float(end) for _, _, end in pairs)
        clips.append(Clip(text, samples, ends, tuple(phone for phone, _, _ in pairs)))
    return clips
