"""The bytes of our own formats are the ones that were written by hand from their descriptions."""

from __future__ import annotations

import pytest

from edge.outputs.binary import BinaryCodec
from edge.outputs.json_udp import JsonCodec
from edge.outputs.osc import OscCodec
from edge.outputs.receiving import decode
from tests.edge.outputs.faces import frame_with, golden, manifest_with

CODECS = {"osc": OscCodec, "json": JsonCodec, "binary": BinaryCodec}
MANIFEST = manifest_with(["jawOpen", "mouthClose"])
FRAME = frame_with([0.25, 1.0], [10.0, -20.0, 0.5])


@pytest.mark.parametrize("name", CODECS)
def test_a_frame_has_its_golden_bytes(name: str) -> None:
    (datagram,) = CODECS[name](MANIFEST, {}).encode(FRAME)
    assert bytes(datagram) == golden(f"{name}_frame")


@pytest.mark.parametrize("name", ["osc", "binary"])
def test_an_announcement_has_its_golden_bytes(name: str) -> None:
    (datagram,) = CODECS[name](MANIFEST, {}).announce()
    assert bytes(datagram) == golden(f"{name}_names")


@pytest.mark.parametrize("name", CODECS)
def test_golden_bytes_decode_to_the_frame(name: str) -> None:
    frame = decode(golden(f"{name}_frame"))
    assert frame.values == pytest.approx([0.25, 1.0], abs=1e-4)
    assert frame.head_deg == (10.0, -20.0, 0.5)
    assert (frame.sequence, frame.capture_unix_s, frame.state.label) == (7, 1_700_000_000.25, "live")
