"""Faces that are set by hand reach the outputs at a rate that a robot needs, however seldom the page draws."""

from __future__ import annotations

import json
import socket
import time

from edge.app import protocol_options
from edge.commands.head import Driver
from edge.config.reading import load_settings
from edge.head.wire import Drive


def received(receiver: socket.socket, seconds: float) -> list[dict[str, object]]:
    receiver.settimeout(0.05)
    until, found = time.monotonic() + seconds, []
    while time.monotonic() < until:
        try:
            found.append(json.loads(receiver.recv(4096)))
        except TimeoutError:
            continue
    return found


def test_one_face_from_the_page_is_repeated_while_it_is_held_and_not_for_ever() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        port = receiver.getsockname()[1]
        settings = load_settings(
            protocol_options(), None, ("output.osc.enabled=no", "output.json.enabled=yes", f"output.json.port={port}")
        )
        driver = Driver(settings)
        try:
            received(receiver, 0.1)
            driver.send(Drive({"jawOpen": 0.5}, (0.0, 12.0, 0.0)))
            held = received(receiver, 1.2)
            assert 5 <= len(held) <= 17  # half a second of them, at most 30 a second
            assert {frame["au"]["jawOpen"] for frame in held} == {0.5}  # type: ignore[index]
            sequences = [frame["seq"] for frame in held]
            assert sequences == sorted(set(sequences))  # type: ignore[type-var]
            assert received(receiver, 0.2) == []
        finally:
            driver.close()
        assert not driver._repeating.is_alive()
