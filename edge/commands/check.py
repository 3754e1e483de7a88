"""`au-edge check`: what is here, what is usable, and the remedy for what is not."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge import __version__
from edge.app import BACKENDS, check_channels, find_manifest, make_backend, network_name, shipped_models
from edge.app.arguments import add_configuration_arguments, settings_from
from edge.config.settings import Settings
from edge.errors import AuEdgeError
from edge.manifest import Manifest, load_manifest

if TYPE_CHECKING:
    from edge.alsa.devices import AudioDevice

_MARKS = {"ok": "ok  ", "note": "note", "fail": "FAIL"}


@dataclass(frozen=True)
class Finding:
    """One line of the check.

    Attributes:
        part: What was looked at.
        status: "ok"; "note" for what is not needed by this configuration; "fail" for what keeps it from running.
        text: What was found, and the remedy.
    """

    part: str
    status: str
    text: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.epilog = (
        "Examples:\n  au-edge check\n  au-edge check --self-test --json > report.json      attach it to a bug report\n"
        "The exit status is 0 where the configuration can run."
    )
    add_configuration_arguments(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument(
        "--self-test", action="store_true", help="also run every usable backend on shipped speech and compare them"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the findings; return 0, or the exit status of the first failure."""
    settings = settings_from(arguments)
    findings = [_system(), _real_time()]
    status = 0
    manifest: Manifest | None = None
    try:
        manifest = find_manifest(network_name(settings))
        manifest.verify_graph()
        check_channels(settings, manifest)
        findings.append(Finding("model", "ok", _describe(manifest)))
    except AuEdgeError as err:
        status = err.exit_code
        findings.append(Finding("model", "fail", str(err)))
    findings += _other_models(settings)
    for check in (_backends, _audio, _loudspeaker, _outputs):
        found, code = check(settings, manifest)
        findings += found
        status = status or code
    findings.append(_head(settings))
    tests: list[dict[str, Any]] = []
    if arguments.self_test and manifest is not None:
        from edge.self_test import run_self_test

        tests = run_self_test(settings, manifest)
        status = status or (0 if all(test["passed"] for test in tests) else 1)
    _print(findings, tests, arguments.json, status)
    return status


def _print(findings: list[Finding], tests: list[dict[str, Any]], is_json: bool, status: int) -> None:
    if is_json:
        from edge.backends.cuda import GpuFacts, find_gpu
        from edge.machine.facts import machine_facts

        gpu = find_gpu()
        report = {
            "au_edge": __version__,
            "machine": machine_facts(),  # versions, board, power mode: what a bug report is read with
            "gpu": asdict(gpu) if isinstance(gpu, GpuFacts) else gpu,
            "findings": [asdict(finding) for finding in findings],
            "self_test": tests,
            "exit_status": status,
        }
        print(json.dumps(report, indent=2))
        return
    for finding in findings:
        print(f"[{_MARKS[finding.status]}] {finding.part}: {finding.text}")
    for test in tests:
        mark = _MARKS["ok" if test["passed"] else "fail"]
        print(f"[{mark}] self-test {test['backend']}: {test['text']}")


def _system() -> Finding:
    board = Path("/proc/device-tree/model")
    name = board.read_bytes().decode(errors="replace").strip("\0") if board.exists() else platform.machine()
    text = (
        f"au-edge {__version__}, Python {platform.python_version()}, {platform.system()} {platform.release()}, {name}"
    )
    return Finding("system", "ok", f"{text}, {os.cpu_count()} cores")


def _real_time() -> Finding:
    limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    if os.geteuid() == 0 or limit > 0:
        return Finding("real time", "ok", "SCHED_FIFO is permitted")
    remedy = "the service unit sets LimitRTPRIO; for a login add `@audio - rtprio 40` to /etc/security/limits.d"
    return Finding("real time", "note", f"SCHED_FIFO is not permitted: frames can be late on a busy machine; {remedy}")


def _describe(manifest: Manifest) -> str:
    return (
        f"{manifest.name} {manifest.version}, {manifest.precision}, {manifest.n_channels} channels "
        f"({len(manifest.masked_channels)} at rest: not taught), {float(manifest.frame_rate):g} frames a second, "
        f"look-ahead {manifest.lookahead_ms:g} ms, {manifest.licence}"
    )


def _other_models(settings: Settings) -> list[Finding]:
    found = []
    for name, path in shipped_models().items():
        if name == settings.model.path:
            continue
        try:
            found.append(Finding(f"shipped model {name}", "ok", _describe(load_manifest(path))))
        except AuEdgeError as err:
            found.append(Finding(f"shipped model {name}", "note", str(err)))
    return found


def _backends(settings: Settings, manifest: Manifest | None) -> tuple[list[Finding], int]:
    if manifest is None:
        return [Finding("backends", "note", "not looked at: there is no model for them")], 0
    wanted = settings.model.backend
    findings, usable = [], []
    for name in BACKENDS:
        try:
            why_not = make_backend(name, settings).probe(manifest)
        except AuEdgeError as err:
            why_not = str(err)
        if why_not is None:
            usable.append(name)
        status = "ok" if why_not is None else "fail" if name == wanted else "note"
        findings.append(Finding(f"backend {name}", status, "usable" if why_not is None else f"not usable: {why_not}"))
    if wanted == "auto" and usable:
        findings.append(Finding("backend auto", "ok", f"takes {usable[0]}"))
    elif wanted == "auto":
        findings.append(Finding("backend auto", "fail", "no backend is usable; `pip install onnxruntime` gives one"))
    return findings, 69 if any(finding.status == "fail" for finding in findings) else 0


def _audio(settings: Settings, manifest: Manifest | None) -> tuple[list[Finding], int]:
    from edge.alsa.devices import list_devices

    is_wanted = settings.audio.source == "microphone"
    try:
        devices = list_devices()
    except AuEdgeError as err:
        return [Finding("audio", "fail" if is_wanted else "note", str(err))], err.exit_code if is_wanted else 0
    findings = [
        Finding(f"audio device {device.name}", "ok", f"{device.n_channels} channels, {_rates(device.rates_hz)}")
        for device in devices
    ]
    if not devices:
        remedy = "plug one in, see `au-edge devices`, and that the user is in the group audio; or use --input FILE"
        findings.append(Finding("audio", "fail" if is_wanted else "note", f"no microphone: {remedy}"))
        return findings, 69 if is_wanted else 0
    if not is_wanted:
        return findings, 0
    finding, status = _microphone(settings, devices)
    return [*findings, finding], status


def _microphone(settings: Settings, devices: Sequence[AudioDevice]) -> tuple[Finding, int]:
    """Say which device the configuration means; it is not opened, since a running service may have it."""
    from edge.alsa.devices import card_numbers, find_device
    from edge.alsa.portaudio import DeviceInfo, Direction

    wanted = settings.audio.device
    monitor = next((device for device in devices if device.index < 0 and device.name == wanted), None)
    inputs = [DeviceInfo(d.index, d.name, d.n_channels, 0, d.is_default) for d in devices if d.index >= 0]
    try:
        name = (
            monitor.name if monitor is not None else find_device(inputs, wanted, card_numbers(), Direction.INPUT).name
        )
    except AuEdgeError as err:
        if settings.audio.wait:
            return Finding("microphone", "note", f"{err}; audio.wait = yes: it is waited for"), 0
        return Finding("microphone", "fail", str(err)), err.exit_code
    return Finding("microphone", "ok", f"audio.device = {wanted or '(the default)'} is {name}"), 0


def _loudspeaker(settings: Settings, manifest: Manifest | None) -> tuple[list[Finding], int]:
    """Say which output the configuration means, and whether it could be opened now."""
    from edge.alsa.devices import card_numbers, find_device, list_devices
    from edge.alsa.portaudio import DeviceInfo, Direction

    if not settings.audio.play:
        return [], 0
    wanted = settings.play.device
    try:
        devices = {device.index: device for device in list_devices(Direction.OUTPUT)}
        outputs = [DeviceInfo(d.index, d.name, d.n_channels, 0, d.is_default) for d in devices.values()]
        device = devices[find_device(outputs, wanted, card_numbers(), Direction.OUTPUT).index]
    except AuEdgeError as err:
        if settings.audio.wait:
            return [Finding("loudspeaker", "note", f"{err}; audio.wait = yes: it is waited for")], 0
        return [Finding("loudspeaker", "fail", str(err))], err.exit_code
    text = f"play.device = {wanted or '(the default)'} is {device.name}, {device.n_channels} channels"
    if not device.rates_hz:
        remedy = "is another program using it, perhaps a running au-edge? `fuser -v /dev/snd/*` shows which"
        return [Finding("loudspeaker", "note", f"{text}; it cannot be opened now: {remedy}")], 0
    return [Finding("loudspeaker", "ok", f"{text}, {_rates(device.rates_hz)}")], 0


def _rates(rates_hz: tuple[int, ...] | list[int]) -> str:
    return f"{', '.join(str(rate) for rate in rates_hz)} Hz" if rates_hz else "rates unknown"


def _outputs(settings: Settings, manifest: Manifest | None) -> tuple[list[Finding], int]:
    if manifest is None:
        return [], 0
    from edge.commands.receiver_check import check_receivers

    try:
        found = check_receivers(settings, manifest)
    except AuEdgeError as err:
        return [Finding("outputs", "fail", str(err))], err.exit_code
    codes = [code for _, _, code in found if code]
    return [Finding("output", status, text) for status, text, _ in found], codes[0] if codes else 0


def _head(settings: Settings) -> Finding:
    import importlib.util

    if importlib.util.find_spec("websockets") is None:
        return Finding("display head", "note", "not usable: websockets is missing; `pip install 'au-edge[head]'`")
    return Finding("display head", "ok", "usable: `au-edge head`")
