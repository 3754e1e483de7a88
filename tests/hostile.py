"""Values that people and programs should not write, for fuzz tests: the same in every run, a fixed number of them."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

HUGE = "9" * 400  # can be compared with a float, but not made one
ODD_NUMBERS = (
    HUGE, "-" + HUGE, "9" * 5000, "1e400", "-1e400", "Infinity", "-inf", "nan", "1e308", "-0", "0x10", "1_000",
    "1e-400", "2147483648", "18446744073709551616", "65536", "-1", "0", "",
)  # fmt: skip
ODD_TEXTS = (
    "\0", "a\0b", "\x1b[2J", "\x7f", "\u2028", "\ufeff", "\u202e", "..", "../../etc/passwd", "/dev/zero", "/dev/stdin",
    ".", "/", "~", "%s%n{}", "a" * 5000, "ä" * 300, "\U0001f600", "$(reboot)", "[::1]", "127.0.0.1:99999", ":", "::",
    "-", "yes",
)  # fmt: skip
VALUES = (
    st.sampled_from(ODD_NUMBERS + ODD_TEXTS)
    | st.integers().map(str)
    | st.floats().map(repr)
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n"), max_size=30)
)


def fixed(n_inputs: int) -> settings:
    """Return settings by which a test sees the same inputs in every run."""
    return settings(
        max_examples=n_inputs, derandomize=True, database=None, deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )  # fmt: skip
