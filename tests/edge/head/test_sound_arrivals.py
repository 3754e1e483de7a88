"""Which sound is passed on."""

from __future__ import annotations

import numpy as np

from edge.head.arrivals import SOURCE_TIMEOUT_S
from edge.head.sound_arrivals import SoundArrivals
from edge.outputs.sound_datagram import SoundPacker

FRAMES, ONE, TWO = ("10.0.0.1", 1), ("10.0.0.1", 2), ("10.0.0.1", 3)


def pieces(n: int) -> list[bytes]:
    packer = SoundPacker(16_000)
    return [bytes(packer.pack(np.zeros(10, np.float32), float(i))[0]) for i in range(n)]


def test_two_senders_on_one_machine_are_not_mixed_and_the_second_follows_a_silent_first() -> None:
    gate, (first, second) = SoundArrivals(), pieces(2)
    assert gate.take(first, ONE, FRAMES, 0.0) is not None
    assert gate.take(first, TWO, FRAMES, 0.1) is None
    assert gate.take(second, ONE, FRAMES, 0.2) is not None
    assert gate.take(first, TWO, FRAMES, 0.3 + SOURCE_TIMEOUT_S) is not None
    assert gate.n_refused == 1


def test_what_was_overtaken_or_doubled_is_dropped_and_a_sender_that_starts_again_is_heard() -> None:
    gate, sounds = SoundArrivals(), pieces(400)
    passed = [i for i in (300, 302, 301, 302, 303, 0, 1) if gate.take(sounds[i], ONE, FRAMES, 0.0) is not None]
    assert passed == [300, 302, 303, 0, 1]
