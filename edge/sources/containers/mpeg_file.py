"""Files of MP3 and AAC frames: counted frame by frame.

What else tells the length of an MP3 is an estimate: file size by the first frame's bit rate, which libsndfile believes
(a file of variable rate without a Xing tag ends after a third of its sound) or a Xing tag, which speaks of the first of
several joined files. So every sound is counted and given a tag that tells the count.

Source: Xing Technology, "Variable Bit Rate (VBR) header"; Gabriel Bouvigne, "MP3 info tag" (LAME);
id3.org, ID3v2.4 and ID3v1; APEv2.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from edge.sources.containers.file_bytes import CutError, FileBytes, SoundPart
from edge.sources.containers.mpeg_frames import FrameHeader, adts_frame, mpeg_frame

_HEAD_BYTES = 8
_TAG_LOOK_BYTES = 64
_LAYER_3 = 3
_DECODER_DELAY = 529  # samples; source: LAME's technical FAQ, which every decoder follows
_DELAY_OFFSET = 21  # of the encoder's delay behind the encoder's name


def skip_tags(data: FileBytes, position: int) -> int:
    """Return where the tags that begin at a place end: ID3v2, ID3v1, APEv2 and zeros that pad them.

    Args:
        data: The file.
        position: Any place.
    """
    while position < data.size:
        head = data.at(position, 32)
        if head[:3] == b"ID3" and len(head) >= 10:
            size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            position += 10 + size + (10 if head[5] & 0x10 else 0)
        elif head[:3] == b"TAG":
            position += 128
        elif head[:8] == b"APETAGEX" and len(head) >= 16:
            position += struct.unpack_from("<I", head, 12)[0] + 32
        elif head[:1] == b"\0":
            position += len(head) - len(head.lstrip(b"\0"))
        else:
            return position
    return min(position, data.size)


def mp3_part(data: FileBytes, start: int) -> SoundPart:
    """Find where an MP3 ends: at its last frame, at another's tag, or where the frames become others.

    Args:
        data: The file.
        start: Where the first frame stands.

    Returns:
        The part; where no Xing tag tells its length, with one that does.

    Raises:
        CutError: The last frame is not whole, or frames that a Xing tag announces are missing.
    """
    first = mpeg_frame(data.at(start, _HEAD_BYTES))
    if first is None:
        raise CutError("it has no frame")
    tag, n_announced = _tag(data, start, first)
    begin = start + first.n_bytes if tag else start
    end, n_frames = _walk(data, begin, first, mpeg_frame, n_announced)
    if n_announced > n_frames + 1:  # some encoders count the tag's frame, too
        raise CutError(f"{n_announced - n_frames} of the {n_announced} frames that its Xing tag announces are missing")
    if n_announced or first.kind[1] != _LAYER_3:
        return SoundPart(start, end, "MP3")
    return SoundPart(start, end, "MP3", _counted_head(data.at(start, 4), n_frames), begin - start)


def adts_part(data: FileBytes, start: int) -> SoundPart:
    """Find where a sound of AAC frames ends.

    Args:
        data: The file.
        start: Where the first frame stands.

    Raises:
        CutError: The last frame is not whole.
    """
    first = adts_frame(data.at(start, _HEAD_BYTES))
    if first is None:
        raise CutError("it has no frame")
    end, _ = _walk(data, start, first, adts_frame, 0)
    return SoundPart(start, end, "AAC")


def _walk(
    data: FileBytes,
    position: int,
    first: FrameHeader,
    read: Callable[[bytes], FrameHeader | None],
    n_most: int,
) -> tuple[int, int]:
    """Return where the frames that are like the first end, and how many there are; at most `n_most`, if not 0."""
    n_frames, position_of_first = 0, position
    while position < data.size and (n_frames < n_most or not n_most):
        head = data.at(position, _HEAD_BYTES)
        frame = read(head)
        if frame is None and len(head) < _HEAD_BYTES and head[:2] in (b"\xff", data.at(position_of_first, 2)):
            raise CutError("of its last frame there is only the beginning")
        if frame is None or frame.kind != first.kind or frame.n_channels != first.n_channels:
            break
        if n_frames and frame.side_offset and _tag(data, position, frame)[0]:
            break  # another file was joined to this one
        if position + frame.n_bytes > data.size:
            n_missing = position + frame.n_bytes - data.size
            raise CutError(f"{n_missing} of the {frame.n_bytes} bytes of its last frame are missing")
        n_frames += 1
        position += frame.n_bytes
    return position, n_frames


def _tag(data: FileBytes, position: int, frame: FrameHeader) -> tuple[bytes, int]:
    """Return the name of the tag in a frame (Xing, Info or VBRI) or b"", and how many frames it announces."""
    head = data.at(position, _TAG_LOOK_BYTES)
    for offset in (frame.side_offset, frame.side_offset + 2):  # behind a check sum
        name = head[offset : offset + 4]
        if name in (b"Xing", b"Info") and len(head) >= offset + 12:
            flags, count = struct.unpack_from(">II", head, offset + 4)
            return name, count if flags & 1 else 0
    return (b"VBRI", 0) if head[36:40] == b"VBRI" else (b"", 0)


def _counted_head(header: bytes, n_frames: int) -> bytes:
    """Return two frames without sound to be put before a sound: a tag that tells the count, and one to be left out.

    Decoders leave out the first samples of a sound with a tag, at least those of their own delay. The second frame is
    what they leave out here, exactly, so that what is heard are the frames of the file and nothing else.

    Args:
        header: The first four bytes of a frame of this sound.
        n_frames: Frames that follow.
    """
    plain = bytes([header[0], header[1] | 1, 0xE0 | header[2] & 0x0C, header[3]])  # no check sum, most bits, no padding
    frame = mpeg_frame(plain)
    if frame is None:
        return b""
    delay = (frame.n_samples - _DECODER_DELAY) << 12  # twelve bits of it, and twelve of what is left out at the end
    encoder = b"LAME3.100".ljust(_DELAY_OFFSET, b"\0") + delay.to_bytes(3, "big")
    tag = struct.pack(">4sII", b"Info", 1, n_frames + 1) + encoder
    empty = plain.ljust(frame.n_bytes, b"\0")
    return (plain + bytes(frame.side_offset - 4) + tag).ljust(frame.n_bytes, b"\0") + empty
