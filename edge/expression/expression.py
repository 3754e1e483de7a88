"""What the application wants of the face: takes wishes from any thread, moves faces on the frames' own.

Wishes are single references and a bounded queue that the interpreter swaps whole: no thread ever waits for another.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from edge.config.options import did_you_mean
from edge.config.settings import ExpressionSettings
from edge.contracts import GESTURES, MOODS
from edge.errors import ConfigurationError
from edge.expression.gaze import Gaze, Reach
from edge.expression.gestures import Gestures
from edge.expression.moods import Moods
from edge.frames import Float32Array
from edge.vocabulary import positions

MOST_GESTURES_WAITING = 8
FURTHEST_LOOK_DEG = 90.0
LONGEST_STEP_S = 0.5  # between two frames; after a longer pause nothing has to be caught up
SPEAK_S, FALL_SILENT_S = 0.06, 0.4  # in which the mouth's share of a mood gives way to speech, and comes back
REST_S, WAKE_S = 0.3, 0.1
OF_LIDS = ("blink", "wink")  # these wait for each other, and for a blink of the face's own
LIDS_MOVE = 0.1  # a lid that is shut further than this is in a blink already
LIDS_WAIT_S = 0.3  # for that blink to end


class Expression:
    """Moods, gaze, gestures and rest of one face.

    `mood`, `look`, `gesture`, `rest` and `wake` may be called from any thread, `apply` from one.

    Args:
        settings: Where the mood begins, and the rig's reach.
        channels: Names in the frame's order; what is missing does not move.
        limits: Largest activation by channel name, and under `default`: eyes that may not go further let the head.
    """

    moods = MOODS
    gestures = GESTURES

    def __init__(self, settings: ExpressionSettings, channels: Sequence[str], limits: Mapping[str, float]) -> None:
        reach = Reach.of_rig(settings.eye_full_deg, limits, settings.head_pitch_deg, settings.head_yaw_deg)
        self._moods, self._gaze, self._gestures = Moods(channels), Gaze(reach, channels), Gestures()
        self._lids = positions(("eyeBlinkLeft", "eyeBlinkRight"), channels)
        (self._cheek,) = positions(("cheekSquintLeft",), channels)
        self._moods.want(settings.mood, settings.amount, is_at_once=True)
        # The wishes, written by others: read once a frame.
        self._wanted_mood = self._mood = (settings.mood, settings.amount)
        self._wanted_look: tuple[float, float] | None = None
        self._look: tuple[float, float] | None = None
        self._wanted_gestures: deque[str] = deque(maxlen=MOST_GESTURES_WAITING)
        self._is_rest_wanted = False
        # The frames' own.
        self._last_s = math.nan
        self._speaking = 0.0
        self._resting = 0.0
        self._lids_waiting: deque[str] = deque(maxlen=MOST_GESTURES_WAITING)
        self._lids_waited_s = 0.0
        self._were_lids_down = False
        self._head_deg = np.zeros(3, np.float32)
        self._is_idle = False  # nothing is shown: nearly every frame of nearly every face, which shall cost nothing

    def mood(self, name: str, amount: float = 1.0) -> None:
        """Show a mood, eased over a second; it stays until another is set. See `Expressive`."""
        if name not in MOODS:
            raise _unknown("mood", name, MOODS)
        if not 0.0 <= amount <= 1.0:
            raise ConfigurationError(f"mood {name}", f"its amount is {amount}", "Give an amount of 0 to 1")
        self._wanted_mood = (name, float(amount))

    def look(self, yaw_deg: float | None = None, pitch_deg: float | None = None) -> None:
        """Look in a direction, or without angles freely again. See `Expressive`."""
        if yaw_deg is None and pitch_deg is None:
            self._wanted_look = None
            return
        for name, angle in (("yaw", yaw_deg), ("pitch", pitch_deg)):
            if angle is None or not -FURTHEST_LOOK_DEG <= angle <= FURTHEST_LOOK_DEG:
                raise ConfigurationError(
                    "a look", f"its {name} is {angle}", f"Give yaw and pitch within {FURTHEST_LOOK_DEG:g} degrees"
                )
        self._wanted_look = (float(pitch_deg or 0.0), float(yaw_deg or 0.0))

    def gesture(self, name: str) -> None:
        """Make a gesture once. See `Expressive`."""
        if name not in GESTURES:
            raise _unknown("gesture", name, GESTURES)
        self._wanted_gestures.append(name)

    def rest(self) -> None:
        """Ease everything, speech too, to neutral and stay there until `wake`."""
        self._is_rest_wanted = True
        self._wanted_mood = ("neutral", 0.0)
        self._wanted_look = None
        self._wanted_gestures.clear()

    def wake(self) -> None:
        """End a rest."""
        self._is_rest_wanted = False

    @property
    def is_resting(self) -> bool:
        """Return whether a rest is asked for."""
        return self._is_rest_wanted

    @property
    def is_lids_busy(self) -> bool:
        """Return whether a blink or wink goes on that was asked for."""
        return self._gestures.is_lids_busy or len(self._lids_waiting) > 0

    # --- on the thread of the frames ------------------------------------------------------------------------------

    def apply(self, activations: Float32Array, head_deg: Float32Array, time_s: float, gate: float) -> None:
        """Move a face, in place.

        Args:
            activations: float32 [n_channels], the speech and what the face does by itself.
            head_deg: float32 [3], pitch, yaw, roll.
            time_s: Of the frame; any origin. Where it goes back no time passes.
            gate: 1 in frames of speech, 0 in others.
        """
        step_s = min(max(time_s - self._last_s, 0.0), LONGEST_STEP_S) if not math.isnan(self._last_s) else 0.0
        self._last_s = time_s
        if gate != self._speaking:
            change = step_s / SPEAK_S if gate > self._speaking else -step_s / FALL_SILENT_S
            bound = max if gate <= self._speaking else min
            self._speaking = bound(gate, self._speaking + change)
        if self._is_idle and not self._is_wished():
            self._head_deg[:] = head_deg
            return
        self._take_wishes(activations, step_s)
        is_gesturing = self._gestures.is_shown
        if is_gesturing:
            self._gestures.step(step_s)
            self._gestures.turn(head_deg)
        if is_gesturing or self._gaze.is_shown:
            self._gaze.step(step_s, head_deg, self._gestures.head_deg)
            self._gaze.turn_eyes(activations)
        left, right = self._shut_lids(activations)
        self._moods.step(step_s)
        if self._moods.is_shown:
            self._moods.add(activations, self._speaking, left, right)
        self._head_deg[:] = head_deg
        self._ease_rest(activations, head_deg, step_s)
        is_moving = self._gestures.is_shown or self._gaze.is_shown or self._moods.is_shown
        self._is_idle = not (is_moving or self._lids_waiting or self._resting > 0.0)

    def _is_wished(self) -> bool:
        """Return whether anything was asked for since the frame before."""
        return (
            self._is_rest_wanted
            or len(self._wanted_gestures) > 0
            or self._wanted_look != self._look
            or self._wanted_mood != self._mood
        )

    def _take_wishes(self, activations: Float32Array, step_s: float) -> None:
        """Begin what was asked for since the frame before; in a rest nothing begins."""
        is_down = self._is_lid_down(activations)
        are_lids_up = not (is_down or self._were_lids_down)  # a frame that shows them up parts two blinks
        self._were_lids_down = is_down
        if self._is_rest_wanted:
            if self._resting == 1.0:
                self._settle()
            return
        if self._wanted_mood != self._mood:
            self._mood = self._wanted_mood
            self._moods.want(*self._mood)
        if self._wanted_look != self._look:
            self._look = self._wanted_look
            is_large = self._gaze.want(self._look, self._head_deg, self._gestures.head_deg)
            if is_large and not self.is_lids_busy and are_lids_up:
                self._gestures.start("blink")
        while self._wanted_gestures:
            name = self._wanted_gestures.popleft()
            if name in OF_LIDS:
                self._lids_waiting.append(name)
            else:
                self._gestures.start(name)
        if self._lids_waiting and not self._gestures.is_lids_busy:  # two blinks that meet would be half a blink
            self._lids_waited_s += step_s
            if are_lids_up or self._lids_waited_s > LIDS_WAIT_S:
                self._lids_waited_s = 0.0
                self._gestures.start(self._lids_waiting.popleft())

    def _settle(self) -> None:
        """Forget everything, while none of it is seen."""
        self._mood, self._look = ("neutral", 0.0), None
        self._moods.want("neutral", 0.0, is_at_once=True)
        self._gaze.stop()
        self._gestures.stop()
        self._wanted_gestures.clear()
        self._lids_waiting.clear()

    def _is_lid_down(self, activations: Float32Array) -> bool:
        return any(place >= 0 and activations[place] > LIDS_MOVE for place in self._lids)

    def _shut_lids(self, activations: Float32Array) -> tuple[float, float]:
        """Shut the lids as far as gestures say, and return how far they are shut now."""
        shut = self._gestures.shut
        for side, place in enumerate(self._lids):
            if place >= 0 and shut[side] > activations[place]:
                activations[place] = shut[side]
        if self._cheek >= 0 and self._gestures.cheek > activations[self._cheek]:
            activations[self._cheek] = self._gestures.cheek
        left, right = (float(activations[place]) if place >= 0 else 0.0 for place in self._lids)
        return min(max(left, 0.0), 1.0), min(max(right, 0.0), 1.0)

    def _ease_rest(self, activations: Float32Array, head_deg: Float32Array, step_s: float) -> None:
        """Scale the whole face towards neutral while a rest lasts."""
        if self._is_rest_wanted:
            self._resting = min(1.0, self._resting + step_s / REST_S)
        elif self._resting > 0.0:
            self._resting = max(0.0, self._resting - step_s / WAKE_S)
        if self._resting > 0.0:
            moved = np.float32(1.0 - self._resting * self._resting * (3.0 - 2.0 * self._resting))
            np.multiply(activations, moved, out=activations)
            np.multiply(head_deg, moved, out=head_deg)


def _unknown(kind: str, name: str, known: Sequence[str]) -> ConfigurationError:
    remedy = did_you_mean(name, known) or f"Known are {', '.join(known)}"
    return ConfigurationError(f"{kind} {name!r}", f"there is no such {kind}; there are {', '.join(known)}", remedy)
