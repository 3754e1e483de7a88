"""Which microphone is meant, from the names that PortAudio and ALSA really give."""

from __future__ import annotations

import pytest

from edge.alsa.devices import (
    card_id_of,
    card_numbers,
    find_again,
    find_device,
    identity_of,
    is_monitor,
    parse_pulse_monitors,
)
from edge.alsa.portaudio import DeviceInfo, Direction
from edge.errors import ConfigurationError, DeviceError

CARDS_TEXT = """ 0 [PCH            ]: HDA-Intel - HDA Intel PCH
                      HDA Intel PCH at 0xb1340000 irq 145
 1 [Device         ]: USB-Audio - USB PnP Sound Device
                      C-Media Electronics Inc. USB PnP Sound Device at usb-0000:00:14.0-1
 2 [Loopback       ]: Loopback - Loopback
                      Loopback 1
10 [Array          ]: USB-Audio - ReSpeaker 4 Mic Array
                      SEEED ReSpeaker 4 Mic Array
"""
CARDS = {"PCH": 0, "Device": 1, "Loopback": 2, "Array": 10}


def inputs(*names: str, default: str = "default") -> list[DeviceInfo]:
    return [DeviceInfo(index, name, 2, 48_000, name == default) for index, name in enumerate(names)]


ALL = inputs(
    "HDA Intel PCH: ALC256 Analog (hw:0,0)",
    "USB PnP Sound Device: Audio (hw:1,0)",
    "Loopback: PCM (hw:2,0)",
    "Loopback: PCM (hw:2,1)",
    "ReSpeaker 4 Mic Array: USB Audio (hw:10,0)",
    "vmic",
    "vmichw",
    "pulse",
    "default",
)


def test_card_ids_are_read_as_the_kernel_writes_them() -> None:
    assert card_numbers(CARDS_TEXT) == CARDS
    assert card_numbers("--- no soundcards ---\n") == {}


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("vmic", "vmic"),  # exact, though it is also a part of another
        ("usb pnp", "USB PnP Sound Device: Audio (hw:1,0)"),
        ("respeaker", "ReSpeaker 4 Mic Array: USB Audio (hw:10,0)"),
        ("hw:1", "USB PnP Sound Device: Audio (hw:1,0)"),  # not hw:10
        ("hw:1,0", "USB PnP Sound Device: Audio (hw:1,0)"),
        ("hw:Device", "USB PnP Sound Device: Audio (hw:1,0)"),
        ("plughw:CARD=Array,DEV=0", "ReSpeaker 4 Mic Array: USB Audio (hw:10,0)"),
        ("hw:Loopback,1", "Loopback: PCM (hw:2,1)"),
        ("PCH", "HDA Intel PCH: ALC256 Analog (hw:0,0)"),
        ("hw:2,1", "Loopback: PCM (hw:2,1)"),
        ("", "default"),
        ("default", "default"),
        ("pulse", "pulse"),
    ],
)
def test_the_device_that_is_meant_is_found(wanted: str, name: str) -> None:
    assert find_device(ALL, wanted, CARDS, Direction.INPUT).name == name


def test_a_card_id_that_is_in_no_name_is_found() -> None:
    devices = inputs("Strange Thing: Audio (hw:3,0)", "default")
    assert find_device(devices, "Mic", {"Mic": 3}, Direction.INPUT).name == "Strange Thing: Audio (hw:3,0)"


@pytest.mark.parametrize("wanted", ["usb", "Loopback", "hw"])
def test_an_ambiguous_name_lists_the_candidates(wanted: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_device(ALL, wanted, CARDS, Direction.INPUT)
    meant = [device.name for device in ALL if wanted.lower() in device.name.lower()]
    assert len(meant) > 1
    assert all(repr(name) in caught.value.found for name in meant)


@pytest.mark.parametrize("wanted", ["carrier pigeon", "hw:7", "hw:Nothing,0", "hw:1,3"])
def test_an_unknown_name_lists_what_is_there(wanted: str) -> None:
    with pytest.raises(ConfigurationError, match=r"no such device.*ReSpeaker"):
        find_device(ALL, wanted, CARDS, Direction.INPUT)


def test_without_any_input_it_may_be_tried_again() -> None:
    for wanted in ("", "vmic"):
        with pytest.raises(DeviceError, match="no audio input"):
            find_device([], wanted, {}, Direction.INPUT)


def test_without_a_default_the_first_is_taken() -> None:
    assert find_device(inputs("a", "b"), "", {}, Direction.INPUT).name == "a"


def test_a_card_is_found_again_under_another_number() -> None:
    identity = identity_of(ALL[1], CARDS)
    replugged = inputs("Camera: USB Audio (hw:1,0)", "USB PnP Sound Device: Audio (hw:4,0)")
    assert (
        find_again(replugged, identity, {"Camera": 1, "Device": 4}, Direction.INPUT).name
        == "USB PnP Sound Device: Audio (hw:4,0)"
    )
    assert find_again(replugged, identity, {}, Direction.INPUT).name == "USB PnP Sound Device: Audio (hw:4,0)"


def test_of_two_equal_cards_the_one_with_the_same_id_is_found_again() -> None:
    identity = identity_of(DeviceInfo(0, "Mic: Audio (hw:2,0)", 1, 48_000, False), {"Mic": 1, "Mic_1": 2})
    swapped = inputs("Mic: Audio (hw:1,0)", "Mic: Audio (hw:2,0)")
    assert find_again(swapped, identity, {"Mic_1": 1, "Mic": 2}, Direction.INPUT).name == "Mic: Audio (hw:1,0)"


def test_a_card_that_is_away_may_be_tried_again() -> None:
    with pytest.raises(DeviceError, match="not there any more"):
        find_again(inputs("Camera: USB Audio (hw:1,0)"), identity_of(ALL[1], CARDS), {"Camera": 1}, Direction.INPUT)


def test_monitors_are_told_from_microphones() -> None:
    assert [is_monitor(d.name, card_id_of(d.name, CARDS)) for d in ALL[:5]] == [False, False, True, True, False]
    assert is_monitor("vmic_in.monitor", "")


def test_monitors_of_the_sound_server_are_read_from_pactl() -> None:
    listing = (
        "0\talsa_output.pci.analog-stereo.monitor\tmodule-alsa-card.c\ts16le 2ch 44100Hz\tIDLE\n"
        "1\talsa_input.pci.analog-stereo\tmodule-alsa-card.c\ts16le 2ch 44100Hz\tSUSPENDED\n"
        "57\trobot_voice.monitor\tPipeWire\tfloat32le 1ch 48000Hz\tRUNNING\n"
        "nonsense\n"
    )
    found = parse_pulse_monitors(listing)
    assert [(d.name, d.n_channels, d.rates_hz) for d in found] == [
        ("pulse:alsa_output.pci.analog-stereo.monitor", 2, (44_100,)),
        ("pulse:robot_voice.monitor", 1, (48_000,)),
    ]
    assert all(device.is_monitor for device in found)
