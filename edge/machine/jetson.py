"""What a Jetson's own files say of power mode, clocks, temperatures and watts; nothing is executed and nothing set.

Source: NVIDIA Jetson Linux Developer Guide (nvpmodel, power monitors) and Linux Documentation/hwmon/ina3221.rst: `inN`
is a rail's voltage in mV, `currN` its current in mA. On boards that have VDD_IN it is the whole module and the other
rails are parts of it; on the others (AGX) the module is their sum.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path

_WHOLE_MODULE = ("VDD_IN", "POM_5V_IN")  # of Orin and Xavier NX, of Nano and TX2
_GPU_NAMES = re.compile(r"gpu|gv11b|gp10b|ga10b|gm20b", re.IGNORECASE)
SAMPLE_PERIOD_S = 0.1  # the monitors average over longer than this


@dataclass(frozen=True)
class Clock:
    """One clock domain.

    Attributes:
        name: "cpu0", or the GPU's device.
        now_mhz: At the time of reading.
        min_mhz: Lower bound in force.
        max_mhz: Upper bound in force.
        governor: Who chooses between them.
    """

    name: str
    now_mhz: float
    min_mhz: float
    max_mhz: float
    governor: str


@dataclass(frozen=True)
class JetsonFacts:
    """The state of a Jetson that a latency depends on.

    Attributes:
        board: As its device tree names it.
        power_mode: Number and name of the nvpmodel mode.
        clocks: CPU cores and GPU.
        clocks_are_fixed: Every lower bound equals its upper bound, as after `jetson_clocks`.
        temperatures_c: By thermal zone, degrees Celsius.
        power_w: Of the module now; None where no monitor can be read.
    """

    board: str
    power_mode: str
    clocks: tuple[Clock, ...]
    clocks_are_fixed: bool
    temperatures_c: dict[str, float]
    power_w: float | None


def read_jetson(root: Path = Path("/")) -> JetsonFacts | None:
    """Return the facts, or None where this is not a Jetson.

    Args:
        root: Where the file system begins; tests make their own.
    """
    compatible = _text(root / "proc/device-tree/compatible")
    if "tegra" not in compatible and not (root / "etc/nv_tegra_release").exists():
        return None
    clocks = (*_cpu_clocks(root), *_gpu_clocks(root))
    return JetsonFacts(
        board=_text(root / "proc/device-tree/model") or "unknown board",
        power_mode=_power_mode(root),
        clocks=clocks,
        clocks_are_fixed=bool(clocks) and all(clock.min_mhz == clock.max_mhz for clock in clocks),
        temperatures_c=_temperatures(root),
        power_w=read_power_w(root),
    )


def read_power_w(root: Path = Path("/")) -> float | None:
    """Return what the module draws now in watts, or None where no monitor can be read."""
    rails = {**_hwmon_rails(root), **_iio_rails(root)}
    if not rails:
        return None
    for name in _WHOLE_MODULE:
        if name in rails:
            return rails[name]
    return sum(rails.values())


def machine_sensors(root: Path = Path("/")) -> dict[str, float]:
    """Return temperatures (`NAME_celsius`) and the module's power (`module_watts`) as a watcher wants them.

    Args:
        root: Where /sys and /proc are.

    Returns:
        Empty where this is no Jetson.
    """
    facts = read_jetson(root)
    if facts is None:
        return {}
    found = {f"{name}_celsius": value for name, value in facts.temperatures_c.items()}
    return found if facts.power_w is None else {**found, "module_watts": facts.power_w}


class PowerMeter:
    """Mean power over a stretch of time, sampled by a thread.

    Args:
        root: Where the file system begins.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._samples_w: list[float] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to sample, if there is a monitor."""
        if read_power_w(self._root) is None:
            return
        self._thread = threading.Thread(target=self._sample, name="power-meter", daemon=True)
        self._thread.start()

    def stop(self) -> float | None:
        """End and return the mean in watts; None where there is no monitor."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        return sum(self._samples_w) / len(self._samples_w) if self._samples_w else None

    def _sample(self) -> None:
        while True:
            power_w = read_power_w(self._root)
            if power_w is not None:
                self._samples_w.append(power_w)
            if self._stop.wait(SAMPLE_PERIOD_S):
                return


def _power_mode(root: Path) -> str:
    """Return nvpmodel's mode as it recorded it, with the name from its configuration."""
    status = _text(root / "var/lib/nvpmodel/status")
    found = re.search(r"pmode:(\d+)", status)
    if not found:
        return "unknown"
    number = int(found.group(1))
    pattern = rf"<\s*POWER_MODEL\s+ID={number}\s+NAME=(\S+)\s*>"
    named = re.search(pattern, _text(root / "etc/nvpmodel.conf"))
    return f"{number} {named.group(1)}" if named else str(number)


def _cpu_clocks(root: Path) -> list[Clock]:
    folders = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq")
    clocks = []
    for folder in sorted(folders, key=lambda path: int(path.parent.name[3:])):
        values = [_number(folder / f"scaling_{kind}_freq") for kind in ("cur", "min", "max")]
        if None not in values:
            now, low, high = (value / 1e3 for value in values if value is not None)  # kHz
            clocks.append(Clock(folder.parent.name, now, low, high, _text(folder / "scaling_governor")))
    return clocks


def _gpu_clocks(root: Path) -> list[Clock]:
    clocks = []
    for folder in sorted((root / "sys/class/devfreq").glob("*")):
        values = [_number(folder / f"{kind}_freq") for kind in ("cur", "min", "max")]
        if _GPU_NAMES.search(folder.name) and None not in values:
            now, low, high = (value / 1e6 for value in values if value is not None)  # Hz
            clocks.append(Clock(folder.name, now, low, high, _text(folder / "governor")))
    return clocks


def _temperatures(root: Path) -> dict[str, float]:
    found = {}
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        millidegrees = _number(zone / "temp")
        if millidegrees is not None and millidegrees > -200_000:  # a zone that is off reads -256 degrees
            found[_text(zone / "type") or zone.name] = millidegrees / 1000
    return found


def _hwmon_rails(root: Path) -> dict[str, float]:
    """Return watts by rail from the kernel's own driver (JetPack 5 on)."""
    rails = {}
    for hwmon in (root / "sys/bus/i2c/drivers/ina3221").glob("*/hwmon/hwmon*"):
        for label in hwmon.glob("in*_label"):
            number = label.name[2:].partition("_")[0]
            name = _text(label)
            millivolts, milliamperes = _number(hwmon / f"in{number}_input"), _number(hwmon / f"curr{number}_input")
            # Channel 7 is the sum of the shunt voltages; NC is a channel with nothing connected.
            if number != "7" and name and "NC" not in name and millivolts is not None and milliamperes is not None:
                rails[name] = millivolts * milliamperes / 1e6
    return rails


def _iio_rails(root: Path) -> dict[str, float]:
    """Return watts by rail from the driver of JetPack 4."""
    rails = {}
    for device in (root / "sys/bus/i2c/drivers/ina3221x").glob("*/iio:device*"):
        for label in device.glob("rail_name_*"):
            milliwatts = _number(device / f"in_power{label.name.rpartition('_')[2]}_input")
            if milliwatts is not None and "NC" not in _text(label):
                rails[_text(label)] = milliwatts / 1e3
    return rails


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace").replace("\0", " ").strip()
    except OSError:
        return ""


def _number(path: Path) -> float | None:
    try:
        return float(_text(path))
    except ValueError:
        return None
