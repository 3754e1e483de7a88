"""The actuator map: an INI file that says which face moves which actuator, and how far, fast and hard it may move.

`[robot]` names the driver and its keys; each `[actuator.NAME]` is an actuator. See `examples/animatronic.ini`.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edge.config.options import Option, did_you_mean, parse_value
from edge.config.text_file import read_text
from edge.errors import AuEdgeError, ConfigurationError, ConfigurationMistakesError
from edge.frames import Float32Array
from edge.robots.motion import MotionLimits

HEAD_NAMES = ("head_pitch", "head_yaw", "head_roll")
MAX_ACTUATORS = 64
MAX_KEYS = 2000  # 64 actuators with all of their keys have half of that
MAX_MIX = 256  # terms of a mix
LARGEST_WEIGHT = 1e6
_TERM = re.compile(r"^\s*([A-Za-z_][A-Za-z0-9_]*)\s+([-+0-9.eE]+)\s*$")

ROBOT_OPTIONS: tuple[Option, ...] = (
    Option("driver", "text", "", help="maestro, dynamixel, pca9685, artnet, sacn or osc"),
    Option("tick_hz", "number", "50", 10, 200, help="commands a second"),
    Option(
        "lost_after_ms", "number", "300", 50, 10_000, help="time without a frame after which it goes to the safe pose"
    ),
    Option("safe_in_silence", "flag", "no", help="whether silence means the safe pose and not the face at rest"),
    Option("stop_ms", "number", "700", 0, 5000, help="longest time to reach the safe pose when the program ends"),
    Option(
        "start_gap_ms", "number", "300", 0, 10_000,
        help="time between the first pulses of servos that were off: they jump one after the other",
    ),
    Option("starts_on_speech", "flag", "no", help="servos that were off stay off until someone speaks"),
    Option("release", "flag", "yes", help="whether to switch the actuators off after the safe pose at the end"),
)  # fmt: skip
ACTUATOR_OPTIONS: tuple[Option, ...] = (
    Option("output", "integer", "0", 0, 65_535, help="number of the servo: channel, bus id or first DMX slot"),
    Option("mix", "text", "", help="what moves it: `jawOpen 1.0, mouthClose -0.5, head_yaw 0.02` (head per degree)"),
    Option("neutral", "number", "1500", -1e6, 1e6, help="position where the mix is 0"),
    Option("minimum", "number", "1000", -1e6, 1e6, help="position where the mix is -1; never below"),
    Option("maximum", "number", "2000", -1e6, 1e6, help="position where the mix is 1; never above"),
    Option("invert", "flag", "no", help="the mix moves it the other way"),
    Option("dead_band", "number", "0", 0, 1e6, help="changes of the target smaller than this are not followed"),
    Option("velocity", "number", "1000", 1e-3, 1e9, help="units a second at most"),
    Option("acceleration", "number", "10000", 1e-3, 1e9, help="units a second, per second, at most"),
    Option("start_velocity", "number", "200", 1e-3, 1e9, help="units a second until it has first arrived"),
    Option("safe", "text", "", help="position on stop, lost input and fault; empty = neutral"),
)


@dataclass(frozen=True)
class Actuator:
    """One actuator.

    Attributes:
        name: Of its section.
        output: Number of the servo at the driver.
        mix: Weight by channel or head angle.
        neutral: Position where the mix is 0.
        limits: What it may do.
        invert: Whether the mix moves it the other way.
        dead_band: Changes of the target that are not followed.
        start_velocity: Until it has first arrived.
        safe: Position on stop, lost input and fault.
    """

    name: str
    output: int
    mix: Mapping[str, float]
    neutral: float
    limits: MotionLimits
    invert: bool
    dead_band: float
    start_velocity: float
    safe: float


@dataclass(frozen=True)
class ActuatorMap:
    """A robot.

    Attributes:
        path: The file.
        driver: Name of the driver.
        driver_keys: The driver's own keys, as text.
        tick_s: Time between commands.
        lost_after_s: Without a frame for this long it goes to the safe pose.
        safe_in_silence: Whether silence is the safe pose.
        stop_s: Longest time to reach the safe pose at the end.
        release: Whether to switch off after that.
        actuators: In the order of the file.
        start_gap_s: Time between the first pulses of actuators that were off.
        starts_on_speech: Whether these stay off until someone speaks.
    """

    path: Path
    driver: str
    driver_keys: Mapping[str, str]
    tick_s: float
    lost_after_s: float
    safe_in_silence: bool
    stop_s: float
    release: bool
    actuators: tuple[Actuator, ...] = field(default_factory=tuple)
    start_gap_s: float = 0.3
    starts_on_speech: bool = False


class Mixer:
    """Targets of all actuators from a face.

    Args:
        actuators: Of the map.
        channels: Of the manifest.

    Raises:
        ConfigurationMistakesError: A mix names what is no channel.
    """

    def __init__(self, actuators: Sequence[Actuator], channels: Sequence[str]) -> None:
        names = [*channels, *HEAD_NAMES]
        mistakes: list[AuEdgeError] = []
        self._weights = np.zeros((len(actuators), len(names)), np.float64)
        for row, actuator in enumerate(actuators):
            for name, weight in actuator.mix.items():
                if name not in names:
                    remedy = (
                        did_you_mean(name, names) or "Use a channel of the model, or head_pitch, head_yaw, head_roll"
                    )
                    mistakes.append(
                        ConfigurationError(f"mix of actuator {actuator.name}", f"no channel {name!r}", remedy)
                    )
                else:
                    self._weights[row, names.index(name)] = -weight if actuator.invert else weight
        if mistakes:
            raise ConfigurationMistakesError(mistakes)
        self._neutral = np.array([a.neutral for a in actuators])
        self._up = np.array([a.limits.maximum - a.neutral for a in actuators])
        self._down = np.array([a.neutral - a.limits.minimum for a in actuators])
        self._inputs = np.zeros(len(names), np.float64)

    def targets(self, activations: Float32Array, head_deg: Float32Array) -> list[float]:
        """Return a position for each actuator, within its range; what is not a number counts as 0.

        Args:
            activations: float32 [n_channels].
            head_deg: float32 [3].
        """
        self._inputs[:-3] = activations
        self._inputs[-3:] = head_deg
        np.nan_to_num(self._inputs, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        mixed = np.clip(self._weights @ self._inputs, -1.0, 1.0)
        positions: list[float] = (self._neutral + np.where(mixed >= 0, mixed * self._up, mixed * self._down)).tolist()
        return positions


def load_actuator_map(path: Path) -> ActuatorMap:
    """Read and check a map.

    Args:
        path: The INI file.

    Raises:
        ConfigurationMistakesError: All mistakes at once.
        ConfigurationError: It cannot be read.
    """
    parser = configparser.ConfigParser(interpolation=None, inline_comment_prefixes=("#", ";"), default_section="\0")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    text = read_text(path, f"actuator map {path}", "Correct the path")
    try:
        parser.read_string(text, source=str(path))
    except configparser.Error as err:
        raise ConfigurationError(
            f"actuator map {path}", " ".join(str(err).split()).rstrip("."), "Correct the file"
        ) from err
    mistakes: list[AuEdgeError] = []
    sections = parser.sections()
    n_keys = sum(1 + len(parser[section]) for section in sections)
    if n_keys > MAX_KEYS:
        raise _mistake(path, f"actuator map {path}", f"it has {n_keys} sections and keys, more than {MAX_KEYS}")
    names = [s for s in sections if s.startswith("actuator.")]
    for section in sections:
        if section != "robot" and not section.startswith("actuator."):
            mistakes.append(_mistake(path, f"section [{section}]", "it is neither [robot] nor [actuator.NAME]"))
    if "robot" not in sections or not 0 < len(names) <= MAX_ACTUATORS:
        mistakes.append(_mistake(path, "the file", f"it needs [robot] and 1 to {MAX_ACTUATORS} [actuator.NAME]"))
    robot_keys = dict(parser["robot"]) if "robot" in sections else {}
    own = {option.name for option in ROBOT_OPTIONS}
    robot = _values(path, "robot", ROBOT_OPTIONS, {k: v for k, v in robot_keys.items() if k in own}, mistakes)
    actuators = [_actuator(path, section, dict(parser[section]), mistakes) for section in names]
    outputs = [actuator.output for actuator in actuators if actuator is not None]
    for output in sorted({o for o in outputs if outputs.count(o) > 1}):
        mistakes.append(_mistake(path, f"output {output}", "two actuators have it"))
    if mistakes:
        raise ConfigurationMistakesError(mistakes)
    return ActuatorMap(
        path=path,
        driver=str(robot["driver"]),
        driver_keys={k: v for k, v in robot_keys.items() if k not in own},
        tick_s=1 / float(robot["tick_hz"]),
        lost_after_s=float(robot["lost_after_ms"]) / 1000,
        safe_in_silence=bool(robot["safe_in_silence"]),
        stop_s=float(robot["stop_ms"]) / 1000,
        release=bool(robot["release"]),
        actuators=tuple(actuator for actuator in actuators if actuator is not None),
        start_gap_s=float(robot["start_gap_ms"]) / 1000,
        starts_on_speech=bool(robot["starts_on_speech"]),
    )


def _actuator(path: Path, section: str, keys: Mapping[str, str], mistakes: list[AuEdgeError]) -> Actuator | None:
    """Return the actuator of a section, or note what is wrong with it."""
    n_before = len(mistakes)
    values = _values(path, section, ACTUATOR_OPTIONS, keys, mistakes)
    mix = {}
    for term in str(values["mix"]).split(",")[: MAX_MIX + 1]:
        found = _TERM.match(term)
        try:
            if found is None:
                raise ValueError
            mix[found[1]] = weight = float(found[2])
            if not abs(weight) <= LARGEST_WEIGHT or len(mix) > MAX_MIX:
                raise ValueError
        except ValueError:
            found_term = f"{term.strip()!r} is not a name and a weight, or there are more than {MAX_MIX}"
            mistakes.append(_mistake(path, f"[{section}] mix", found_term))
    if len(mistakes) > n_before:
        return None
    neutral, minimum, maximum = (float(values[key]) for key in ("neutral", "minimum", "maximum"))
    try:
        safe = float(str(values["safe"]) or neutral)
        limits = MotionLimits(minimum, maximum, float(values["velocity"]), float(values["acceleration"]))
    except ValueError:
        mistakes.append(_mistake(path, f"[{section}] safe", f"{values['safe']!r} is not a number"))
        return None
    except ConfigurationError as err:
        mistakes.append(_mistake(path, f"[{section}]", err.found))
        return None
    for name, position in (("neutral", neutral), ("safe", safe)):
        if not minimum <= position <= maximum:
            mistakes.append(
                _mistake(path, f"[{section}] {name}", f"{position:g} is outside {minimum:g} to {maximum:g}")
            )
    return Actuator(
        name=section.partition(".")[2],
        output=int(values["output"]),
        mix=mix,
        neutral=neutral,
        limits=limits,
        invert=bool(values["invert"]),
        dead_band=float(values["dead_band"]),
        start_velocity=float(values["start_velocity"]),
        safe=safe,
    )


def _values(
    path: Path, section: str, options: Sequence[Option], keys: Mapping[str, str], mistakes: list[AuEdgeError]
) -> dict[str, Any]:
    """Return the values of a section with its defaults, and note what is unknown or not allowed."""
    known = {option.name: option for option in options}
    for key in keys:
        if key not in known:
            mistakes.append(_mistake(path, f"[{section}] {key}", f"no such key {did_you_mean(key, known)}".rstrip()))
    values: dict[str, Any] = {}
    for option in options:
        try:
            values[option.name] = parse_value(
                f"[{section}] {option.name}", option, keys.get(option.name, option.default)
            )
        except ConfigurationError as err:
            mistakes.append(err)
            values[option.name] = parse_value(section, option, option.default)
    return values


def _mistake(path: Path, asked: str, found: str) -> ConfigurationError:
    return ConfigurationError(asked, found, f"Correct {path}; docs/robots.md describes every key")
