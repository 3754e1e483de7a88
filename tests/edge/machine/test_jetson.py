"""A Jetson's files, as the kernel documents them, in a tree that the test makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.machine.facts import describe_machine, machine_facts
from edge.machine.jetson import PowerMeter, machine_sensors, read_jetson, read_power_w


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def ina3221(rails: dict[int, tuple[str, int, int]]) -> dict[str, str]:
    """Return the files of one monitor: channel -> label, millivolts, milliamperes."""
    folder = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"
    files = {}
    for number, (label, millivolts, milliamperes) in rails.items():
        files[f"{folder}/in{number}_label"] = f"{label}\n"
        files[f"{folder}/in{number}_input"] = f"{millivolts}\n"
        files[f"{folder}/curr{number}_input"] = f"{milliamperes}\n"
    return files


ORIN_NANO = {
    "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
    "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0005\0nvidia,tegra234\0",
    "var/lib/nvpmodel/status": "pmode:0001 fmode:quiet\n",
    "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=15W >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=1 NAME=7W >\n",
    "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
    "sys/class/thermal/thermal_zone0/temp": "48250\n",
    "sys/class/thermal/thermal_zone1/type": "cv0-thermal\n",
    "sys/class/thermal/thermal_zone1/temp": "-256000\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1190400\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_min_freq": "115200\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq": "1510400\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil\n",
    "sys/class/devfreq/17000000.gpu/cur_freq": "306000000\n",
    "sys/class/devfreq/17000000.gpu/min_freq": "306000000\n",
    "sys/class/devfreq/17000000.gpu/max_freq": "624750000\n",
    "sys/class/devfreq/17000000.gpu/governor": "nvhost_podgov\n",
    **ina3221(
        {
            1: ("VDD_IN", 5000, 1000),
            2: ("VDD_CPU_GPU_CV", 5000, 200),
            3: ("VDD_SOC", 5000, 300),
            7: ("sum of shunt voltages", 0, 0),
        }
    ),
}


def test_an_ordinary_machine_is_no_jetson(tmp_path: Path) -> None:
    assert read_jetson(tmp_path) is None
    assert "not run on a Jetson: no power mode, no watts" in describe_machine(machine_facts(tmp_path))


def test_mode_clocks_heat_and_watts_of_an_orin_nano(tmp_path: Path) -> None:
    write(tmp_path, ORIN_NANO)
    found = read_jetson(tmp_path)
    assert found is not None
    assert found.board == "NVIDIA Jetson Orin Nano Developer Kit"
    assert found.power_mode == "1 7W"
    assert found.temperatures_c == {"cpu-thermal": 48.25}
    assert [(c.name, c.now_mhz, c.max_mhz) for c in found.clocks] == [
        ("cpu0", 1190.4, 1510.4), ("17000000.gpu", 306.0, 624.75),
    ]  # fmt: skip
    assert not found.clocks_are_fixed
    assert found.power_w == pytest.approx(5.0), "VDD_IN is the module; the other rails are parts of it"


def test_what_a_watcher_reads_of_heat_and_watts(tmp_path: Path) -> None:
    assert machine_sensors(tmp_path) == {}
    write(tmp_path, ORIN_NANO)
    assert machine_sensors(tmp_path) == {"cpu-thermal_celsius": 48.25, "module_watts": pytest.approx(5.0)}


def test_jetson_clocks_is_seen(tmp_path: Path) -> None:
    write(tmp_path, ORIN_NANO)
    write(tmp_path, {"sys/devices/system/cpu/cpu0/cpufreq/scaling_min_freq": "1510400\n"})
    write(tmp_path, {"sys/class/devfreq/17000000.gpu/min_freq": "624750000\n"})
    found = read_jetson(tmp_path)
    assert found is not None
    assert found.clocks_are_fixed


def test_an_agx_is_the_sum_of_its_rails(tmp_path: Path) -> None:
    rails = {1: ("VDD_GPU_SOC", 20_000, 100), 2: ("VDD_CPU_CV", 20_000, 50), 3: ("NC", 20_000, 999)}
    write(tmp_path, ina3221(rails))
    assert read_power_w(tmp_path) == pytest.approx(3.0)


def test_jetpack_4_has_other_files(tmp_path: Path) -> None:
    folder = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    write(tmp_path, {f"{folder}/rail_name_0": "POM_5V_IN\n", f"{folder}/in_power0_input": "2345\n"})
    write(tmp_path, {f"{folder}/rail_name_1": "POM_5V_GPU\n", f"{folder}/in_power1_input": "400\n"})
    assert read_power_w(tmp_path) == pytest.approx(2.345)


def test_a_monitor_that_cannot_be_read_gives_no_number(tmp_path: Path) -> None:
    write(tmp_path, ina3221({1: ("VDD_IN", 5000, 1000)}))
    (tmp_path / "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3/curr1_input").write_text("not a number")
    assert read_power_w(tmp_path) is None


def test_the_meter_averages_and_ends(tmp_path: Path) -> None:
    write(tmp_path, ina3221({1: ("VDD_IN", 5000, 1000)}))
    meter = PowerMeter(tmp_path)
    meter.start()
    assert meter.stop() == pytest.approx(5.0)
    silent = PowerMeter(tmp_path / "nothing")
    silent.start()
    assert silent.stop() is None


def test_the_lines_for_people_name_the_mode_and_the_clocks(tmp_path: Path) -> None:
    write(tmp_path, ORIN_NANO)
    text = "\n".join(describe_machine(machine_facts(tmp_path)))
    assert "power mode 1 7W" in text
    assert "jetson_clocks is off" in text
    assert "48.2 C" in text
