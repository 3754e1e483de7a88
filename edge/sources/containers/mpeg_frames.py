"""The frames of MP3 and of AAC in ADTS: each begins with a sync word and says how long it is.

Source: ISO/IEC 11172-3 2.4.1 and 13818-3 (MPEG audio; its rates of 8 to 12 kHz are an extension by habit), ISO/IEC
13818-7 6.2 (ADTS). One header is found in any noise; three in a row that agree are not.
"""

from __future__ import annotations

from dataclasses import dataclass

MPEG_HEADER_BYTES = 4
ADTS_HEADER_BYTES = 7
_V1, _V2, _V25 = 3, 2, 0  # the header's two bits of version
_RATES_HZ = {_V1: (44_100, 48_000, 32_000), _V2: (22_050, 24_000, 16_000), _V25: (11_025, 12_000, 8_000)}
_KBITS_V1_L1 = (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448)
_KBITS_V1_L2 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
_KBITS_V1_L3 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_V2_L1 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256)
_KBITS_V2_L23 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_ADTS_RATES_HZ = (
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
)  # fmt: skip


@dataclass(frozen=True)
class FrameHeader:
    """What the header of one frame says.

    Attributes:
        kind: What may not change within a sound: version, layer and rate, as a key to compare.
        n_bytes: Length of the frame with its header.
        n_samples: Samples of each channel.
        rate_hz: Samples a second.
        n_channels: 1 or 2; for ADTS the configuration's number (0: said within).
        side_offset: Where an MPEG frame's side information ends: where a Xing tag would stand; 0 for others.
    """

    kind: tuple[int, ...]
    n_bytes: int
    n_samples: int
    rate_hz: int
    n_channels: int
    side_offset: int = 0


def mpeg_frame(head: bytes) -> FrameHeader | None:
    """Read the header of a frame of MPEG audio, layers I to III.

    Args:
        head: Bytes from the frame's beginning; four are enough.

    Returns:
        The header, or None where there is none (or one of free bit rate, which no synthesiser writes).
    """
    if len(head) < MPEG_HEADER_BYTES or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bitrate_index, rate_index, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate_index in (0, 15) or rate_index == 3 or head[3] & 3 == 2:
        return None
    is_v1 = version == _V1
    rate_hz = _RATES_HZ[version][rate_index]
    bits = 1000 * _kbits(is_v1, layer)[bitrate_index]
    n_samples = 384 if layer == 1 else 576 if layer == 3 and not is_v1 else 1152
    n_bytes = (12 * bits // rate_hz + padding) * 4 if layer == 1 else n_samples // 8 * bits // rate_hz + padding
    n_channels = 1 if head[3] >> 6 == 3 else 2
    side = (17, 32) if is_v1 else (9, 17)
    return FrameHeader((version, layer, rate_index), n_bytes, n_samples, rate_hz, n_channels, 4 + side[n_channels - 1])


def adts_frame(head: bytes) -> FrameHeader | None:
    """Read the header of a frame of AAC in ADTS.

    Args:
        head: Bytes from the frame's beginning; seven are enough.

    Returns:
        The header, or None where there is none. The rate is that of the core: SBR plays at twice of it.
    """
    if len(head) < ADTS_HEADER_BYTES or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    profile, rate_index = head[2] >> 6, head[2] >> 2 & 15
    n_bytes = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if rate_index >= len(_ADTS_RATES_HZ) or n_bytes < ADTS_HEADER_BYTES:
        return None
    n_channels = (head[2] & 1) << 2 | head[3] >> 6
    n_samples = 1024 * ((head[6] & 3) + 1)
    return FrameHeader((profile, rate_index), n_bytes, n_samples, _ADTS_RATES_HZ[rate_index], n_channels)


def _kbits(is_v1: bool, layer: int) -> tuple[int, ...]:
    if is_v1:
        return (_KBITS_V1_L1, _KBITS_V1_L2, _KBITS_V1_L3)[layer - 1]
    return _KBITS_V2_L1 if layer == 1 else _KBITS_V2_L23
