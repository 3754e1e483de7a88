"""What several tests of sources share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from edge.sources.pcm_stream import PcmStreamSource


@pytest.fixture
def tcp() -> Iterator[PcmStreamSource]:
    """A source that waits for writers."""
    from tests.edge.sources.test_pcm_stream import RATE_HZ, stream

    source = stream("tcp", address="127.0.0.1:0", rate_hz=RATE_HZ, pace="fast")
    source.open()
    yield source
    source.close()
