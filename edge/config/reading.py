"""The configuration: INI files into settings, every mistake reported at once.

Order, later wins: the shipped `default.conf` (the reference of every key) < /etc/au-edge/au-edge.conf < `--config FILE`
< `-o section.key=value`. Facts about the network are not here: they live in its manifest.
"""

from __future__ import annotations

import configparser
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from edge.config.options import Option, Value, did_you_mean, parse_value
from edge.config.settings import (
    CHANNEL_SECTIONS,
    RENAMED_SECTIONS,
    SECTIONS,
    OutputSettings,
    Settings,
    SilenceSettings,
    section_options,
)
from edge.config.text_file import read_text
from edge.errors import AuEdgeError, ConfigurationError, ConfigurationMistakesError

SYSTEM_FILE = Path("/etc/au-edge/au-edge.conf")
MAX_KEYS = 2000  # of one file, sections counted; the reference has some 100, and 256 channels may have two keys each
MAX_OUTPUTS = 32  # each takes a socket and encodes every frame
MAX_NAME_CHARACTERS = 64  # of an output


def default_text() -> str:
    """Return the shipped default.conf, the reference of the configuration."""
    try:
        return resources.files("edge").joinpath("default.conf").read_text(encoding="utf-8")
    except OSError as err:  # no descriptor is left, or the package is damaged
        raise ConfigurationError(
            "configuration default.conf", f"cannot be read: {err.strerror or err}", "See `ulimit -n`, or install again"
        ) from err


def load_settings(
    protocol_options: Mapping[str, Sequence[Option]],
    config: Path | None = None,
    overrides: Sequence[str] = (),
    system_file: Path = SYSTEM_FILE,
) -> Settings:
    """Read the layers of the configuration.

    Args:
        protocol_options: Protocol name -> the keys that its codec understands beside the common ones.
        config: `--config FILE`; must exist.
        overrides: "section.key=value" texts; later ones win.
        system_file: The machine's file, read where it exists.

    Raises:
        ConfigurationMistakesError: All mistakes of all layers.
    """
    reader = _Reader(protocol_options)
    reader.add_text(default_text(), "default.conf")
    if system_file.exists():
        reader.add_file(system_file)
    if config is not None:
        reader.add_file(config)
    for override in overrides:
        reader.add_override(override)
    return reader.build()


class _Reader:
    """Collects (section, key) -> (text, origin), then turns it into Settings."""

    def __init__(self, protocol_options: Mapping[str, Sequence[Option]]) -> None:
        self._protocols = {name: {o.name: o for o in options} for name, options in protocol_options.items()}
        self._texts: dict[str, dict[str, tuple[str, str]]] = {}
        self._mistakes: list[AuEdgeError] = []

    def add_file(self, path: Path) -> None:
        """Add a file's keys, or the reason why it has none."""
        try:
            self.add_text(read_text(path, f"configuration file {path}"), str(path))
        except ConfigurationError as err:
            self._mistakes.append(err)

    def add_text(self, text: str, origin: str) -> None:
        """Add the keys of an INI text."""
        parser = configparser.ConfigParser(interpolation=None, default_section="\0", delimiters=("=",))
        parser.optionxform = str  # type: ignore[assignment,method-assign]  # channel names have capitals
        try:
            parser.read_string(text, source=origin)
        except configparser.Error as err:
            found = " ".join(str(err).split()).rstrip(".")
            self._note(f"configuration {origin}", found, "Write [section] and key = value lines")
            return
        n_keys = sum(1 + len(parser[section]) for section in parser.sections())
        if n_keys > MAX_KEYS:
            found = f"it has {n_keys} sections and keys, more than {MAX_KEYS}"
            self._note(f"configuration {origin}", found, "Give a configuration; `au-edge config --defaults` is one")
            return
        for section in parser.sections():
            if self._is_known(section, origin):
                for key, value in parser.items(section):
                    self._add(section, key, value, origin)

    def add_override(self, override: str) -> None:
        """Add one "section.key=value"."""
        path, equals, value = override.partition("=")
        section, dot, key = path.strip().rpartition(".")
        if not (equals and dot and section and key):
            self._note(f"option -o {override}", "it is not section.key=value", "Write for example -o audio.loop=yes")
            return
        origin = f"-o {path.strip()}"
        if self._is_known(section, origin):
            self._add(section, key, value, origin)

    def _note(self, asked: str, found: str, remedy: str) -> None:
        self._mistakes.append(ConfigurationError(asked, found, remedy))

    def _is_known(self, section: str, origin: str) -> bool:
        """Return whether there is such a section; note it where there is not, also when it is empty."""
        known = [*SECTIONS, *CHANNEL_SECTIONS]
        if section in known:
            return True
        if section.startswith("output."):
            name = section.partition(".")[2]
            if name.isprintable() and 0 < len(name) <= MAX_NAME_CHARACTERS:
                return True
            self._note(f"section [{section}] in {origin}", "its name is empty, too long or cannot be printed",
                       f"Write [output.NAME] with a NAME of 1 to {MAX_NAME_CHARACTERS} characters")  # fmt: skip
            return False
        renamed = RENAMED_SECTIONS.get(section)
        if renamed is not None:
            keys = ", ".join(f"{renamed}.{key}" for key in section_options(SECTIONS[renamed]))
            self._note(f"section [{section}] in {origin}", f"it is gone, [{renamed}] is in its place", f"Use {keys}")
            return False
        remedy = did_you_mean(section, known) or f"Sections are {', '.join(known)} and output.NAME"
        self._note(f"section [{section}] in {origin}", "there is no such section", remedy)
        return False

    def _add(self, section: str, key: str, value: str, origin: str) -> None:
        if section in SECTIONS and key not in (keys := section_options(SECTIONS[section])):
            remedy = did_you_mean(key, keys) or f"Keys of [{section}] are {', '.join(keys)}"
            self._note(f"{section}.{key} in {origin}", "there is no such key", remedy)
            return
        self._texts.setdefault(section, {})[key] = (value, origin)

    def build(self) -> Settings:
        """Parse every value; raise all mistakes or return the settings."""
        values: dict[str, Any] = {name: kind(**self._values(name, kind)) for name, kind in SECTIONS.items()}
        for name, option in CHANNEL_SECTIONS.items():
            values[name] = {
                key: value
                for key, (text, origin) in self._texts.get(name, {}).items()
                if (value := self._parse(f"{name}.{key} in {origin}", option, text)) is not None
            }
        outputs = [self._output(name) for name in self._texts if name.startswith("output.")]
        if len(outputs) > MAX_OUTPUTS:
            self._note("the outputs", f"there are {len(outputs)}, more than {MAX_OUTPUTS}", "Remove some sections")
        silence: SilenceSettings = values["silence"]
        if silence.close_dbfs > silence.open_dbfs:
            self._note("silence.close_dbfs", f"{silence.close_dbfs} is above open_dbfs {silence.open_dbfs}",
                       "Close must be the lower of the two")  # fmt: skip
        if self._mistakes:
            raise ConfigurationMistakesError(self._mistakes)
        origins = {f"{s}.{k}": origin for s, keys in self._texts.items() for k, (_, origin) in keys.items()}
        return Settings(**values, outputs=tuple(outputs), origins=origins)

    def _values(self, section: str, kind: type[Any]) -> dict[str, Value]:
        options = section_options(kind)
        found = {}
        for key, (text, origin) in self._texts.get(section, {}).items():
            value = self._parse(f"{section}.{key} in {origin}", options[key], text)
            if value is not None:
                found[key] = value
        return found

    def _output(self, section: str) -> OutputSettings:
        texts = self._texts[section]
        common = section_options(OutputSettings)
        protocol = texts.get("protocol", ("osc", ""))[0].strip()
        if protocol not in self._protocols:
            remedy = did_you_mean(protocol, self._protocols) or f"Protocols are {', '.join(self._protocols)}"
            origin = texts.get("protocol", ("", "default.conf"))[1]
            self._note(f"{section}.protocol in {origin}", f"there is no protocol {protocol!r}", remedy)
        special = self._protocols.get(protocol, {})
        plain: dict[str, Any] = {}
        options: dict[str, Value] = {}
        for key, (text, origin) in texts.items():
            option = common.get(key) or special.get(key)
            where = f"{section}.{key} in {origin}"
            if option is None:
                if protocol in self._protocols:
                    known = [*common, *special]
                    remedy = did_you_mean(key, known) or f"Keys of {protocol} outputs are {', '.join(known)}"
                    self._note(where, "there is no such key", remedy)
                continue
            value = self._parse(where, option, text)
            if value is not None:
                (plain if key in common else options)[key] = value
        return OutputSettings(name=section.partition(".")[2], **plain, options=options)

    def _parse(self, where: str, option: Option, text: str) -> Value | None:
        try:
            return parse_value(where, option, text)
        except ConfigurationError as err:
            self._mistakes.append(err)
            return None
