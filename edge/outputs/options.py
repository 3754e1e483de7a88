"""The options of one output, checked, with the defaults filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.config.options import Option, Value, did_you_mean, parse_value
from edge.errors import ConfigurationError

__all__ = ["Option", "OptionValues"]


class OptionValues:
    """Values by name.

    Args:
        owner: Who asks ("protocol osc"), for messages.
        options: What there is.
        given: What the configuration says; keys without the defaults.

    Raises:
        ConfigurationError: A key is unknown or a value is not allowed; all mistakes in one message.
    """

    def __init__(self, owner: str, options: Sequence[Option], given: Mapping[str, str]) -> None:
        names = [option.name for option in options]
        mistakes = [f"key {key!r} is unknown {did_you_mean(key, names)}".rstrip() for key in given if key not in names]
        self._values: dict[str, Value] = {}
        for option in options:
            try:
                self._values[option.name] = parse_value(option.name, option, given.get(option.name, option.default))
            except ConfigurationError as err:
                mistakes.append(f"{option.name}: {err.found}")
        if mistakes:
            keys = ", ".join(names) or "none"
            raise ConfigurationError(f"options of {owner}", "; ".join(mistakes), f"Its keys are: {keys}")

    def flag(self, name: str) -> bool:
        """Return a yes-or-no option."""
        return bool(self._values[name])

    def integer(self, name: str) -> int:
        """Return a whole number."""
        return int(self._values[name])

    def number(self, name: str) -> float:
        """Return a number."""
        return float(self._values[name])

    def text(self, name: str) -> str:
        """Return a text."""
        return str(self._values[name])
