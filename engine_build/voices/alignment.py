"""Find when each phone of a known sentence is spoken.

In: speech and its words. Out: spans of ARPAbet phones and of words, to 10 ms. Rests on pocketsphinx's forced alignment
with the acoustic model and the pronouncing dictionary inside that package; it runs without a network. Recordings and
synthetic speech are aligned by the same means, so its habits (where it puts a closure) are the same in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNER_RATE_HZ = 16000
FRAME_S = 0.01
SILENCE = "SIL"
PADS_S = (0.3, 0.6, 1.2)  # silence put around the speech, longer at each retry
DITHER = 2e-4  # the aligner's features need some noise in digital silence

# Pronunciations that the dictionary lacks: British letters and vowels without r.
EXTRA_PRONUNCIATIONS: tuple[tuple[str, str], ...] = (
    ("a(5)", "EY"),
    ("z(2)", "Z EH D"),
    ("four(2)", "F AO"),
    ("r(2)", "AA"),
    ("zero(3)", "Z IH R OW"),
    ("o(2)", "AH OW"),
)


@dataclass(frozen=True)
class Span:
    """A phone or a word with its times."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Alignment:
    """What is said when.

    Attributes: phones and words, in order, without gaps (silence is SIL); score, how well the sound fits the phones:
    the acoustic model's mean log score of a spoken frame against the best that any sound would have there (0 is
    perfect; right words reach about -13 to -25, wrong ones less than about -27).
    """

    phones: tuple[Span, ...]
    words: tuple[Span, ...]
    score: float


class AlignmentError(ValueError):
    """The words could not be found in the sound."""


class PhoneAligner:
    """Align sentences; keeps the acoustic model loaded."""

    def __init__(self) -> None:
        self._decoder: Any = None

    def open(self) -> None:
        """Load the acoustic model.

        Raises:
            AlignmentError: pocketsphinx is not installed.
        """
        try:
            from pocketsphinx import Decoder
        except ImportError as err:
            raise AlignmentError(
                "phone times asked for, pocketsphinx not found: pip install pocketsphinx==5.1.1"
            ) from err
        self._decoder = Decoder(lm=None, samprate=ALIGNER_RATE_HZ, loglevel="FATAL", bestpath=False)
        for word, phones in EXTRA_PRONUNCIATIONS:
            if self._decoder.lookup_word(word) is None:
                self._decoder.add_word(word, phones, True)

    def add_words(self, pronunciations: Mapping[str, str]) -> None:
        """Teach pronunciations that the dictionary lacks; words that it has stay as they are.

        Args:
            pronunciations: word -> ARPAbet phones separated by spaces, without stress.

        Raises:
            AlignmentError: a phone is none that the acoustic model knows.
        """
        if self._decoder is None:
            self.open()
        for word, phones in pronunciations.items():
            if self._decoder.lookup_word(word) is None:
                try:
                    self._decoder.add_word(word, phones.upper(), True)
                except RuntimeError as err:
                    raise AlignmentError(f"pronunciation {phones!r} of {word!r} is not in ARPAbet") from err

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of a sentence that have no pronunciation."""
        if self._decoder is None:
            self.open()
        return [word for word in text.split() if self._decoder.lookup_word(word) is None]

    def close(self) -> None:
        """Release the model."""
        self._decoder = None

    def align(self, wave: NDArray[np.float32], rate_hz: int, text: str) -> Alignment:
        """Find the times of a sentence.

        Args:
            wave: [n_samples], full scale +-1.
            rate_hz: its sample rate.
            text: the words, separated by spaces, lower case, no punctuation.

        Returns:
            Spans from 0 to the end of the wave.

        Raises:
            AlignmentError: a word is not in the dictionary, or the sound does not fit the words.
        """
        from scipy.signal import resample_poly

        if self._decoder is None:
            self.open()
        unknown = self.unknown_words(text)
        if unknown:
            raise AlignmentError(f"no pronunciation of {unknown}: `transcribed` takes one with --pronunciations")
        speech = wave
        if rate_hz != ALIGNER_RATE_HZ:
            divisor = int(np.gcd(rate_hz, ALIGNER_RATE_HZ))
            speech = resample_poly(wave, ALIGNER_RATE_HZ // divisor, rate_hz // divisor).astype(np.float32)
        speech = speech * np.float32(0.5 / max(1e-6, float(np.abs(speech).max(initial=0.0))))
        duration_s = len(wave) / rate_hz
        for pad_s in PADS_S:
            found = self._try(speech, text, pad_s)
            if found is not None:
                phones, words, score = found
                return Alignment(_without_pad(phones, pad_s, duration_s), _without_pad(words, pad_s, duration_s), score)
        raise AlignmentError(f"{text!r} does not fit {duration_s:.2f} s of sound: is it another sentence?")

    def _try(self, speech: NDArray[np.float32], text: str, pad_s: float) -> tuple[list[Span], list[Span], float] | None:
        """Align once with silence around the speech; None where the search finds no path."""
        n_pad = int(pad_s * ALIGNER_RATE_HZ)
        padded = np.pad(speech, n_pad)
        padded = padded + np.random.default_rng(0).normal(0.0, DITHER, len(padded)).astype(np.float32)
        raw = (np.clip(padded, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        try:
            self._decoder.set_align_text(text)
            self._listen(raw)
            if self._decoder.hyp() is None:
                return None
            self._decoder.set_alignment()
            self._listen(raw)
            found = self._decoder.get_alignment()
        except RuntimeError:
            return None
        if found is None:
            return None
        phones: list[Span] = []
        words: list[Span] = []
        log_score, n_spoken = 0.0, 0
        for word in found:
            words.append(_span(_plain(word.name), word))
            for phone in word:
                phones.append(_span(_plain(phone.name), phone))
                if phones[-1].name != SILENCE:
                    log_score += phone.score
                    n_spoken += phone.duration
        said = [span.name for span in words if span.name != SILENCE]
        return (phones, words, log_score / max(1, n_spoken)) if said == text.split() else None

    def _listen(self, raw: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(raw, full_utt=True)
        self._decoder.end_utt()


def _span(name: str, entry: Any) -> Span:
    return Span(name, entry.start * FRAME_S, (entry.start + entry.duration) * FRAME_S)


def _plain(name: str) -> str:
    """Return a name without its variant number; all fillers are silence."""
    if name.startswith(("<", "[", "+")):
        return SILENCE
    return name.split("(")[0]


def _without_pad(spans: list[Span], pad_s: float, duration_s: float) -> tuple[Span, ...]:
    """Move spans to the unpadded time axis, cut them to it, and join neighbouring silences."""
    joined: list[Span] = []
    for span in spans:
        start_s = min(max(0.0, span.start_s - pad_s), duration_s)
        end_s = min(max(0.0, span.end_s - pad_s), duration_s)
        if joined and span.name == SILENCE and joined[-1].name == SILENCE:
            joined[-1] = Span(SILENCE, joined[-1].start_s, end_s)
        elif end_s > start_s:
            joined.append(Span(span.name, start_s, end_s))
    if joined:
        joined[-1] = Span(joined[-1].name, joined[-1].start_s, duration_s)
    return tuple(joined)
