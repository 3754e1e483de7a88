"""A face lives by itself as a person does: the same for the same seed, within its amplitudes, not at all at 0."""

from __future__ import annotations

import itertools
import statistics
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from edge.config.settings import LifeSettings
from edge.contracts import FrameStage
from edge.frames import AUFrame, State
from edge.postprocess.life import FULL_LOOK_DEG, Life, Living, lid
from edge.vocabulary import ARKIT_APPLE

ON = LifeSettings(enabled=True, blink=1.0, saccade_deg=2.0, breath_deg=0.4, sway_deg=1.5)
STILL = replace(ON, blink=0.0, saccade_deg=0.0, breath_deg=0.0, sway_deg=0.0)
RATE_HZ = 30.0
BLINK = ARKIT_APPLE.index("eyeBlinkLeft")


def lived(settings: LifeSettings, seconds: float, state: State = State.SILENCE, seed: int = 1) -> list[AUFrame]:
    life = Life(settings, ARKIT_APPLE, seed)
    frames = []
    for index in range(round(seconds * RATE_HZ)):
        frame = AUFrame.neutral(52)
        frame.state = state
        life.apply(frame, index / RATE_HZ)
        frames.append(frame)
    return frames


def blinks(frames: list[AUFrame]) -> list[tuple[int, int]]:
    """Return first frame and number of frames of each blink."""
    found, index = [], 0
    for is_shut, group in itertools.groupby(frame.activations[BLINK] > 0 for frame in frames):
        length = len(list(group))
        if is_shut:
            found.append((index, length))
        index += length
    return found


def test_it_is_a_stage() -> None:
    assert isinstance(Living(Life(ON, ARKIT_APPLE, 1)), FrameStage)


def test_the_same_seed_gives_the_same_face_and_another_another() -> None:
    first, second, other = lived(ON, 60), lived(ON, 60), lived(ON, 60, seed=2)
    assert all(np.array_equal(a.activations, b.activations) for a, b in zip(first, second, strict=True))
    assert all(np.array_equal(a.head_deg, b.head_deg) for a, b in zip(first, second, strict=True))
    assert blinks(first) != blinks(other)


def test_a_reset_begins_the_same_again() -> None:
    stage = Living(Life(ON, ARKIT_APPLE, 3))
    runs = []
    for _ in range(2):
        frames = [AUFrame.neutral(52) for _ in range(300)]
        for index, frame in enumerate(frames):
            frame.capture_time_s = index / RATE_HZ
            stage.apply(frame, np.zeros(0, np.float32))
        runs.append(np.stack([frame.activations for frame in frames]))
        stage.reset()
    assert np.array_equal(runs[0], runs[1])


@pytest.mark.parametrize(("state", "fewest", "most"), [(State.SILENCE, 10, 20), (State.LIVE, 17, 32)])
def test_blinks_come_as_often_as_in_people_and_more_often_in_speech(state: State, fewest: int, most: int) -> None:
    per_minute = len(blinks(lived(ON, 1200, state))) / 20
    assert fewest <= per_minute <= most


def test_blinks_are_as_long_as_in_people_and_irregular() -> None:
    found = blinks(lived(ON, 1200))
    assert all(3 <= length <= 6 for _, length in found), "120 to 180 ms are 3 to 6 frames at 30 a second"
    gaps = [b - a for (a, _), (b, _) in itertools.pairwise(found)]
    assert statistics.stdev(gaps) > 0.3 * statistics.mean(gaps)
    assert min(gaps) / RATE_HZ >= 0.8


def test_every_blink_is_seen_to_close_and_both_lids_close_together() -> None:
    frames = lived(ON, 300)
    right = ARKIT_APPLE.index("eyeBlinkRight")
    for first, length in blinks(frames):
        lids = [frame.activations for frame in frames[first : first + length]]
        assert max(float(values[BLINK]) for values in lids) == 1.0
        assert all(values[BLINK] == values[right] for values in lids)


def test_a_lid_closes_faster_than_it_opens() -> None:
    times = np.linspace(0, 0.15, 1000)
    shut = [lid(float(time_s), 0.15) for time_s in times]
    assert shut.index(1.0) / 1000 < 1 - (len(shut) - 1 - shut[::-1].index(1.0)) / 1000
    assert lid(-0.1, 0.15) == lid(0.2, 0.15) == 0.0


def test_the_end_of_a_phrase_often_brings_a_blink() -> None:
    life = Life(replace(STILL, blink=1.0), ARKIT_APPLE, 5)
    after_phrase, elsewhere = 0, 0
    was_shut = False
    for index in range(round(1800 * RATE_HZ)):
        second = index / RATE_HZ
        frame = AUFrame.neutral(52)
        frame.state = State.LIVE if second % 4 < 3 else State.SILENCE
        life.apply(frame, second)
        is_shut = frame.activations[BLINK] > 0
        if is_shut and not was_shut:
            after_phrase += 3 <= second % 4 < 3.3
            elsewhere += not 3 <= second % 4 < 3.3
        was_shut = is_shut
    assert after_phrase / 0.3 > 3 * elsewhere / 3.7, "blinks a second, after phrases and elsewhere"


@pytest.mark.parametrize("part", ["blink", "saccade_deg", "breath_deg", "sway_deg"])
def test_each_part_is_off_at_0_and_alone_when_the_others_are(part: str) -> None:
    alone = lived(replace(STILL, **{part: getattr(ON, part)}), 30)
    moved = {name for frame in alone for name, v in zip(ARKIT_APPLE, frame.activations, strict=True) if v}
    head = [axis for axis in range(3) if any(frame.head_deg[axis] for frame in alone)]
    expected = {
        "blink": ({"eyeBlinkLeft", "eyeBlinkRight"}, []),
        "saccade_deg": ({name for name in ARKIT_APPLE if name.startswith("eyeLook")}, []),
        "breath_deg": (set(), [0]),
        "sway_deg": (set(), [0, 1, 2]),
    }
    assert (moved, head) == expected[part]


@pytest.mark.parametrize("settings", [STILL, replace(ON, enabled=False)], ids=["all at 0", "off"])
def test_nothing_moves_where_it_is_off(settings: LifeSettings) -> None:
    assert all(not frame.activations.any() and not frame.head_deg.any() for frame in lived(settings, 30))


def test_amplitudes_are_kept_and_activations_stay_in_range() -> None:
    for frame in lived(ON, 300, State.LIVE):
        assert abs(frame.head_deg[0]) <= 0.4 + 0.5 * 1.5 + 1e-5
        assert abs(frame.head_deg[1]) <= 1.5 + 1e-5
        looks = [v for n, v in zip(ARKIT_APPLE, frame.activations, strict=True) if n.startswith("eyeLook")]
        assert max(looks) <= 2.0 / FULL_LOOK_DEG + 1e-6
        assert frame.activations.min() >= 0
        assert frame.activations.max() <= 1


def test_both_eyes_look_the_same_way() -> None:
    at = {name: index for index, name in enumerate(ARKIT_APPLE)}
    for frame in lived(replace(STILL, saccade_deg=5.0), 60):
        values = frame.activations
        assert values[at["eyeLookOutLeft"]] == values[at["eyeLookInRight"]]
        assert values[at["eyeLookInLeft"]] == values[at["eyeLookOutRight"]]
        assert not (values[at["eyeLookOutLeft"]] and values[at["eyeLookInLeft"]])


def test_the_head_sways_slowly() -> None:
    head = np.stack([frame.head_deg for frame in lived(replace(STILL, sway_deg=1.5, breath_deg=0.4), 300, State.LIVE)])
    assert np.abs(np.diff(head, axis=0)).max() * RATE_HZ < 2.5  # degrees a second
    assert head[:, 1].std() > 0.3


def test_speech_makes_it_livelier() -> None:
    calm, lively = (
        np.stack([frame.head_deg for frame in lived(replace(STILL, sway_deg=1.5), 120, state)])
        for state in (State.SILENCE, State.LIVE)
    )
    assert lively[300:, 1].std() > 1.4 * calm[300:, 1].std()


def test_eyes_that_are_shut_already_stay_shut_and_a_stopping_face_is_left_alone() -> None:
    life = Life(ON, ARKIT_APPLE, 1)
    for index in range(900):
        frame = AUFrame.neutral(52)
        frame.activations[BLINK] = 0.9
        life.apply(frame, index / RATE_HZ)
        assert frame.activations[BLINK] >= np.float32(0.9)
        stopping = AUFrame.neutral(52)
        stopping.state = State.STOPPING
        life.apply(stopping, index / RATE_HZ)
        assert not stopping.activations.any()


def test_a_network_without_eyes_still_breathes() -> None:
    life = Life(ON, ["jawOpen"], 1)
    frame = AUFrame.neutral(1)
    for index in range(300):
        life.apply(frame, index / RATE_HZ)
    assert frame.head_deg.any()
    assert frame.activations[0] == 0


def test_it_does_not_grow() -> None:
    life, frame = Life(ON, ARKIT_APPLE, 1), AUFrame.neutral(52)
    for index in range(100):
        life.apply(frame, index / RATE_HZ)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for index in range(100, 3100):
            life.apply(frame, index / RATE_HZ)
        assert tracemalloc.get_traced_memory()[0] - before < 4096
    finally:
        tracemalloc.stop()
