"""PCA9685 (16 PWM outputs) over I2C. Positions are pulse widths in microseconds.

The chip goes on with its last pulses when this computer dies: put a relay or its OE pin on a watchdog of your own.
Source: NXP PCA9685 data sheet, sections 7.3.1 to 7.3.5.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from edge.config.options import Option
from edge.errors import ConfigurationError, DeviceError
from edge.robots.driver import PLAUSIBLE_US, Servo, driver_values

_MODE1, _LED0_ON_L, _PRESCALE = 0x00, 0x06, 0xFE
_AUTO_INCREMENT, _SLEEP, _RESTART = 0x20, 0x10, 0x80
_FULL_OFF = 0x10  # bit 4 of LEDn_OFF_H
_OSCILLATOR_HZ = 25e6
_STEPS = 4096
_WAKE_S = 0.0005  # the oscillator needs that after sleep


class Pca9685Driver:
    """A PCA9685.

    Args:
        servos: In the order of positions; `output` is 0 to 15.
        keys: See OPTIONS.
        bus: Has read_byte_data, write_byte_data, read_i2c_block_data, write_i2c_block_data and close; None opens the
            bus by smbus2.
    """

    OPTIONS: tuple[Option, ...] = (
        Option("bus", "integer", "1", 0, 255, help="number of the I2C bus: /dev/i2c-1"),
        Option("address", "integer", "64", 3, 119, help="I2C address of the chip; 64 = 0x40"),
        Option("pwm_hz", "number", "50", 40, 330, help="pulses a second; analogue servos want 50"),
    )
    summary = "PCA9685 PWM board (16 hobby servos) over I2C; unit: microseconds of pulse"

    def __init__(self, servos: Sequence[Servo], keys: Mapping[str, str], bus: Any = None) -> None:
        values = driver_values("pca9685", self.OPTIONS, keys)
        self._outputs = [servo.output for servo in servos]
        self._bus_number, self._address = int(values["bus"]), int(values["address"])
        self._prescale = prescale(float(values["pwm_hz"]))
        self._given_bus = bus
        self._bus: Any = None
        if max(self._outputs, default=0) > 15:
            raise ConfigurationError("driver pca9685", "an output is above 15", "Use the outputs 0 to 15")

    @property
    def description(self) -> str:
        """Return the device."""
        return f"pca9685 at /dev/i2c-{self._bus_number}, address {self._address:#x}"

    def open(self) -> None:
        """Open the bus; set the rate only where it is another, since that interrupts the pulses."""
        self.close()
        self._bus = self._given_bus if self._given_bus is not None else self._open_bus()
        try:
            if self._bus.read_byte_data(self._address, _PRESCALE) != self._prescale:
                self._bus.write_byte_data(self._address, _MODE1, _SLEEP | _AUTO_INCREMENT)
                self._bus.write_byte_data(self._address, _PRESCALE, self._prescale)
            self._bus.write_byte_data(self._address, _MODE1, _AUTO_INCREMENT)
            time.sleep(_WAKE_S)
            self._bus.write_byte_data(self._address, _MODE1, _AUTO_INCREMENT | _RESTART)
        except OSError as err:
            self.close()
            raise DeviceError(
                self.description, f"the chip does not answer ({err})", "Check the wiring and `i2cdetect -y`"
            ) from err

    def read_positions(self) -> Sequence[float] | None:
        """Return the pulse widths, also the last one of an output that `release` switched off; NaN where none was."""
        positions = []
        for output in self._outputs:
            on_low, on_high, off_low, off_high = self._opened().read_i2c_block_data(
                self._address, _LED0_ON_L + 4 * output, 4
            )
            n_steps = ((off_low | off_high << 8) - (on_low | on_high << 8)) % _STEPS  # without the bits above
            position = n_steps / self._steps_per_us()
            positions.append(position if PLAUSIBLE_US[0] <= position <= PLAUSIBLE_US[1] else math.nan)
        return positions

    def write(self, positions: Sequence[float]) -> None:
        """Set the pulse of each output, but of those that stay off."""
        for output, position in zip(self._outputs, positions, strict=True):
            if math.isnan(position):
                continue
            n_steps = min(max(0, round(position * self._steps_per_us())), _STEPS - 1)
            self._write_output(output, [0, 0, n_steps & 0xFF, n_steps >> 8])

    def release(self) -> None:
        """Stop the pulses; the chip keeps their widths, so that the next start knows where the servos were left."""
        for output in self._outputs:
            place = _LED0_ON_L + 4 * output + 3
            high = self._opened().read_byte_data(self._address, place)
            self._bus.write_byte_data(self._address, place, high | _FULL_OFF)

    def close(self) -> None:
        """Close the bus."""
        if self._bus is not None:
            self._bus.close()
            self._bus = None

    def _write_output(self, output: int, content: list[int]) -> None:
        self._opened().write_i2c_block_data(self._address, _LED0_ON_L + 4 * output, content)

    def _steps_per_us(self) -> float:
        """Return steps a microsecond at the rate that the prescaler really gives."""
        return _OSCILLATOR_HZ / (self._prescale + 1) / 1e6

    def _opened(self) -> Any:
        if self._bus is None:
            raise OSError("the bus is closed")
        return self._bus

    def _open_bus(self) -> Any:
        try:
            from smbus2 import SMBus
        except ImportError as err:
            raise ConfigurationError(
                self.description, "smbus2 is not installed", "Install it: pip install 'au-edge[robots]'"
            ) from err
        try:
            return SMBus(self._bus_number)
        except OSError as err:
            remedy = "Enable I2C, and add the user to the group i2c"
            raise DeviceError(self.description, f"the bus cannot be opened ({err})", remedy) from err


def prescale(pwm_hz: float) -> int:
    """Return the prescaler for a pulse rate: 121 at 50 Hz.

    Args:
        pwm_hz: Pulses a second.
    """
    return min(max(3, round(_OSCILLATOR_HZ / (_STEPS * pwm_hz)) - 1), 255)
