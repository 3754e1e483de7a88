"""All of a file's sound, as one: every part of a joined file, one after another, at one rate.

What cannot be used is refused at `open`, before a sample is decoded: missing, empty, cut, damaged where that shows, not
sound, or parts of several rates.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np

from edge.errors import InputError
from edge.frames import Float32Array
from edge.sources.channel_health import ChannelHealth
from edge.sources.channels import ChannelChoice
from edge.sources.containers.file_bytes import CutError, DamagedError, FileBytes, SoundPart
from edge.sources.containers.sound_parts import UNNAMED, find_parts
from edge.sources.file_decoders import FileDecoder, open_decoder
from edge.sources.pcm_decoder import MAX_RATE_HZ, MIN_RATE_HZ
from edge.sources.sound_signature import LOOK_BYTES, identify

_REMEDY = "Give a WAV or FLAC file"


class WholeSound:
    """One open file, made mono.

    Args:
        path: The file.
        choice: The channel to hear, which every part must have.
        n_at_once: Most samples that are decoded by one call.
        channel_health: Looks at all channels; None for nobody.

    Raises:
        InputError: It cannot be used.
        ConfigurationError: It does not have the chosen channel.
    """

    def __init__(
        self, path: Path, choice: ChannelChoice, n_at_once: int, channel_health: ChannelHealth | None = None
    ) -> None:
        self._path = path
        self._channel_health = channel_health
        self.rate_hz = 0  # not known before it was seen to be whole
        self._choice = choice
        self._block = np.zeros((n_at_once, 1), np.float32)
        self._name = str(path)
        self._decoder: FileDecoder | None = None
        self._file = _open_file(path)
        self._index = 0  # of the part that is decoded
        self.n_decoded = 0  # samples, since the beginning
        try:
            self._parts = self._find()
            self.rate_hz, self.n_channels, self.full_scale = self._check()
        except BaseException:
            self.close()
            raise

    @property
    def doubts(self) -> list[str]:
        """Return what may be wrong with it, as lines for the log."""
        return [f"{self._path.name}: {part.doubt}" for part in self._parts if part.doubt]

    def decode(self, out: Float32Array) -> int:
        """Decode on.

        Args:
            out: float32 [n_at_once], overwritten.

        Returns:
            How many samples; fewer than asked at the end of a part. 0: the end of all.

        Raises:
            InputError: The file is damaged here.
        """
        while self._index < len(self._parts):
            decoder = self._open_next()
            if self._block.shape[1] != decoder.n_channels:
                self._block = np.zeros((len(self._block), decoder.n_channels), np.float32)
            block = self._block[: len(out)]
            try:
                n_samples = decoder.decode(block)
            except DamagedError as err:
                raise _damaged(self._name, f"at sample {self.n_decoded}: {err}") from err
            self.n_decoded += n_samples
            if n_samples < len(out):
                self._close_part()
                self._index += 1
            if n_samples:
                if self._channel_health is not None and self.rate_hz:
                    self._channel_health.inspect(block[:n_samples], self.rate_hz)
                self._choice.pick(block[:n_samples], out[:n_samples])
                return n_samples
        return 0

    def rewind(self) -> None:
        """Begin anew."""
        self._close_part()
        self._index = self.n_decoded = 0

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._close_part()
        self._file.close()

    def _find(self) -> list[SoundPart]:
        try:
            parts = find_parts(FileBytes(self._file))
        except CutError as err:
            raise _truncated(self._name, str(err)) from err
        except DamagedError as err:
            raise _damaged(self._name, f": {err}") from err
        except OSError as err:
            raise _unreadable(self._name, err) from err
        signature = identify(FileBytes(self._file).at(0, LOOK_BYTES))
        if parts[0].name == UNNAMED and signature is not None and not signature.is_sound:
            raise InputError(f"sound from {self._name}", f"the file is not sound: it is {signature.name}", _REMEDY)
        return parts

    def _check(self) -> tuple[int, int, float]:
        """Open every part once; return the rate of all, and the channels and full scale of the first."""
        first: tuple[int, int, float] | None = None
        for index in range(len(self._parts)):
            self._index = index
            decoder = self._open_next()
            if not MIN_RATE_HZ <= decoder.rate_hz <= MAX_RATE_HZ:
                remedy = f"Give a file of {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz"
                raise InputError(f"sound from {self._name}", f"its rate is {decoder.rate_hz} Hz", remedy)
            first = first or (decoder.rate_hz, decoder.n_channels, decoder.full_scale)
            if decoder.rate_hz != first[0]:
                found = f"its sounds have several rates: {first[0]} Hz, then {decoder.rate_hz} Hz (sound {index + 1})"
                raise InputError(f"sound from {self._name}", found, "Convert them to one rate before you join them")
            self._choice.check(decoder.n_channels, self._name)
            self._close_part()
        self._index = 0
        if first is None or not self._has_samples():
            raise InputError(f"sound from {self._name}", "the file has no samples", _REMEDY)
        return first

    def _has_samples(self) -> bool:
        has_some = self.decode(np.zeros(1, np.float32)) > 0
        self.rewind()
        return has_some

    def _open_next(self) -> FileDecoder:
        if self._decoder is None:
            try:
                self._decoder = open_decoder(self._file, self._parts[self._index], self._name)
            except CutError as err:
                raise _truncated(self._name, str(err)) from err
        return self._decoder

    def _close_part(self) -> None:
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            decoder.close()


def _open_file(path: Path) -> BinaryIO:
    """Return the open file; its name's ending decides nothing."""
    name = str(path)
    try:
        if not path.exists():
            raise InputError(f"sound from {name}", "there is no such file", "Check the path")
        if not path.is_file():
            raise InputError(f"sound from {name}", "it is not a regular file", "Give a file, or pipe it to `stdin`")
        if path.stat().st_size == 0:
            raise InputError(f"sound from {name}", "the file is empty (0 bytes)", _REMEDY)
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC), "rb", buffering=0)
    except (OSError, ValueError) as err:
        raise _unreadable(name, err) from err


def _unreadable(name: str, err: Exception) -> InputError:
    return InputError(f"sound from {name}", f"it cannot be read ({err})", "Check the path and its rights")


def _truncated(name: str, found: str) -> InputError:
    return InputError(f"sound from {name}", f"the file is truncated: {found}", "Copy or record it again")


def _damaged(name: str, found: str) -> InputError:
    return InputError(
        f"sound from {name}", f"the file is damaged {found}".replace(" :", ":"), "Copy or record it again"
    )
