"""The bytes on every bus are what the makers' own software or independent receivers read; a lost port is said."""

from __future__ import annotations

import importlib.util
import math
import os
import pty
import socket
import threading
import time
import tty
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from edge.errors import ConfigurationError, DeviceError
from edge.machine.clock import SystemClock
from edge.robots import assembly
from edge.robots.actuator_map import load_actuator_map
from edge.robots.assembly import DRIVERS, load_driver, make_driver
from edge.robots.dmx import ArtNetDriver, SacnDriver, artnet_packet, sacn_group, sacn_packet
from edge.robots.driver import Driver, Servo
from edge.robots.dynamixel import DynamixelDriver, crc16, encode_goals, sync_write
from edge.robots.maestro import MaestroDriver, encode_targets
from edge.robots.osc_actuators import OscActuatorsDriver
from edge.robots.pca9685 import Pca9685Driver, prescale
from edge.robots.robot_output import RobotOutput
from edge.robots.serial_port import BACKLOG_S, SerialPort
from tests.edge.robots.robot_parts import CHANNELS, jaw_and_brow
from tests.pace import Pace
from tests.requirements import need

SERVOS = (Servo("jaw", 0, 2000.0), Servo("brow", 3, 600.0))


@dataclass
class Recorder:
    """A transport that keeps datagrams."""

    datagrams: list[bytes] = field(default_factory=list)
    description: str = "udp://recorder"

    def open(self) -> None: ...

    def send(self, datagram: bytes | bytearray | memoryview) -> None:
        self.datagrams.append(bytes(datagram))

    def close(self) -> None: ...


class SerialDevice:
    """The other end of a serial port: keeps what comes and may answer."""

    def __init__(self, answer: Any = None) -> None:
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self._slave = slave
        self.received = b""
        self._answer = answer
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        import select

        while not self._stop.is_set():
            if select.select([self.master], [], [], 0.02)[0]:
                try:
                    content = os.read(self.master, 4096)
                except OSError:
                    return
                self.received += content
                if self._answer is not None:
                    os.write(self.master, self._answer(content))

    def wait_for(self, n_bytes: int) -> bytes:
        end_s = time.monotonic() + 60.0
        while len(self.received) < n_bytes and time.monotonic() < end_s:
            time.sleep(0.005)
        return self.received

    def vanish(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self.master)
        os.close(self._slave)


@pytest.fixture
def device() -> Iterator[SerialDevice]:
    need("pyserial", importlib.util.find_spec("serial") is not None, "pip install pyserial")
    made = SerialDevice()
    yield made
    made._stop.set()


@pytest.mark.parametrize("name", DRIVERS)
def test_every_driver_of_the_table_is_a_driver_that_describes_itself(name: str) -> None:
    made = load_driver(name)
    assert made.summary
    extra = (Recorder(),) if name in ("artnet", "sacn", "osc") else ()
    driver = made([replace(SERVOS[0], output=1), SERVOS[1]], {}, *extra)
    assert isinstance(driver, Driver)
    assert driver.description
    driver.close()
    driver.close()


def test_an_unknown_driver_or_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="maestro"):
        load_driver("maestr")
    with pytest.raises(ConfigurationError, match=r"prot.*port"):
        MaestroDriver(SERVOS, {"prot": "/dev/ttyACM0"})


# Pololu Maestro


def test_the_maestro_gets_the_bytes_of_its_guide(device: SerialDevice) -> None:
    assert encode_targets([3], [1500.0]) == bytes.fromhex("84 03 70 2e")
    driver = MaestroDriver(SERVOS, {"port": device.path})
    driver.open()
    driver.write([1000.0, 2000.0])
    driver.release()
    driver.close()
    # speed of 2 x 2000 us/s = 160 units of 25 us/s, of 2 x 600 = 48; then 4000 = 0x1F.20, 8000 = 0x3E.40, then none
    expected = bytes.fromhex("87 00 20 01 87 03 30 00 84 00 20 1f 84 03 40 3e 84 00 00 00 84 03 00 00")
    assert device.wait_for(len(expected)) == expected


def test_the_maestro_says_where_its_servos_are() -> None:
    need("pyserial", importlib.util.find_spec("serial") is not None, "pip install pyserial")
    pulses = {0: 1100 * 4, 3: 1500 * 4}

    def answer(content: bytes) -> bytes:
        asked = [content[i + 1] for i in range(len(content) - 1) if content[i] == 0x90]
        return b"".join(pulses[channel].to_bytes(2, "little") for channel in asked)

    device = SerialDevice(answer)
    driver = MaestroDriver(SERVOS, {"port": device.path})
    driver.open()
    assert driver.read_positions() == [1100.0, 1500.0]
    for nonsense in (0, 3 * 4, 16383):
        pulses[3] = nonsense
        positions = driver.read_positions()
        assert positions[0] == 1100.0
        assert math.isnan(positions[1]), "a servo that is off can be anywhere"
    driver.close()


def test_a_maestro_channel_that_is_to_stay_off_gets_no_target(device: SerialDevice) -> None:
    driver = MaestroDriver(SERVOS, {"port": device.path})
    driver.open()
    driver.write([math.nan, 2000.0])
    driver.close()
    expected = bytes.fromhex("87 00 20 01 87 03 30 00 84 03 40 3e")
    assert device.wait_for(len(expected)) == expected


def test_a_board_that_does_not_answer_is_an_error_and_no_wait(device: SerialDevice) -> None:
    driver = MaestroDriver(SERVOS, {"port": device.path})
    driver.open()
    with Pace() as pace:
        start_s = time.monotonic()
        with pytest.raises(OSError, match=r"0 of 2 bytes.*two ports.*if00"):
            driver.read_positions()
        took_s = time.monotonic() - start_s
    assert took_s < pace.allowed(1.0)
    driver.close()


class SlowPort:
    """What pyserial would open, on a line that takes nothing."""

    def __init__(self) -> None:
        self.out_waiting = 0
        self.was_reset = False

    def write(self, content: bytes) -> None:
        self.out_waiting += len(content)

    def reset_output_buffer(self) -> None:
        self.was_reset = True

    def close(self) -> None: ...


def test_a_port_that_takes_nothing_is_given_up_before_old_commands_pile_up() -> None:
    port, slow = SerialPort("/dev/slow", 9600), SlowPort()
    port._port = slow
    for _ in range(9):
        port.write(bytes(12))
    with pytest.raises(OSError, match="bytes wait"):
        port.write(bytes(12))
    assert slow.out_waiting <= BACKLOG_S * 960 + 12
    port.close()
    assert slow.was_reset, "old commands would be played in a burst"


def test_what_ends_well_is_not_thrown_away() -> None:
    port, slow = SerialPort("/dev/slow", 9600), SlowPort()
    port._port = slow
    port.write(b"off")
    port.close()
    assert not slow.was_reset


def test_a_port_that_does_not_exist_may_come_later() -> None:
    with pytest.raises(DeviceError, match="dialout"):
        MaestroDriver(SERVOS, {"port": "/dev/no-such-port"}).open()


def test_a_port_that_vanishes_is_said_and_opened_again_and_frames_go_on(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    need("pyserial", importlib.util.find_spec("serial") is not None, "pip install pyserial")
    centre = (1500 * 4).to_bytes(2, "little")
    first, link = SerialDevice(lambda content: centre * content.count(b"\x90")), tmp_path / "port"
    link.symlink_to(first.path)
    servos = [Servo("jaw", 0, 2000.0), Servo("brow", 1, 600.0)]
    robot = RobotOutput("head", jaw_and_brow(), CHANNELS, MaestroDriver(servos, {"port": str(link)}), SystemClock())
    robot.open()
    time.sleep(0.3)
    assert len(first.received) > 50
    first.vanish()
    time.sleep(0.3)
    second = SerialDevice(lambda content: centre * content.count(b"\x90"))
    link.unlink()
    link.symlink_to(second.path)
    end_s = time.monotonic() + 60.0
    while robot.counters()["reopened"] == 0 and time.monotonic() < end_s:
        time.sleep(0.05)
    time.sleep(0.2)
    robot.close()
    assert robot.counters()["reopened"] == 1
    assert len(second.received) > 50
    assert len([r for r in caplog.records if r.levelname == "WARNING"]) == 1


# Dynamixel, against the maker's own SDK


def sdk_port(path: str) -> Any:
    """Return a port of the SDK without its settings of a real UART, which a pseudo terminal refuses."""
    import dynamixel_sdk as sdk
    import serial

    port = sdk.PortHandler(path)
    port.ser = serial.Serial(path, 57600, timeout=0)
    port.is_open = True
    port.tx_time_per_byte = 1000 / 57600 * 10
    return port


def test_a_sync_write_is_byte_for_byte_that_of_the_dynamixel_sdk(device: SerialDevice) -> None:
    need("dynamixel_sdk", importlib.util.find_spec("dynamixel_sdk") is not None, "pip install dynamixel-sdk")
    import dynamixel_sdk as sdk

    port, handler = sdk_port(device.path), sdk.PacketHandler(2.0)
    ids, goals = [1, 7, 200], [0, 2048, 4095]
    group = sdk.GroupSyncWrite(port, handler, 116, 4)
    for servo_id, goal in zip(ids, goals, strict=True):
        group.addParam(servo_id, list(goal.to_bytes(4, "little")))
    assert group.txPacket() == sdk.COMM_SUCCESS
    expected = encode_goals(ids, [goal * 360 / 4096 for goal in goals])
    assert device.wait_for(len(expected)) == expected
    port.ser.close()


def test_the_dynamixel_sdk_takes_our_stuffing_out_again_and_finds_our_crc() -> None:
    """Its own addStuffing (4.1.0) loses the longer packet, so its receiving side is the oracle."""
    need("dynamixel_sdk", importlib.util.find_spec("dynamixel_sdk") is not None, "pip install dynamixel-sdk")
    import dynamixel_sdk as sdk

    handler = sdk.PacketHandler(2.0)
    ours = sync_write(116, 4, [1], [0x00FDFFFF])
    assert b"\xff\xff\xfd\xfd" in ours
    assert handler.updateCRC(0, list(ours), len(ours) - 2) == int.from_bytes(ours[-2:], "little")
    plain = handler.removeStuffing(list(ours))
    assert plain[5] == len(ours) - 7 - 1, "one byte less"
    assert bytes(plain[12:17]) == bytes.fromhex("01 ff ff fd 00")


def test_the_crc_is_that_of_the_makers_manual() -> None:
    ping = bytes.fromhex("ff ff fd 00 01 03 00 01")
    assert crc16(ping) == 0x4E19  # e-Manual, protocol 2.0, example of Ping


def test_dynamixels_say_where_they_are_and_get_torque_only_with_a_goal() -> None:
    need("pyserial", importlib.util.find_spec("serial") is not None, "pip install pyserial")

    def answer(content: bytes) -> bytes:
        if b"\x82\x84\x00\x04\x00" not in content:  # sync read of the present position
            return b""
        answers = b""
        for servo_id, ticks in ((0, 1024), (3, -10)):
            body = b"\xff\xff\xfd\x00" + bytes((servo_id, 8, 0, 0x55, 0)) + ticks.to_bytes(4, "little", signed=True)
            answers += body + crc16(body).to_bytes(2, "little")
        return answers

    device = SerialDevice(answer)
    driver = DynamixelDriver(SERVOS, {"port": device.path, "watchdog_ms": "500"})
    driver.open()
    positions = driver.read_positions()
    torque_on = sync_write(64, 1, [0, 3], [1, 1])
    assert positions == pytest.approx([90.0, -10 * 360 / 4096])
    time.sleep(0.05)
    assert torque_on not in device.received
    driver.write([90.0, 180.0])
    driver.write([91.0, 180.0])
    driver.release()
    time.sleep(0.1)
    driver.close()
    sent = device.received
    assert sent.count(torque_on) == 1
    assert sync_write(98, 1, [0, 3], [25, 25]) in sent, "the bus watchdog counts 20 ms"
    assert sent.endswith(sync_write(64, 1, [0, 3], [0, 0]))


# PCA9685


class FakeChip:
    """The registers of a PCA9685, as the data sheet describes them."""

    def __init__(self) -> None:
        self.registers = bytearray(256)
        self.registers[0] = 0x11  # asleep after power-on
        self.registers[0xFE] = 0x1E
        for output in range(16):
            self.registers[9 + 4 * output] = 0x10  # fully off
        self.n_rate_changes = 0
        self.is_gone = False

    def read_byte_data(self, address: int, register: int) -> int:
        self.check(address)
        return self.registers[register]

    def write_byte_data(self, address: int, register: int, value: int) -> None:
        self.check(address)
        if register == 0xFE:
            assert self.registers[0] & 0x10, "the prescaler can only be written asleep"
            self.n_rate_changes += 1
        self.registers[register] = value

    def read_i2c_block_data(self, address: int, register: int, length: int) -> list[int]:
        self.check(address)
        return list(self.registers[register : register + length])

    def write_i2c_block_data(self, address: int, register: int, content: list[int]) -> None:
        self.check(address)
        assert self.registers[0] & 0x20, "several registers at once need auto increment"
        self.registers[register : register + len(content)] = bytes(content)

    def check(self, address: int) -> None:
        if self.is_gone or address != 0x40:
            raise OSError(121, "Remote I/O error")

    def close(self) -> None: ...


def test_the_pca9685_gets_pulses_of_the_right_length() -> None:
    assert prescale(50) == 121
    chip = FakeChip()
    driver = Pca9685Driver(SERVOS, {}, chip)
    driver.open()
    assert all(map(math.isnan, driver.read_positions())), "off since power-on"
    driver.write([math.nan, 1000.0])
    assert chip.registers[9] == 0x10, "it stays off"
    driver.write([1500.0, 1000.0])
    off = chip.registers[8] | chip.registers[9] << 8
    period_us = 1e6 * (121 + 1) * 4096 / 25e6
    assert off / 4096 * period_us == pytest.approx(1500, abs=period_us / 4096)
    assert driver.read_positions() == pytest.approx([1500, 1000], abs=period_us / 4096)
    driver.release()
    assert chip.registers[9] & 0x10
    assert driver.read_positions() == pytest.approx([1500, 1000], abs=period_us / 4096), "its last pulse, kept"


def test_a_restart_does_not_interrupt_the_pulses() -> None:
    chip = FakeChip()
    for _ in range(2):
        driver = Pca9685Driver(SERVOS, {}, chip)
        driver.open()
        driver.write([1500.0, 1000.0])
        driver.close()
    assert chip.n_rate_changes == 1


def test_a_chip_that_does_not_answer_is_a_device_error() -> None:
    chip = FakeChip()
    chip.is_gone = True
    with pytest.raises(DeviceError, match="does not answer"):
        Pca9685Driver(SERVOS, {}, chip).open()
    with pytest.raises(ConfigurationError, match="above 15"):
        Pca9685Driver([replace(SERVOS[0], output=16)], {}, chip)


# Art-Net and sACN, against independent receivers


def test_stupid_artnet_receives_the_levels() -> None:
    need("stupidArtnet", importlib.util.find_spec("stupidArtnet") is not None, "pip install stupidArtnet")
    from stupidArtnet import StupidArtnetServer

    server = StupidArtnetServer()
    try:
        listener = server.register_listener(universe=3)
        driver = ArtNetDriver([Servo("jaw", 1, 1), Servo("brow", 511, 1)], {"universe": "3"}, transport := Recorder())
        driver.write([0.5, 1.0])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            end_s = time.monotonic() + 60.0
            while not server.get_buffer(listener) and time.monotonic() < end_s:
                sender.sendto(transport.datagrams[0], ("127.0.0.1", 6454))
                time.sleep(0.05)
        levels = list(server.get_buffer(listener))
    finally:
        del server
    assert levels[:3] == [0x80, 0x00, 0]
    assert levels[510:] == [0xFF, 0xFF]


def test_an_art_dmx_packet_begins_as_its_specification_says() -> None:
    packet = artnet_packet(0x0123, 7, bytes(512))
    assert packet[:18] == bytes.fromhex("41 72 74 2d 4e 65 74 00 00 50 00 0e 07 00 23 01 02 00")
    assert len(packet) == 530


def test_the_sacn_library_receives_the_levels() -> None:
    need("sacn", importlib.util.find_spec("sacn") is not None, "pip install sacn")
    import sacn
    from sacn.messages.data_packet import DataPacket

    driver = SacnDriver([Servo("jaw", 1, 1), Servo("brow", 9, 1)], {"universe": "300"}, transport := Recorder())
    driver.write([0.25, 1.0])
    parsed = DataPacket.make_data_packet(list(transport.datagrams[0]))
    assert (parsed.universe, parsed.priority, parsed.sequence, parsed.sourceName) == (300, 100, 1, "au-edge")
    assert parsed.dmxData[:2] == (0x40, 0x00)
    assert parsed.dmxData[8:10] == (0xFF, 0xFF)
    cid = tuple(transport.datagrams[0][22:38])
    own = sacn.DataPacket(cid=cid, sourceName="au-edge", universe=300, dmxData=parsed.dmxData, sequence=1)
    assert bytes(own.getBytes()) == transport.datagrams[0]


def test_a_sacn_packet_has_its_length_and_its_group() -> None:
    assert len(sacn_packet(1, 1, 100, bytes(512))) == 638
    assert sacn_group(300) == "239.255.1.44"


@pytest.mark.parametrize("outputs", [(0,), (512,), (1, 2), (5, 5)])
def test_slots_that_overlap_or_do_not_exist_are_refused(outputs: tuple[int, ...]) -> None:
    with pytest.raises(ConfigurationError, match="two slots"):
        ArtNetDriver([Servo(f"a{o}", o, 1) for o in outputs], {}, Recorder())


# OSC


def test_python_osc_reads_actuators_and_their_names() -> None:
    from pythonosc.osc_message import OscMessage

    driver = OscActuatorsDriver(SERVOS, {"prefix": "/head"}, transport := Recorder())
    driver.open()
    driver.write([1500.25, 1000.0])
    names, positions = (OscMessage(datagram) for datagram in transport.datagrams)
    assert (names.address, names.params) == ("/head/names", ["jaw", "brow"])
    assert (positions.address, positions.params) == ("/head", [1500.25, 1000.0])


# Assembly


def test_a_map_makes_its_driver_with_its_address(tmp_path: Path) -> None:
    asked: list[tuple[str, int]] = []

    def transport(host: str, port: int) -> Recorder:
        asked.append((host, port))
        return Recorder()

    path = tmp_path / "map.ini"
    jaw = "[actuator.jaw]\noutput = 1\nmix = jawOpen 1\nneutral = 0\nminimum = 0\nmaximum = 1\n"
    for keys in ("driver = sacn\nuniverse = 2", "driver = artnet\nhost = 10.0.0.5", "driver = osc\nudp_port = 7000"):
        path.write_text(f"[robot]\n{keys}\n{jaw}")
        make_driver(load_actuator_map(path), transport)
    assert asked == [("239.255.0.2", 5568), ("10.0.0.5", 6454), ("127.0.0.1", 7000)]
    path.write_text(f"[robot]\ndriver = osc\nudp_port = x\n{jaw}")
    with pytest.raises(ConfigurationError, match="no port"):
        make_driver(load_actuator_map(path), transport)
    example = load_actuator_map(Path(assembly.__file__).parent / "examples" / "animatronic.ini")
    assert isinstance(make_driver(example, transport), MaestroDriver)
