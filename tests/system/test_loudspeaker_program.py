"""What the real program says of loudspeakers, on virtual ones."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.system.programs import au_edge
from tests.virtual_loudspeaker.audience import Audience, open_hall
from tests.virtual_microphone.air import Device

QUIET = ("-o", "audio.source=silence", "-o", "audio.play=yes")


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Audience]]:
    with open_hall(tmp_path_factory.mktemp("hall"), [Device("speaker_48", 48_000, 2)]) as made:
        yield made


@pytest.fixture(autouse=True)
def _repaired(hall: dict[str, Audience]) -> Iterator[None]:
    yield
    hall["speaker_48"].fault("none")


@pytest.mark.parametrize(
    ("device", "fault", "status", "mark", "words"),
    [
        ("speaker_48", "none", 0, "ok", "2 channels, 48000 Hz"),
        ("speaker", "none", 0, "ok", "is speaker_48"),
        ("pigeon", "none", 78, "fail", "here are 'speaker_48'"),
    ],
)
def test_check_says_whether_the_loudspeaker_would_be_found(
    hall: dict[str, Audience], device: str, fault: str, status: int, mark: str, words: str
) -> None:
    hall["speaker_48"].fault(fault)
    done = au_edge("check", "--json", *QUIET, "-o", f"play.device={device}")
    assert done.returncode == status, done.stderr
    (finding,) = [f for f in json.loads(done.stdout)["findings"] if f["part"] == "loudspeaker"]
    assert finding["status"] == mark
    assert words in finding["text"]


def test_check_fails_without_any_loudspeaker_and_only_where_one_is_needed(hall: dict[str, Audience]) -> None:
    hall["speaker_48"].fault("unplugged")
    done = au_edge("check", *QUIET)
    assert done.returncode == 69
    assert "no audio output" in done.stdout
    assert au_edge("check", *QUIET, "-o", "audio.wait=yes").returncode == 0
    assert au_edge("check", "-o", "audio.source=silence").returncode == 0


def test_devices_lists_loudspeakers_with_what_they_do(hall: dict[str, Audience]) -> None:
    done = au_edge("devices")
    assert "loudspeakers:\nspeaker_48" in done.stdout
    assert "2 channels, 48000 Hz" in done.stdout
    assert "no microphone" in done.stdout
    (entry,) = [e for e in json.loads(au_edge("devices", "--json").stdout) if e["name"] == "speaker_48"]
    assert (entry["direction"], entry["rates_hz"], entry["n_channels"]) == ("output", [48_000], 2)
