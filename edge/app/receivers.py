"""Receivers of frames, made from their sections."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from edge.app.tables import NODES, PROTOCOLS, SOUND, TRANSPORTS, load_class
from edge.config.settings import OutputSettings, Settings
from edge.contracts import Clock, Codec, FrameOutput, Transport
from edge.errors import ConfigurationError, ConfigurationMistakesError
from edge.manifest import Manifest

ROS = "ros"
GREETED = "ifacialmocap"  # its receivers say hello first
ROBOT = "robot"  # not a wire format: a map of actuators with a driver and a thread of its own


def make_output(output: OutputSettings, manifest: Manifest, clock: Clock) -> FrameOutput:
    """Make one receiver from its section.

    Raises:
        ConfigurationError: The codec refuses an option, or a map cannot be used.
    """
    if output.protocol == ROBOT:
        return _later(_make_robot(output, manifest, clock), output, clock)
    if output.protocol == ROS:
        options = {name: str(value) for name, value in output.options.items()}
        node: FrameOutput = load_class(NODES, ROS)(output.name, manifest.channels, options)
        return _later(node, output, clock)
    if output.protocol == SOUND:
        return _make_sound(output, manifest, clock)
    from edge.outputs.sender import Output

    codec_class = load_class(PROTOCOLS, output.protocol)
    transport = _make_transport(output, output.host, output.port or codec_class.default_port)
    if output.protocol == GREETED:
        transport = _greeted(output, transport, output.port or codec_class.default_port, clock)
    made: FrameOutput = Output(
        output.name,
        _make_codec(output, manifest),
        transport,
        clock,
        rate_hz=output.rate_hz,
        enabled=output.enabled,
        delay_ms=output.delay_ms,
    )
    return made


def _make_sound(output: OutputSettings, manifest: Manifest, clock: Clock) -> FrameOutput:
    """Make what sends the sound itself; the live program also has it hear."""
    from edge.outputs.sound import DEFAULT_PORT, SoundOutput

    transport = _make_transport(output, output.host, output.port or DEFAULT_PORT)
    made: FrameOutput = SoundOutput(
        output.name, transport, clock, manifest.sample_rate_hz, manifest.lookahead_ms / 1000,
        enabled=output.enabled, delay_ms=output.delay_ms,
    )  # fmt: skip
    return made


def _later(receiver: FrameOutput, output: OutputSettings, clock: Clock) -> FrameOutput:
    """Give a receiver of whole frames the rate and the delay of its section."""
    from edge.outputs.later import LaterOutput

    return LaterOutput(receiver, clock, rate_hz=output.rate_hz, delay_ms=output.delay_ms)


def _make_codec(output: OutputSettings, manifest: Manifest) -> Codec:
    """Make the codec, behind a map to a rig's names where one is configured."""
    codec_class = load_class(PROTOCOLS, output.protocol)
    options = {name: str(value) for name, value in output.options.items()}
    if not output.mapping:
        plain: Codec = codec_class(manifest, options)
        return plain
    from edge.outputs.retarget import RetargetedCodec, load_retarget, retargeted_manifest

    retarget = load_retarget(output.mapping, manifest.channels)
    return RetargetedCodec(codec_class(retargeted_manifest(manifest, retarget), options), retarget)


def _make_transport(output: OutputSettings, host: str, port: int) -> Transport:
    made: Transport = load_class(TRANSPORTS, "udp")(
        host, port, interface=output.interface, ttl=output.ttl, resolve_s=output.resolve_s
    )
    return made


def _greeted(output: OutputSettings, pushed: Transport, port: int, clock: Clock) -> Transport:
    """Put the hearing of hellos around the way to the configured receiver, as its options say.

    A receiver on this machine needs the port itself, so `both` is `push` there.
    """
    from edge.outputs.ifacialmocap import in_version, read_hello

    reach = output.options.get("reach", "both")
    if reach == "push" or (reach == "both" and is_loopback(output.host)):
        return pushed
    made: Transport = load_class(TRANSPORTS, "greeted")(
        pushed if reach == "both" else None,
        clock,
        port,
        read_hello,
        in_version,
        lease_s=float(output.options.get("lease_s", 3600)),
        is_local_only=output.options.get("hello_from", "local") == "local",
        interface=output.interface,
    )
    return made


def is_loopback(host: str) -> bool:
    """Return whether a name or address means this machine, without looking it up."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def make_robot_transport(host: str, port: int) -> Transport:
    """Make the way to an actuator driver that lives on the network."""
    made: Transport = load_class(TRANSPORTS, "udp")(host, port)
    return made


def _make_robot(output: OutputSettings, manifest: Manifest, clock: Clock) -> FrameOutput:
    from edge.robots.actuator_map import load_actuator_map
    from edge.robots.assembly import make_robot

    asked = f"output.{output.name}"
    if not output.mapping:
        raise ConfigurationError(f"{asked}.mapping", "it is empty", "Give the path of an actuator map; docs/robots.md")
    actuator_map = load_actuator_map(Path(output.mapping))
    made: FrameOutput = make_robot(
        output.name, actuator_map, manifest.channels, lambda host, port: _make_transport(output, host, port), clock
    )
    return made


def make_outputs(settings: Settings, manifest: Manifest, clock: Clock) -> list[FrameOutput]:
    """Make all receivers.

    Raises:
        ConfigurationMistakesError: All that cannot be made.
    """
    made, mistakes = [], []
    for output in settings.outputs:
        if output.protocol in (ROBOT, ROS) and not output.enabled:
            continue
        try:
            made.append(make_output(output, manifest, clock))
        except ConfigurationError as err:
            mistakes.append(err)
    if mistakes:
        raise ConfigurationMistakesError(mistakes)
    return made
