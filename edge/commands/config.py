"""`au-edge config`: the values in force and where each came from."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping

from edge.app import check_channels, find_manifest, make_outputs, network_name
from edge.app.arguments import add_configuration_arguments, settings_from
from edge.config.reading import default_text
from edge.config.settings import SECTIONS, OutputSettings, Settings, section_options
from edge.errors import AuEdgeError, ConfigurationMistakesError
from edge.machine.clock import SystemClock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = "Examples:\n  au-edge config\n  au-edge config --defaults > my.conf\n  au-edge config --check"
    add_configuration_arguments(parser)
    parser.add_argument("--defaults", action="store_true", help="print the reference with every key and its meaning")
    parser.add_argument("--check", action="store_true", help="only say whether the configuration is right")


def run(arguments: argparse.Namespace) -> int:
    """Print the configuration as INI, with the origin of what follows it."""
    if arguments.defaults:
        print(default_text(), end="")
        return 0
    settings = settings_from(arguments)
    if arguments.check:
        _check(settings)
        print("the configuration is right")
        return 0
    for section in SECTIONS:
        _print_section(section, dataclasses.asdict(getattr(settings, section)), settings.origins)
    _print_section("gain", dict(settings.gain), settings.origins)
    _print_section("limit", dict(settings.limit), settings.origins)
    for output in settings.outputs:
        common = {name: getattr(output, name) for name in section_options(OutputSettings)}
        _print_section(f"output.{output.name}", {**common, **output.options}, settings.origins)
    return 0


def _check(settings: Settings) -> None:
    """Look at what the configuration names: its network, that one's channels, the receivers' maps.

    Raises:
        ConfigurationMistakesError: All that is wrong there.
        ModelError: The network is not there or damaged.
    """
    manifest = find_manifest(network_name(settings))
    manifest.verify_graph()
    mistakes: list[AuEdgeError] = []
    for look in (lambda: check_channels(settings, manifest), lambda: make_outputs(settings, manifest, SystemClock())):
        try:
            look()
        except ConfigurationMistakesError as err:
            mistakes += err.mistakes
    if mistakes:
        raise ConfigurationMistakesError(mistakes)


def _print_section(section: str, values: dict[str, object], origins: Mapping[str, str]) -> None:
    """Print a section that can be read back: origins stand on lines of their own, since a value may contain #."""
    print(f"[{section}]")
    said = ""
    for key, value in values.items():
        text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
        origin = origins.get(f"{section}.{key}", "default")
        if origin != said:
            print(f"# from {origin}" if origin != "default" else "# not set: the default")
            said = origin
        print(f"{key} = {text}".rstrip())
    print()
