"""Where and with what a measurement was made: a number without it cannot be compared."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from edge import __version__
from edge.machine.jetson import read_jetson

_PACKAGES = ("numpy", "onnxruntime", "openvino", "tensorrt", "pycuda", "pyaudio", "python-osc")


def machine_facts(root: Path = Path("/")) -> dict[str, Any]:
    """Return facts of the machine as plain JSON values.

    Args:
        root: Where the file system begins; tests make their own.
    """
    jetson = read_jetson(root)
    return {
        "au_edge": __version__,
        "processor": _processor(root),
        "cores": os.cpu_count(),
        "memory_mib": _memory_mib(root),
        "governor": _read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or "not shown",
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "packages": package_versions(_PACKAGES),
        "load_average": _read(root / "proc/loadavg").rsplit(" ", 2)[0],
        "jetson": asdict(jetson) if jetson is not None else None,
    }


def package_versions(names: tuple[str, ...]) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe_machine(facts: dict[str, Any]) -> list[str]:
    """Return the facts as lines for people."""
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    lines = [
        f"{facts['processor']}, {facts['cores']} cores, {facts['memory_mib']} MiB, governor {facts['governor']}",
        f"Linux {facts['kernel']} {facts['architecture']}, Python {facts['python']}, au-edge {facts['au_edge']}",
        f"{packages}; load average at the start {facts['load_average']}",
    ]
    jetson = facts["jetson"]
    if jetson is None:
        return [*lines, "not run on a Jetson: no power mode, no watts"]
    clocks = ", ".join(
        f"{clock['name']} {clock['now_mhz']:.0f} MHz ({clock['min_mhz']:.0f} to {clock['max_mhz']:.0f})"
        for clock in jetson["clocks"]
    )
    heat = ", ".join(f"{name} {degrees:.1f} C" for name, degrees in jetson["temperatures_c"].items())
    fixed = "fixed" if jetson["clocks_are_fixed"] else "not fixed (jetson_clocks is off)"
    return [*lines, f"{jetson['board']}, power mode {jetson['power_mode']}", f"clocks {fixed}: {clocks}", heat]


def _processor(root: Path) -> str:
    for line in _read(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return _read(root / "proc/device-tree/model").strip("\0") or platform.machine()  # ARM has no model name


def _memory_mib(root: Path) -> int:
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) // 1024
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
