"""From the network's channels to the names of a rig: weights, curves and two ways to combine, read from an INI file.

A section is a target. Its keys are channels with a gain (`jawOpen = 0.8`) and, after a colon so that no channel can
have their names, `:combine` (sum or max), `:curve` (points such as `0 0, 0.3 0.1, 1 1`) and `:offset`.
"""

from __future__ import annotations

import configparser
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.config.options import did_you_mean
from edge.config.text_file import read_text
from edge.contracts import Codec, Datagram
from edge.errors import MOST_MISTAKES, ConfigurationError
from edge.frames import AUFrame, Float32Array
from edge.manifest import MAX_CHANNELS, Manifest

SHIPPED = Path(__file__).with_name("retargets")
LARGEST_NUMBER = 1e6  # of a weight, an offset or a point; activations are 0 to 1
_KEYS = (":combine", ":curve", ":offset")


class Retarget:
    """A map from channels to targets.

    Args:
        name: For messages.
        targets: Names of the results.
        weights: float32 [n_targets, n_channels].
        is_max: bool [n_targets]: the largest weighted channel instead of the sum.
        offsets: float32 [n_targets], added before the curve.
        curves: Points of targets that have a curve: float64 [2, n], x rising.

    Attributes:
        targets: Names of the results, in order.
    """

    def __init__(
        self,
        name: str,
        targets: Sequence[str],
        weights: Float32Array,
        is_max: NDArray[np.bool_],
        offsets: Float32Array,
        curves: Mapping[int, NDArray[np.float64]],
    ) -> None:
        self.name = name
        self.targets = tuple(targets)
        self._sum_weights = np.where(is_max[:, None], 0, weights).astype(np.float32)
        self._max_rows = np.flatnonzero(is_max)
        self._max_weights = weights[self._max_rows]
        self._products = np.zeros_like(self._max_weights)
        self._offsets = offsets
        self._curves = tuple(curves.items())
        self._result = np.zeros(len(targets), np.float32)

    def apply(self, activations: Float32Array) -> Float32Array:
        """Return the targets, each in [0, 1]; the buffer is this object's and valid until the next call.

        Args:
            activations: float32 [n_channels] in [0, 1].
        """
        result = self._result
        np.dot(self._sum_weights, activations, out=result)
        if len(self._max_rows):
            np.multiply(self._max_weights, activations, out=self._products)
            result[self._max_rows] = self._products.max(axis=1)
        result += self._offsets
        for index, points in self._curves:
            result[index] = np.interp(result[index], points[0], points[1])
        np.clip(result, 0.0, 1.0, out=result)
        return result


class RetargetedCodec:
    """A codec that speaks the names of a rig.

    Args:
        inner: Made for the manifest that `retargeted_manifest` returns.
        retarget: The map.
    """

    def __init__(self, inner: Codec, retarget: Retarget) -> None:
        self._inner = inner
        self._retarget = retarget
        self._frame = AUFrame.neutral(len(retarget.targets))

    def encode(self, frame: AUFrame) -> Sequence[Datagram]:
        """Return the datagrams of the retargeted frame."""
        mapped = self._frame
        bounded = np.clip(np.nan_to_num(frame.activations, nan=0.0), 0.0, 1.0)
        mapped.activations[:] = self._retarget.apply(bounded)
        mapped.head_deg[:] = frame.head_deg
        for name in (
            "index",
            "sequence",
            "end_sample_index",
            "capture_time_s",
            "capture_unix_s",
            "level_dbfs",
            "state",
        ):
            setattr(mapped, name, getattr(frame, name))
        return self._inner.encode(mapped)

    def announce(self) -> Sequence[Datagram]:
        """Return the inner codec's announcement: the rig's names."""
        return self._inner.announce()


def retargeted_manifest(manifest: Manifest, retarget: Retarget) -> Manifest:
    """Return the manifest that a codec behind a map is made for."""
    return dataclasses.replace(manifest, channels=retarget.targets, masked_channels=())


def shipped_retargets() -> list[str]:
    """Return the names of the maps that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.ini"))


def load_retarget(name_or_path: str, channels: Sequence[str]) -> Retarget:
    """Read a map.

    Args:
        name_or_path: A shipped one by its name, or a file.
        channels: Of the manifest.

    Raises:
        ConfigurationError: It cannot be read, or names what does not exist; all mistakes in one message.
    """
    path = (
        SHIPPED / f"{name_or_path}.ini" if "/" not in name_or_path and "." not in name_or_path else Path(name_or_path)
    )
    asked = f"mapping {name_or_path}"
    parser = configparser.ConfigParser(
        interpolation=None, delimiters=("=",), inline_comment_prefixes=("#",), default_section="\0"
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(_text_of(path, asked), source=str(path))
    except configparser.Error as err:
        raise ConfigurationError(asked, " ".join(str(err).split()).rstrip("."), "Correct the file") from err
    return _build(path.stem, asked, parser, channels)


def _text_of(path: Path, asked: str) -> str:
    """Return the text of a map; where the package lies says nothing to who misspelt the name of a shipped one."""
    remedy = f"Give a file, or one of {', '.join(shipped_retargets())}"
    if path.parent == SHIPPED and path.stem not in shipped_retargets():
        raise ConfigurationError(asked, "there is no such map", remedy)
    return read_text(path, asked, remedy)


def _build(name: str, asked: str, parser: configparser.ConfigParser, channels: Sequence[str]) -> Retarget:
    """Turn sections into arrays, or name everything that is wrong with them."""
    targets = parser.sections()
    if not 0 < len(targets) <= MAX_CHANNELS:
        raise ConfigurationError(asked, f"it has {len(targets)} targets, not 1 to {MAX_CHANNELS}", "Correct the file")
    where = {channel: index for index, channel in enumerate(channels)}
    weights = np.zeros((len(targets), len(channels)), np.float32)
    is_max = np.zeros(len(targets), np.bool_)
    offsets = np.zeros(len(targets), np.float32)
    curves: dict[int, NDArray[np.float64]] = {}
    mistakes: list[str] = []
    for row, target in enumerate(targets):
        for key, text in parser[target].items():
            if len(mistakes) >= MOST_MISTAKES:
                break
            try:
                if key == ":combine":
                    is_max[row] = {"sum": False, "max": True}[text]
                elif key == ":curve":
                    curves[row] = _points(text)
                elif key == ":offset":
                    offsets[row] = _finite(text)
                elif key in where:
                    weights[row, where[key]] = _finite(text)
                else:
                    mistakes.append(f"[{target}] {key}: no such channel {did_you_mean(key, [*where, *_KEYS])}".rstrip())
            except (ValueError, KeyError):
                mistakes.append(f"[{target}] {key} = {text}: not a value for it")
    if mistakes:
        raise ConfigurationError(asked, "; ".join(mistakes), "Correct the file; docs/protocols.md describes it")
    return Retarget(name, targets, weights, is_max, offsets, curves)


def _finite(text: str) -> float:
    value = float(text)
    if not abs(value) <= LARGEST_NUMBER:  # as float32 a larger one could become infinite; NaN is not <= either
        raise ValueError("not finite, or too large")
    return value


def _points(text: str) -> NDArray[np.float64]:
    """Return the points of a curve, [2, n]."""
    pairs = [[_finite(word) for word in pair.split()] for pair in text.split(",")]
    points: NDArray[np.float64] = np.array(pairs, np.float64)
    if points.ndim != 2 or points.shape[0] < 2 or points.shape[1] != 2 or np.any(np.diff(points[:, 0]) <= 0):
        raise ValueError("not points with rising x")
    return np.ascontiguousarray(points.T)
