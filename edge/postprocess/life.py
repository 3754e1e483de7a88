"""What a face does by itself: blinks, small eye movements, breathing, a slow sway of the head.

All of it is a function of a seed and of the frames' own time, so that the same stream gives the same face, whatever its
frame rate: what is due between two frames counts from when it was due. Each part has an amplitude and is off at 0.
Speech makes it livelier, the end of a phrase often brings a blink.

Source: 15 to 20 blinks a minute at rest and more in conversation: Bentivoglio et al., "Analysis of blink rate patterns
in normal subjects", Movement Disorders 1997. The other numbers are choices within what is usual for a person.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from edge.config.settings import LifeSettings
from edge.contracts import LidsKept
from edge.frames import AUFrame, Float32Array, State
from edge.vocabulary import positions

BLINK_S = (0.12, 0.18)
SHUT_S = 0.036  # fully shut for longer than a frame at 30 a second, so that every blink is seen to close
CLOSING_PART = 0.4  # of what remains; lids open more slowly than they close
BLINK_INTERVAL_S = {True: 2.3, False: 3.6}  # median: in speech, at rest
SHORTEST_INTERVAL_S, LONGEST_INTERVAL_S = 0.8, 12.0
INTERVAL_SPREAD = 0.55  # of the logarithm
PHRASE_END_PART = 0.5  # of the phrases that end in a blink
PHRASE_END_DELAY_S = (0.05, 0.25)
FIXATION_S = {True: 0.7, False: 1.3}  # median time between two eye movements
FIXATION_SPREAD = 0.6
FULL_LOOK_DEG = 30.0  # of an eyeLook channel at 1
BREATH_HZ = 0.23
INHALE_PART = 0.4
SWAY_HZ = (0.05, 0.11, 0.23)  # not multiples of each other: it never repeats itself
SWAY_PARTS = (0.5, 0.35, 0.15)
SWAY_AXES = (0.5, 1.0, 0.5)  # of the amplitude: pitch, yaw, roll
LIVELINESS_S = 0.7  # time constant between rest and speech
REST_LIVELINESS = 0.6  # of the sway of speech

_CHANNELS = (
    "eyeBlinkLeft", "eyeBlinkRight", "eyeLookOutLeft", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutRight",
    "eyeLookUpLeft", "eyeLookUpRight", "eyeLookDownLeft", "eyeLookDownRight",
)  # fmt: skip


class Life:
    """The movements of one face.

    Args:
        settings: Amplitudes.
        channels: Names in the frame's order; what is missing does not move.
        seed: Of the random times.
    """

    def __init__(self, settings: LifeSettings, channels: Sequence[str], seed: int) -> None:
        self._settings = settings
        self._seed = seed
        self._at = dict(zip(_CHANNELS, positions(_CHANNELS, channels), strict=True))
        self.reset()

    def reset(self) -> None:
        """Begin anew: the same times follow."""
        self._random = random.Random(self._seed)
        # Of their own: which of two that are due in one frame comes first must not change what follows.
        self._blinks, self._looks = (random.Random(f"{self._seed} {name}") for name in ("blinks", "looks"))
        self._last_s = math.nan
        self._step_s = 0.0
        self._was_speech = False
        self._liveliness = REST_LIVELINESS
        self._blink_start_s = self._blink_end_s = -math.inf
        self._next_blink_s = math.nan
        self._next_look_s = math.nan
        self._look_left_deg = self._look_up_deg = 0.0
        self._breath_turns = self._random.random()
        self._phases = [[self._random.uniform(0, 2 * math.pi) for _ in SWAY_HZ] for _ in SWAY_AXES]

    def apply(self, frame: AUFrame, now_s: float, may_blink: bool = True) -> None:
        """Move a face, in place.

        Args:
            frame: The face so far. In the state stopping it is left alone.
            now_s: Time of the frame; any origin, not going back.
            may_blink: False while somebody else moves the lids: the next blink waits until after that.
        """
        settings = self._settings
        if not settings.enabled or frame.state == State.STOPPING:
            return
        is_speech = frame.state == State.LIVE
        step_s = min(max(now_s - self._last_s, 0.0), 1.0) if not math.isnan(self._last_s) else 0.0
        self._last_s = now_s
        self._step_s = step_s
        wanted = 1.0 if is_speech else REST_LIVELINESS
        self._liveliness += (wanted - self._liveliness) * (1 - math.exp(-step_s / LIVELINESS_S))
        if not may_blink:
            self._next_blink_s = max(self._next_blink_s, now_s + SHORTEST_INTERVAL_S)
        if settings.blink > 0:
            self._apply_blink(frame, now_s, is_speech)
        if settings.saccade_deg > 0:
            self._apply_look(frame, now_s, is_speech)
        if settings.breath_deg > 0:
            self._breath_turns = (self._breath_turns + step_s * BREATH_HZ) % 1.0
            frame.head_deg[0] += settings.breath_deg * breath(self._breath_turns)
        if settings.sway_deg > 0:
            self._apply_sway(frame, now_s)
        self._was_speech = is_speech

    def _apply_blink(self, frame: AUFrame, now_s: float, is_speech: bool) -> None:
        """Shut the lids when it is time."""
        if math.isnan(self._next_blink_s):
            self._next_blink_s = now_s + _interval_s(self._blinks, BLINK_INTERVAL_S[is_speech], INTERVAL_SPREAD)
        if self._was_speech and not is_speech and self._blinks.random() < PHRASE_END_PART:
            self._next_blink_s = min(self._next_blink_s, now_s + self._blinks.uniform(*PHRASE_END_DELAY_S))
        if now_s >= self._next_blink_s and now_s >= self._blink_end_s:
            self._blink_start_s = self._due_s(self._next_blink_s, now_s)
            self._blink_end_s = self._blink_start_s + self._blinks.uniform(*BLINK_S)
            pause_s = _interval_s(self._blinks, BLINK_INTERVAL_S[is_speech], INTERVAL_SPREAD)
            self._next_blink_s = self._blink_end_s + pause_s
        if now_s < self._blink_end_s:
            shut = self._settings.blink * lid(now_s - self._blink_start_s, self._blink_end_s - self._blink_start_s)
            for name in ("eyeBlinkLeft", "eyeBlinkRight"):
                place = self._at[name]
                if place >= 0:
                    frame.activations[place] = max(float(frame.activations[place]), shut)

    def _apply_look(self, frame: AUFrame, now_s: float, is_speech: bool) -> None:
        """Look a little elsewhere from time to time; the eyes jump, they do not glide."""
        if math.isnan(self._next_look_s) or now_s >= self._next_look_s:
            largest_deg, looks = self._settings.saccade_deg, self._looks
            self._look_left_deg = min(max(looks.gauss(0, largest_deg / 2), -largest_deg), largest_deg)
            self._look_up_deg = 0.6 * min(max(looks.gauss(0, largest_deg / 2), -largest_deg), largest_deg)
            look_s = _interval_s(looks, FIXATION_S[is_speech], FIXATION_SPREAD)
            self._next_look_s = self._due_s(self._next_look_s, now_s) + look_s
        left, up = self._look_left_deg / FULL_LOOK_DEG, self._look_up_deg / FULL_LOOK_DEG
        self._add(frame, ("eyeLookOutLeft", "eyeLookInRight"), left)
        self._add(frame, ("eyeLookInLeft", "eyeLookOutRight"), -left)
        self._add(frame, ("eyeLookUpLeft", "eyeLookUpRight"), up)
        self._add(frame, ("eyeLookDownLeft", "eyeLookDownRight"), -up)

    def _apply_sway(self, frame: AUFrame, now_s: float) -> None:
        """Turn the head slowly about all axes."""
        for axis, share in enumerate(SWAY_AXES):
            wave = 0.0
            for rate_hz, part, phase in zip(SWAY_HZ, SWAY_PARTS, self._phases[axis], strict=True):
                wave += part * math.sin(2 * math.pi * rate_hz * now_s + phase)
            frame.head_deg[axis] += self._settings.sway_deg * self._liveliness * share * wave

    def _add(self, frame: AUFrame, names: Sequence[str], amount: float) -> None:
        """Add to channels where the amount is positive, up to 1."""
        if amount > 0:
            for name in names:
                place = self._at[name]
                if place >= 0:
                    frame.activations[place] = min(1.0, float(frame.activations[place]) + amount)

    def _due_s(self, due_s: float, now_s: float) -> float:
        """Return when something began that this frame is the first to show: since the frame before, or now."""
        return due_s if now_s - due_s <= self._step_s else now_s


def _interval_s(source: random.Random, median_s: float, spread: float) -> float:
    interval_s = median_s * math.exp(source.gauss(0, spread))
    return min(max(interval_s, min(SHORTEST_INTERVAL_S, median_s / 2)), LONGEST_INTERVAL_S)


def lid(time_s: float, duration_s: float) -> float:
    """Return how far a lid is shut, 0 to 1.

    Args:
        time_s: Since the blink began.
        duration_s: Of the blink; longer than SHUT_S.
    """
    closing_s = (duration_s - SHUT_S) * CLOSING_PART
    opening_s = duration_s - SHUT_S - closing_s
    if time_s <= 0 or time_s >= duration_s:
        return 0.0
    if time_s < closing_s:
        return 0.5 - 0.5 * math.cos(math.pi * time_s / closing_s)
    if time_s <= closing_s + SHUT_S:
        return 1.0
    return 0.5 + 0.5 * math.cos(math.pi * (time_s - closing_s - SHUT_S) / opening_s)


def breath(turns: float) -> float:
    """Return the height of a breath, -1 to 1.

    Args:
        turns: 0 to 1; the first part is the inhaling.
    """
    if turns < INHALE_PART:
        return -math.cos(math.pi * turns / INHALE_PART)
    return math.cos(math.pi * (turns - INHALE_PART) / (1 - INHALE_PART))


class Living:
    """Life as a stage, on the frames' capture times, before what the application wants: that turns eyes away over it.

    Args:
        life: Goes on in frames with and without sound.
        others: Who else moves the lids, if anybody.
    """

    def __init__(self, life: Life, others: LidsKept | None = None) -> None:
        self._life = life
        self._others = others

    def apply(self, frame: AUFrame, newest: Float32Array) -> None:
        """Move a face, in place."""
        self._life.apply(frame, frame.capture_time_s, self._others is None or not self._others.is_lids_busy)

    def reset(self) -> None:
        """Begin anew: the same times follow."""
        self._life.reset()
