"""The configuration: layers, origins, and every mistake at once."""

from __future__ import annotations

import configparser
import contextlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config.options import Option
from edge.config.reading import default_text, load_settings
from edge.config.settings import CHANNEL_SECTIONS, SECTIONS, section_options
from edge.errors import EXIT_CONFIGURATION, ConfigurationMistakesError

PROTOCOLS = {"osc": (Option("per_channel", "flag", "no"),), "json": ()}
NOWHERE = Path("/nonexistent/au-edge.conf")


def load(config: Path | None = None, overrides: tuple[str, ...] = (), system: Path = NOWHERE):
    return load_settings(PROTOCOLS, config, overrides, system)


def test_the_shipped_reference_holds_every_key_with_its_default() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(default_text())
    for section, kind in SECTIONS.items():
        assert dict(parser.items(section)) == {o.name: o.default for o in section_options(kind).values()}
        for option in section_options(kind).values():
            assert option.help, f"{section}.{option.name} has no meaning"
            assert option.help.split("(")[0].strip() in " ".join(default_text().replace("#", " ").split())
    assert set(parser.sections()) >= set(SECTIONS) | set(CHANNEL_SECTIONS)


def test_later_layers_win_and_origins_tell(tmp_path: Path) -> None:
    system = tmp_path / "system.conf"
    system.write_text("[audio]\ndevice = A\nchannel = 2\nloop = yes\n")
    own = tmp_path / "own.conf"
    own.write_text("[audio]\ndevice = B\nchannel = 3\n[gain]\njawOpen = 1.5\n[output.robot]\nprotocol = json\n")
    settings = load(own, ("audio.device=C", "output.robot.host=10.0.0.7"), system)
    assert (settings.audio.device, settings.audio.channel, settings.audio.loop) == ("C", "3", True)
    assert settings.gain == {"default": 1.0, "jawOpen": 1.5}
    assert settings.origins["audio.device"] == "-o audio.device"
    assert settings.origins["audio.channel"] == str(own)
    assert settings.origins["audio.loop"] == str(system)
    assert settings.origins["audio.rate_hz"] == "default.conf"
    robot = next(output for output in settings.outputs if output.name == "robot")
    assert (robot.protocol, robot.host) == ("json", "10.0.0.7")


def test_all_mistakes_are_reported_at_once_with_the_nearest_name() -> None:
    overrides = (
        "audoi.rate_hz=1",
        "audio.rate_hz=fast",
        "audio.chanel=1",
        "silence.open_dbfs=20",
        "realtime.freeze_heap=maybe",
        "audio.source=micophone",
        "output.osc.per_chanel=yes",
        "output.x.protocol=ocs",
        "nonsense",
    )
    with pytest.raises(ConfigurationMistakesError) as caught:
        load(overrides=overrides)
    text = str(caught.value)
    assert len(caught.value.mistakes) == len(overrides)
    for expected in ("'audio'", "'channel'", "'microphone'", "'per_channel'", "'osc'", "-120 to 0", "yes nor no"):
        assert expected in text
    assert caught.value.exit_code == EXIT_CONFIGURATION == 78


def test_hysteresis_cannot_be_upside_down() -> None:
    with pytest.raises(ConfigurationMistakesError, match="close_dbfs"):
        load(overrides=("silence.open_dbfs=-60", "silence.close_dbfs=-50"))


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", b"key = 1\n", b"[audio\n", b"[audio]\nloop = yes\nloop = no\n", b"x" * (1 << 20) + b"yy"],
    ids=["not-utf8", "no-section", "broken-section", "twice", "too-large"],
)
def test_a_file_that_is_no_configuration_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.conf"
    path.write_bytes(content)
    with pytest.raises(ConfigurationMistakesError, match=r"bad\.conf"):
        load(path)


def test_an_unknown_section_is_a_mistake_also_when_it_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "own.conf"
    path.write_text("[outpt.osc]\n")
    with pytest.raises(ConfigurationMistakesError, match=r"outpt\.osc"):
        load(path)


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(ConfigurationMistakesError, match="cannot be read"):
        load(Path("/nonexistent/own.conf"))


def test_values_that_are_not_finite_are_refused() -> None:
    for text in ("nan", "inf", "-inf", "1e999"):
        with pytest.raises(ConfigurationMistakesError):
            load(overrides=(f"silence.hold_ms={text}",))


@given(
    st.text(alphabet=st.characters(codec="utf-8"), max_size=300)
    | st.text("[]=\n# .audiosmthrepx0159:;%-", max_size=200)
)
@settings(deadline=None)
def test_any_text_is_a_configuration_or_a_list_of_mistakes(text: str) -> None:
    with tempfile.NamedTemporaryFile(suffix=".conf") as file:
        file.write(text.encode("utf-8"))
        file.flush()
        with contextlib.suppress(ConfigurationMistakesError):
            load(Path(file.name))


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_any_bytes_are_a_configuration_or_a_list_of_mistakes(content: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".conf") as file:
        file.write(content)
        file.flush()
        with contextlib.suppress(ConfigurationMistakesError):
            load(Path(file.name))


@pytest.mark.parametrize("key", ["amount", "enabled", "brows"])
def test_old_keys_of_prosody_are_refused_with_the_names_of_the_new_ones(key: str, tmp_path: Path) -> None:
    path = tmp_path / "old.conf"
    path.write_text(f"[prosody]\n{key} = 0.5\n", encoding="utf-8")
    for layers in ({"config": path}, {"overrides": (f"prosody.{key}=0.5",)}):
        with pytest.raises(ConfigurationMistakesError) as caught:
            load(**layers)
        told = str(caught.value)
        assert "prosody" in told
        assert all(f"effort.{name}" in told for name in ("amount", "mouth", "brows", "eyes", "cheeks", "head"))
