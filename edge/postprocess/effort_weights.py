"""What each measure of a voice counts for: a small file that `python -m engine_build effort` writes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from edge.bounded_file import read_bounded
from edge.errors import ModelError
from edge.postprocess.spectrum import MEASURES as SPECTRAL

FORMAT = "au-edge-effort/2"
MEASURES = ("pitch_semitones", "level_db", *SPECTRAL, "periodicity")
N_MEASURES = len(MEASURES)
MOST_BYTES = 256 * 1024  # the shipped file has 3 KiB; a device or a pipe has no end
NUMBERS = (
    "neutral_from", "neutral_to", "full", "full_subdued", "tense_from", "tense_full",
    "high_from", "high_full", "loud_from", "loud_full",
)  # fmt: skip
SHIPPED = "effort.weights"  # not .json: every .json beside the networks is a network's manifest


@dataclass(frozen=True)
class EffortWeights:
    """Weights and scales, one number a measure in the order of MEASURES.

    Attributes:
        mean: Of many speakers in neutral speech; that of the level is not used.
        deviation: Of a speaker's own voiced frames about their mean, in neutral speech.
        effort: Of the deviations in the sum that is effort.
        tension: The same for tension.
        neutral_from: Below this sum a voice is subdued.
        neutral_to: Above this sum effort begins.
        full: Above `neutral_to`, where effort is 1.
        full_subdued: Below `neutral_from`, where a voice is wholly subdued.
        tense_from: Where tension begins.
        tense_full: Above `tense_from`, where tension is 1.
        high_from: Deviations of the pitch above its average from which a voice is high.
        high_full: Above `high_from`, where it is wholly so.
        loud_from: The same for the level.
        loud_full: The same.
        sources: What was listened to.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    effort: tuple[float, ...]
    tension: tuple[float, ...]
    neutral_from: float
    neutral_to: float
    full: float
    full_subdued: float
    tense_from: float
    tense_full: float
    high_from: float
    high_full: float
    loud_from: float
    loud_full: float
    sources: tuple[str, ...] = ()

    def text(self) -> str:
        """Return the file's text."""
        return json.dumps({"format": FORMAT, "measures": MEASURES, **asdict(self)}, indent=1) + "\n"


def shipped_weights() -> EffortWeights:
    """Read the weights that come with the program."""
    folder = resources.files("edge").joinpath("models")
    return parse_weights(folder.joinpath(SHIPPED).read_text(encoding="utf-8"), f"edge/models/{SHIPPED}")


def chosen_weights(path: str) -> EffortWeights:
    """Read the weights of `effort.weights`; an empty path means the shipped ones.

    Raises:
        ModelError: The file cannot be read or is not such a file.
    """
    return read_weights(Path(path)) if path else shipped_weights()


def read_weights(path: Path) -> EffortWeights:
    """Read a file of weights.

    Raises:
        ModelError: It cannot be read or is not such a file.
    """
    try:
        content = read_bounded(path, MOST_BYTES)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as err:
        raise _error(str(path), f"cannot be read ({err})") from err
    if len(content) > MOST_BYTES:
        raise _error(str(path), f"is larger than {MOST_BYTES >> 10} KiB")
    return parse_weights(text, str(path))


def parse_weights(text: str, name: str) -> EffortWeights:
    """Return what a file says.

    Raises:
        ModelError: It is not such a file, a number is missing, or one is no number.
    """
    try:
        found: Mapping[str, Any] = json.loads(text)
        if found["format"] != FORMAT or tuple(found["measures"]) != MEASURES:
            raise ValueError("it is of another format, or of other measures")
        rows = [tuple(map(float, found[key])) for key in ("mean", "deviation", "effort", "tension")]
        numbers = {name: float(found[name]) for name in NUMBERS}
        mean, deviation, effort, tension = rows
        sources = tuple(map(str, found["sources"]))
        weights = EffortWeights(mean, deviation, effort, tension, **numbers, sources=sources)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as err:
        raise _error(name, f"is no file of weights ({err})") from err
    if any(len(row) != N_MEASURES for row in rows) or not all(map(math.isfinite, [*sum(rows, ()), *numbers.values()])):
        raise _error(name, f"does not give {N_MEASURES} numbers in each row, all of them finite")
    if min(*weights.deviation, *(value for key, value in numbers.items() if "full" in key)) <= 0:
        raise _error(name, "has a scale that is not positive")
    return weights


def _error(name: str, found: str) -> ModelError:
    return ModelError(
        f"weights of vocal effort, {name}", found, "Write them again with `python -m engine_build effort CORPUS`"
    )
