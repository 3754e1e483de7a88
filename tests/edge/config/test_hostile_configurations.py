"""Whatever a configuration or a map holds, it is used, or refused by an error of ours that a person can read."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.alsa.devices import find_device
from edge.alsa.portaudio import DeviceInfo, Direction
from edge.app import (
    check_channels,
    find_manifest,
    make_controls,
    make_expression,
    make_outputs,
    make_source,
    make_stages,
    protocol_options,
)
from edge.config.options import Option, Value, parse_value
from edge.config.reading import MAX_KEYS, MAX_OUTPUTS, load_settings
from edge.config.settings import CHANNEL_SECTIONS, SECTIONS, OutputSettings, Settings, section_options
from edge.config.text_file import MAX_FILE_BYTES, read_text
from edge.errors import EXIT_CONFIGURATION, AuEdgeError, ConfigurationError, shortened
from edge.head.running import start_head_thread
from edge.machine.clock import SystemClock
from edge.metrics.counters import Metrics
from edge.metrics.http import MetricsServer
from edge.outputs.receiving import StreamDecoder
from edge.outputs.retarget import load_retarget
from edge.outputs.udp import UdpTransport
from edge.postprocess.effort_weights import shipped_weights
from edge.robots.actuator_map import ACTUATOR_OPTIONS, ROBOT_OPTIONS, load_actuator_map
from edge.robots.assembly import DRIVERS, load_driver, make_robot
from edge.sources.channels import ChannelChoice
from edge.vocabulary import ARKIT_APPLE
from tests.hostile import HUGE, ODD_NUMBERS, VALUES, fixed
from tests.requirements import need_module

NOWHERE = Path("/nonexistent/au-edge.conf")
MOST_CHARACTERS = 8000  # of a refusal: 20 mistakes at 400
MANIFEST = find_manifest("stream")
PROTOCOLS = protocol_options()
CLOCK = SystemClock()


def load(config: Path | None = None, *overrides: str) -> Settings:
    return load_settings(PROTOCOLS, config, overrides, NOWHERE)


def refusal(act: Callable[[], object]) -> AuEdgeError | None:
    """Return the error of ours that something ends with; None where it works. Another error fails the test."""
    err = None
    try:
        act()
    except AuEdgeError as caught:
        err = caught
    assert len(str(err)) <= MOST_CHARACTERS
    assert all(line.isprintable() for line in str(err).split("\n"))
    return err


def use(settings: Settings) -> None:
    """Make everything that a running program makes of a configuration, and open nothing."""
    check_channels(settings, MANIFEST)
    make_outputs(settings, MANIFEST, CLOCK)
    make_stages(settings, MANIFEST)
    if settings.audio.source != "auto":
        make_source(settings, MANIFEST, CLOCK)


# --- single things ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ODD_NUMBERS, ids=[text[:12] or "empty" for text in ODD_NUMBERS])
@pytest.mark.parametrize("kind", ["integer", "number"])
@pytest.mark.parametrize("bounds", [(1, 65_535), (None, None), (-1e6, 1e6)])
def test_a_number_is_in_its_range_or_refused(kind: str, text: str, bounds: tuple[float | None, float | None]) -> None:
    option = Option("x", kind, "1", *bounds)
    found: list[Value] = []
    err = refusal(lambda: found.append(parse_value("x", option, text)))
    assert len(str(err)) < 500
    for value in found:
        assert isinstance(value, int | float)
        assert float("-inf") < float(value) < float("inf")
        assert bounds[0] is None or bounds[0] <= value
        assert bounds[1] is None or value <= bounds[1]


def device(tmp_path: Path) -> Path:
    return Path("/dev/zero")


def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def folder(tmp_path: Path) -> Path:
    return tmp_path


def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    return path


def holed(tmp_path: Path) -> Path:
    path = tmp_path / "holed"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a terabyte that takes no block
    return path


def with_nul(tmp_path: Path) -> Path:
    path = tmp_path / "nul"
    path.write_bytes(b"[model]\npath = a\0b\n")
    return path


def nul_in_its_name(tmp_path: Path) -> Path:
    return Path("a\0b")


def long_name(tmp_path: Path) -> Path:
    return tmp_path / ("n" * 5000)


def no_text(tmp_path: Path) -> Path:
    path = tmp_path / "binary"
    path.write_bytes(bytes(range(256)))
    return path


NO_FILES = [device, pipe, folder, large, holed, with_nul, nul_in_its_name, long_name, no_text]


@pytest.mark.parametrize("make", NO_FILES, ids=[make.__name__ for make in NO_FILES])
@pytest.mark.parametrize(
    "read",
    [
        load,
        load_actuator_map,
        lambda path: load_retarget(f"{path.parent}/{path.name}", ARKIT_APPLE),
        lambda path: read_text(path, "a text"),
    ],
    ids=["configuration", "actuator map", "retarget", "text"],
)  # fmt: skip
def test_what_is_no_small_text_file_is_refused_at_once(
    read: Callable[[Path], object], make: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = make(tmp_path)
    err = refusal(lambda: read(path))
    assert isinstance(err, ConfigurationError)
    assert err.exit_code == EXIT_CONFIGURATION
    assert len(str(err)) < 1500


@pytest.mark.parametrize("make", NO_FILES, ids=[make.__name__ for make in NO_FILES])
def test_what_is_no_small_text_file_holds_no_weights(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path)
    assert refusal(lambda: use(load(None, f"effort.weights={path}"))) is not None


@pytest.mark.parametrize("value", [HUGE, "1e999", "NaN", "[" * 100_000, "null", '"a"', "{}", "[[]]"])
@pytest.mark.parametrize("key", ["mean", "full", "sources", "measures", "format"])
def test_weights_hold_numbers_or_are_refused(key: str, value: str, tmp_path: Path) -> None:
    text = shipped_weights().text()
    content = json.loads(text)
    content[key] = "@"
    path = tmp_path / "weights"
    path.write_text(json.dumps(content).replace('"@"', value))
    is_harmless = key == "sources" and value in ('"a"', "{}", "[[]]")
    assert is_harmless or refusal(lambda: use(load(None, f"effort.weights={path}"))) is not None


def test_a_megabyte_of_unknown_keys_is_a_short_refusal_and_takes_no_longer_than_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "many.conf"
    path.write_text("[audio]\n" + "".join(f"key{i} = 1\n" for i in range(MAX_FILE_BYTES // 16)))
    control = tmp_path / "control.conf"  # as many keys, which there are: what reading alone takes on this machine
    control.write_text("[limit]\n" + "".join(f"key{i} = 1\n" for i in range(MAX_FILE_BYTES // 16)))
    # This thread's own processor time, in turns, the least of each: what an earlier test left running is in neither.
    took_s: dict[Path, list[float]] = {control: [], path: []}
    for which in [control, path] * 3:
        began_s = time.thread_time()
        err = refusal(lambda: load(which))  # noqa: B023 - called at once
        took_s[which].append(time.thread_time() - began_s)
    assert min(took_s[path]) < 3 * min(took_s[control]) + 0.05
    assert err is not None
    assert str(err).count("\n") < 30


def test_as_many_mistakes_as_a_file_may_have_are_shown_by_the_first_and_their_number(tmp_path: Path) -> None:
    path = tmp_path / "many.conf"
    path.write_text("[audio]\n" + "".join(f"key{i} = 1\n" for i in range(MAX_KEYS - 1)))
    err = refusal(lambda: load(path))
    assert err is not None
    assert f"{MAX_KEYS - 1} mistakes" in str(err)
    assert f"and {MAX_KEYS - 21} more" in str(err)


def test_outputs_are_bounded_and_have_names() -> None:
    assert refusal(lambda: load(None, *(f"output.n{i}.port=9" for i in range(MAX_OUTPUTS + 1)))) is not None
    for name in ("", "a\x1b[2J", "n" * 65):
        assert refusal(lambda name=name: load(None, f"output.{name}.port=9")) is not None
    assert refusal(lambda: load(None, "output.Köpfe.port=9")) is None


def test_a_value_of_any_length_is_quoted_in_part() -> None:
    assert len(shortened("x" * 1_000_000, 300)) < 350
    assert shortened("\x1b[2J\ud800\n") == "\\x1b[2J\\ud800\n"


def test_without_descriptors_a_configuration_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "own.conf"
    config.write_text("[audio]\nloop = yes\n")
    load(config)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        err = refusal(lambda: load(config))
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert isinstance(err, ConfigurationError)
    assert "Too many open files" in str(err)
    assert refusal(lambda: load(config)) is None


# --- addresses --------------------------------------------------------------------------------------------------------

NO_HOSTS = ["a" * 100, "a..b", ".", "\u00e9" * 70, "1.2.3.4.5", "256.1.1.1", "no.such.host.invalid", "::1%nosuch"]
NO_ADDRESSES = ["", ":", "127.0.0.1:" + "9" * 5000, "127.0.0.1:\u00b2", "127.0.0.1:-1", "127.0.0.1:65536", "127.0.0.1"]


def _open_source(address: str, kind: str) -> None:
    source = make_source(load(None, f"audio.source={kind}", f"audio.address={address}"), MANIFEST, CLOCK)
    try:
        source.open()
    finally:
        source.close()


def _open_osc(address: str) -> None:
    control = make_controls(load(None, f"control.osc={address}").control, make_expression(load(), MANIFEST))[0]
    try:
        control.open()
    finally:
        control.close()


def _open_metrics(host: str) -> None:
    server = MetricsServer(Metrics(), dict, dict, CLOCK, load(None, f"metrics.host={host}").metrics.host, 0)
    try:
        server.open()
    finally:
        server.close()


def _open_head(key: str, host: str) -> None:
    settings = dataclasses.replace(load(None, f"head.{key}={host}").head, port=0, frames_port=0)
    start_head_thread(settings, lambda: StreamDecoder().read).close()


LISTENERS: dict[str, Callable[[str], None]] = {
    "tcp": lambda host: _open_source(f"{host}:0", "tcp"),
    "websocket": lambda host: _open_source(f"{host}:0", "websocket"),
    "osc": lambda host: _open_osc(f"{host}:0"),
    "metrics": _open_metrics,
    "page": lambda host: _open_head("host", host),
    "frames": lambda host: _open_head("frames_host", host),
}


@pytest.mark.parametrize("listener", LISTENERS)
@pytest.mark.parametrize("host", NO_HOSTS, ids=[host[:8] for host in NO_HOSTS])
def test_a_host_that_is_none_is_refused_wherever_something_listens(listener: str, host: str) -> None:
    for needed in {"metrics": ["prometheus_client"], "tcp": [], "osc": []}.get(listener, ["websockets"]):
        need_module(needed)
    err = refusal(lambda: LISTENERS[listener](host))
    assert err is not None
    assert "unknown error" not in str(err).lower()


@pytest.mark.parametrize("address", NO_ADDRESSES, ids=[address[:14] for address in NO_ADDRESSES])
@pytest.mark.parametrize("listener", ["tcp", "websocket", "osc"])
def test_an_address_that_is_none_is_refused(listener: str, address: str) -> None:
    if listener == "websocket":
        need_module("websockets")
    if listener == "osc" and ":" not in address:
        return  # a port alone is one; empty is off
    err = refusal(lambda: _open_osc(address) if listener == "osc" else _open_source(address, listener))
    assert isinstance(err, ConfigurationError)


def test_numbers_of_any_length_in_names_are_no_numbers() -> None:
    assert refusal(lambda: ChannelChoice.parse("9" * 5000)) is not None
    address = f"hw:{'9' * 5000},{'9' * 5000}"
    devices = [DeviceInfo(0, "Mic (hw:1,0)", 1, 16_000, True)]
    assert refusal(lambda: find_device(devices, address, {}, Direction.INPUT)) is not None


# --- fuzz -------------------------------------------------------------------------------------------------------------

_KEYS = [(section, key) for section, kind in SECTIONS.items() for key in section_options(kind)]
_KEYS += [(section, key) for section in CHANNEL_SECTIONS for key in ("default", "jawOpen", "no\u2028channel")]
_OUTPUT_KEYS = [*section_options(OutputSettings), *{o.name for options in PROTOCOLS.values() for o in options}]
_SOUND = st.sampled_from(("audio.source=file", "audio.source=tcp", "audio.source=tone", "audio.source=microphone"))
_PROTOCOL = st.sampled_from([f"output.osc.protocol={name}" for name in PROTOCOLS if name != "ros"])


@given(
    st.lists(st.tuples(st.sampled_from(_KEYS), VALUES), max_size=4),
    st.lists(st.tuples(st.sampled_from(_OUTPUT_KEYS), VALUES), max_size=4),
    _SOUND,
    _PROTOCOL,
)
@fixed(150)
def test_any_value_of_any_key_is_used_or_refused(
    keys: list[tuple[tuple[str, str], str]], output: list[tuple[str, str]], sound: str, protocol: str
) -> None:
    overrides = [sound, protocol, *(f"{section}.{key}={value}" for (section, key), value in keys)]
    overrides += [f"output.osc.{key}={value}" for key, value in output]
    refusal(lambda: use(load(None, *overrides)))


@given(st.lists(st.tuples(st.sampled_from(_KEYS), VALUES), min_size=1, max_size=6))
@fixed(100)
def test_any_value_in_a_file_is_used_or_refused(tmp_path: Path, keys: list[tuple[tuple[str, str], str]]) -> None:
    path = tmp_path / "own.conf"
    lines = [
        f"[{section}]\n{key} = {value}" for section, key, value in {(s, k): (s, k, v) for (s, k), v in keys}.values()
    ]
    path.write_bytes("\n".join(lines).encode())
    refusal(lambda: use(dataclasses.replace(load(path), outputs=())))


_ROBOT_KEYS = [o.name for o in ROBOT_OPTIONS] + ["host", "udp_port"]
_ACTUATOR_KEYS = [o.name for o in ACTUATOR_OPTIONS]
_DRIVER_KEYS = sorted({o.name for name in DRIVERS for o in load_driver(name).OPTIONS})


def _first(pair: tuple[str, str]) -> str:
    return pair[0]


@given(
    st.sampled_from(sorted(DRIVERS)),
    st.lists(st.tuples(st.sampled_from(_ROBOT_KEYS + _DRIVER_KEYS), VALUES), max_size=3, unique_by=_first),
    st.lists(
        st.tuples(st.sampled_from(_ACTUATOR_KEYS), VALUES | st.just("jawOpen 1e300, head_yaw 0.02")),
        max_size=4, unique_by=_first,
    ),
)  # fmt: skip
@fixed(150)
def test_any_actuator_map_is_used_or_refused(
    tmp_path: Path, driver: str, robot: list[tuple[str, str]], actuator: list[tuple[str, str]]
) -> None:
    path = tmp_path / "robot.ini"
    robot = [("driver", driver), *(pair for pair in robot if pair[0] != "driver")]
    actuator = [*actuator, *([] if any(key == "mix" for key, _ in actuator) else [("mix", "jawOpen 1.0")])]
    text = "[robot]\n" + "".join(f"{key} = {value}\n" for key, value in robot)
    text += "[actuator.jaw]\n" + "".join(f"{key} = {value}\n" for key, value in actuator)
    path.write_bytes(text.encode())

    def make() -> None:
        made = make_robot("robot", load_actuator_map(path), ARKIT_APPLE, UdpTransport, CLOCK)
        assert made.description

    refusal(make)


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n"), min_size=1, max_size=10),
            st.sampled_from(("jawOpen", "mouthClose", ":combine", ":curve", ":offset", "no")),
            VALUES | st.sampled_from(("0 0, 1 1", "0 0, 0 1", "1e300 0, 2e300 1", "max")),
        ),
        min_size=1, max_size=5,
    )
)  # fmt: skip
@fixed(120)
def test_any_map_of_a_rig_gives_values_in_range_or_is_refused(tmp_path: Path, rows: list[tuple[str, str, str]]) -> None:
    import numpy as np

    path = tmp_path / "rig.ini"
    path.write_bytes("".join(f"[{target}]\n{key} = {value}\n" for target, key, value in rows).encode())

    def make() -> None:
        found = load_retarget(str(path), ARKIT_APPLE).apply(np.full(len(ARKIT_APPLE), 1.0, np.float32))
        assert ((found >= 0) & (found <= 1)).all()

    refusal(make)
    settings = load(None, "output.osc.protocol=json", f"output.osc.mapping={path}")
    refusal(lambda: use(settings))
