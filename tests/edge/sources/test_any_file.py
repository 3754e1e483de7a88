"""Any bytes given as a sound file are sound or an error with a remedy: never a traceback, never a hang."""

from __future__ import annotations

import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.errors import InputError
from edge.machine.clock import SystemClock
from edge.sources.sound_file import SoundFileSource

HEADS = st.sampled_from(
    [
        b"",
        b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00",
        b"fLaC\x00\x00\x00\x22",
        b"OggS\x00\x02",
        b"ID3",
    ]
)


@given(HEADS, st.binary(max_size=600))
@settings(deadline=None, max_examples=300)
def test_any_bytes_are_sound_or_an_error(head: bytes, rest: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        file.write(head + rest)
        file.flush()
        source = SoundFileSource(file.name, clock=SystemClock())
        try:
            source.open()
            for _ in range(1000):
                chunk = source.read(1.0)
                assert chunk is not None
                if chunk.is_last:
                    break
            else:
                raise AssertionError("a file of 600 bytes does not end")
        except InputError:
            pass
        finally:
            source.close()
