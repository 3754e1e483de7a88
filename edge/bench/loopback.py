"""End to end with real sound: chirps are played, and found again in what is sent.

Every chirp begins in silence, so the silence gate opens with the first frame that holds its beginning, and the state
of the frames says which one that is. Two things follow.

What a person sees: the time from a chirp's first sample to the datagram that shows it. It holds the wait for the end of
the frame, which is anything up to one period.

How true the time stamps are: a frame claims when its last sample was at the microphone. The frame before the first one
with the chirp must have ended before the chirp began and the first one after it, whatever the program claims. Each
chirp so bounds the error of the claim from both sides; chirps at n evenly spaced phases of the frame bound it to 1/n of
a period. Adding that error to what `au-edge bench` measures (receipt less claimed time) gives the true latency.

What remains unknown, and is reported: the frame period over the number of chirps, and how many samples of a chirp the
gate needs (a fraction of a millisecond at the levels here). A filter with linear phase (the resampler's) may show a
chirp up to 1.5 ms early. The player's own start time is taken as the truth.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from edge.bench.distribution import Distribution
from edge.bench.measured_process import MeasuredProcess, ProgramWish
from edge.errors import DeviceError
from edge.frames import Float32Array, State
from edge.outputs.received import ReceivedFrame

CHIRP_S = 0.06
CHIRP_SPACING_S = 0.6  # the gate holds 70 ms and closes again well within it
CHIRP_AMPLITUDE = 0.5
CHIRP_HZ = (500.0, 3500.0)  # what small loudspeakers and microphones have in common
LEAD_S = 1.5  # silence first: a gate that has just started knows the room
TAIL_S = 0.5


class Player(Protocol):
    """Something that lets a sound be heard at the microphone at a known time."""

    rate_hz: int

    def play(self, sound: Float32Array) -> float:
        """Begin to play a sound, float32 [n_samples]; return the CLOCK_MONOTONIC second of its first sample."""
        ...


def chirp_sound(rate_hz: int, n_chirps: int, frame_period_s: float) -> tuple[Float32Array, list[int]]:
    """Return silence with chirps whose beginnings go evenly through the phases of the frame.

    Returns:
        float32 [n_samples], and the index of each chirp's first sample.
    """
    chirp = _chirp(rate_hz)
    spacing_s = round(CHIRP_SPACING_S / frame_period_s) * frame_period_s + frame_period_s / n_chirps
    onsets = [round((LEAD_S + k * spacing_s) * rate_hz) for k in range(n_chirps)]
    sound = np.zeros(onsets[-1] + len(chirp) + round(TAIL_S * rate_hz), np.float32)
    for onset in onsets:
        sound[onset : onset + len(chirp)] = chirp
    return sound, onsets


def run_loopback(
    wish: ProgramWish, player: Player, open_dbfs: float, n_chirps: int, frame_period_s: float = 1 / 30
) -> dict[str, Any]:
    """Play chirps to a running program and find them.

    Args:
        wish: The program; its source must hear the player.
        player: Plays.
        open_dbfs: Level at which the silence gate opens.
        n_chirps: More bound the stamps' error closer.
        frame_period_s: Of the network.

    Returns:
        Plain JSON values; see `evaluate`.

    Raises:
        DeviceError: The program did not start, or fewer than half of the chirps were found.
    """
    sound, onsets = chirp_sound(player.rate_hz, n_chirps, frame_period_s)
    wish = replace(wish, arguments=(*wish.arguments, "-o", "silence.voice_only=no"))  # a chirp is no voice
    with MeasuredProcess(wish) as process:
        process.wait_first()
        process.sleep(0.5)
        begin_s = player.play(sound)
        process.sleep(len(sound) / player.rate_hz + max(0.0, begin_s - time.monotonic()) + TAIL_S)
        unix_offset_s = time.time() - time.monotonic()
        report = process.stop()
        frames = process.receiver.frames()
    onset_unix_s = [begin_s + unix_offset_s + onset / player.rate_hz for onset in onsets]
    return {"source": report["source"], **evaluate(frames, onset_unix_s, report["frame_period_s"], open_dbfs)}


def evaluate(
    frames: Sequence[tuple[float, ReceivedFrame]], onsets_unix_s: Sequence[float], period_s: float, open_dbfs: float
) -> dict[str, Any]:
    """Find chirps in frames.

    Args:
        frames: Receipt (Unix time) and frame, in order.
        onsets_unix_s: When each chirp truly began.
        period_s: Of the frames.
        open_dbfs: Level at which the gate opens.

    Returns:
        `onset_to_datagram` and `sound_to_datagram` (distributions; the second one corrected by the stamps' error),
        `stamp_error_ms` with its `stamp_uncertainty_ms`, `needed_ms` (of a chirp until the gate opens), counts.

    Raises:
        DeviceError: Fewer than half of the chirps were found.
    """
    with_sound = [(t, f) for t, f in frames if f.state in (State.LIVE, State.SILENCE)]
    delays, lower, upper = [], [], []
    for onset in onsets_unix_s:
        found = _first_live(with_sound, onset, period_s)
        if found is None:
            continue
        received, claimed, claimed_before = found
        delays.append(received - onset)
        lower.append(claimed_before - onset)
        upper.append(claimed - onset)
    if len(delays) * 2 < len(onsets_unix_s):
        raise DeviceError(
            "the loopback",
            f"{len(delays)} of {len(onsets_unix_s)} chirps were found in the frames",
            "Is the loudspeaker heard by this microphone? Turn it up, or quieten the room; `au-edge run --view` shows",
        )
    low, high = max(lower), min(upper)
    needed_s = _needed_s(period_s, open_dbfs)
    error_s = (low + high) / 2 - needed_s / 2
    claimed_latencies = [t - f.capture_unix_s for t, f in with_sound]
    return {
        "n_chirps": len(onsets_unix_s),
        "n_found": len(delays),
        "onset_to_datagram": Distribution.of(delays).as_json(),
        "sound_to_datagram_claimed": Distribution.of(claimed_latencies).as_json(),
        "sound_to_datagram": Distribution.of([latency + error_s for latency in claimed_latencies]).as_json(),
        "stamp_error_ms": round(error_s * 1000, 3),
        "stamp_uncertainty_ms": round((abs(high - low) / 2 + needed_s / 2) * 1000, 3),
        "needed_ms": round(needed_s * 1000, 4),
    }


def render_loopback(result: dict[str, Any]) -> str:
    """Return the result as lines."""
    onset, sound = result["onset_to_datagram"], result["sound_to_datagram"]
    return "\n".join(
        [
            f"{result['n_found']} of {result['n_chirps']} chirps found, heard by {result['source']}",
            f"chirp's first sample to datagram (with the wait for the frame's end): p50 {onset['p50_ms']:.1f} ms, "
            f"p99 {onset['p99_ms']:.1f}, max {onset['max_ms']:.1f}",
            f"frame's last sample to datagram: p50 {sound['p50_ms']:.1f} ms, p99 {sound['p99_ms']:.1f}, "
            f"max {sound['max_ms']:.1f}, true to {result['stamp_uncertainty_ms']:.2f} ms",
            f"time stamps of frames are {result['stamp_error_ms']:+.2f} ms off "
            f"(uncertain by {result['stamp_uncertainty_ms']:.2f} ms)",
        ]
    )


def _first_live(
    frames: Sequence[tuple[float, ReceivedFrame]], onset: float, period_s: float
) -> tuple[float, float, float] | None:
    """Return receipt and claimed time of the first frame that shows a chirp, and the claimed time of the one before."""
    for (_, before), (received, frame) in pairwise(frames):
        is_near = -3 * period_s < frame.capture_unix_s - onset < 6 * period_s
        if is_near and before.state == State.SILENCE and frame.state == State.LIVE:
            if frame.sequence != before.sequence + 1:
                return None  # a frame between them was lost: it may have been the first
            return received, frame.capture_unix_s, before.capture_unix_s
    return None


def _needed_s(period_s: float, open_dbfs: float) -> float:
    """Return how much of a chirp a frame must hold for its level to reach the gate's."""
    chirp_power = CHIRP_AMPLITUDE**2 / 2
    return float(min(period_s, period_s * 10 ** (open_dbfs / 10) / chirp_power))


def _chirp(rate_hz: int) -> Float32Array:
    """Return a chirp that begins at full strength and ends softly, float32 [n]."""
    time_s = np.arange(round(CHIRP_S * rate_hz)) / rate_hz
    low, high = CHIRP_HZ
    phase = 2 * np.pi * (low * time_s + (high - low) / (2 * CHIRP_S) * time_s**2)
    fade = np.minimum(1.0, (CHIRP_S - time_s) / 0.01)
    chirp: Float32Array = (CHIRP_AMPLITUDE * fade * np.cos(phase)).astype(np.float32)
    return chirp
