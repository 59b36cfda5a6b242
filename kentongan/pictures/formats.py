"""JPEG, PNG and WebP taken apart: whether a file is a whole still picture, how large, and the same without metadata.

Cameras write where and when a picture was taken, and by whom, into it; none of that may reach the public. Kept is what
the picture looks like with: colour profile, transparency, and the way up.
Sources: ITU-T T.81 annex B, Exif 2.32 section 4.5, PNG (W3C) section 5, RFC 9649 (WebP).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import field

from kentongan.quick_dataclass import dataclass


class NoPicture(ValueError):
    """The file is no whole still picture of a known format; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Still:
    """A picture without metadata; `width` and `height` in pixels as it is shown. `located`: it told where it was."""

    media_type: str
    width: int
    height: int
    content: bytes = field(repr=False)
    located: bool = False


def still(content: bytes) -> Still:
    """Reads a picture by what it is, whatever its name says; raises NoPicture."""
    try:
        if content.startswith(_PNG):
            return _png(content)
        if content.startswith(b"\xff\xd8"):
            return _jpeg(content)
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return _webp(content)
    except (struct.error, IndexError, zlib.error):
        raise NoPicture("is damaged") from None
    raise NoPicture("is no JPEG, PNG or WebP picture")


# --- PNG ---

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset(
    (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"pHYS", b"bKGD")
)
_MOST_ACROSS = 16_384
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# The seven passes of an interlaced picture: first column and row, and the steps between them.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def _png(content: bytes) -> Still:
    kept, pixels, header = [_PNG], [], b""
    orientation, located = 1, False
    for kind, body, whole in _png_chunks(content):
        if (kind == b"IHDR") != (not header):
            raise NoPicture("is damaged")
        header = header or body
        if kind in _PNG_KEPT:
            kept.append(whole)
        elif kind[0] & 0x20 == 0:
            raise NoPicture("is of a newer kind than can be read")
        if kind == b"eXIf":
            orientation, located = _orientation(body), located or _located(body)
        if kind == b"IDAT":
            pixels.append(body)
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if not width or not height or colour not in _PNG_CHANNELS:
        raise NoPicture("is damaged")
    if max(width, height) > _MOST_ACROSS:
        raise NoPicture("says that it is far too large")  # pixels are not decoded for a mere claim
    _inflated(pixels, _png_size(width, height, depth * _PNG_CHANNELS[colour], interlaced))
    if orientation > 1:
        chunk = b"eXIf" + _upright(orientation)
        kept.insert(2, struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)))
    return Still("image/png", *_shown(width, height, orientation), b"".join(kept), located)


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    position = len(_PNG)
    while True:
        length, kind = struct.unpack_from(">I4s", content, position)
        whole = content[position : position + length + 12]
        if len(whole) != length + 12 or struct.unpack(">I", whole[-4:])[0] != zlib.crc32(whole[4:-4]):
            raise NoPicture("is damaged")
        yield kind, whole[8:-4], whole
        position += length + 12
        if kind == b"IEND":
            return  # what follows is not shown and is left out


def _png_size(width: int, height: int, bits: int, interlaced: int) -> int:
    """Bytes of all rows, each with the one that names its filter."""
    passes = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    sizes = ((-(-(width - left) // across), -(-(height - top) // down)) for left, top, across, down in passes)
    return sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes if columns > 0 and rows > 0)


def _inflated(pixels: list[bytes], size: int) -> None:
    """Decodes the pixels piece by piece and keeps none; raises NoPicture unless there are just `size` bytes."""
    decoder, found = zlib.decompressobj(), 0
    for part in pixels:
        while part:
            found += len(decoder.decompress(part, 1 << 20))
            part = decoder.unconsumed_tail
            if found > size:
                raise NoPicture("is damaged")
    if not decoder.eof or found != size:
        raise NoPicture("is damaged")


# --- JPEG ---

_SIZES = frozenset((*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)))
# JFIF, colour profile, Adobe's colour transform, and the tables that decoding needs. Others say things of the picture.
_JPEG_KEPT = _SIZES | {0xC4, 0xCC, 0xDB, 0xDD, 0xE0, 0xE2, 0xEE}


def _jpeg(content: bytes) -> Still:
    kept, position = [b"\xff\xd8"], 2
    width = height = 0
    orientation, located = 1, False
    while True:
        if content[position] != 0xFF:
            raise NoPicture("is damaged")
        while content[position + 1] == 0xFF:
            position += 1
        marker = content[position + 1]
        (length,) = struct.unpack_from(">H", content, position + 2)
        body = content[position + 4 : position + 2 + length]
        if length < 2 or len(body) != length - 2:
            raise NoPicture("is damaged")
        if marker in _SIZES and not width:
            height, width = struct.unpack_from(">HH", body, 1)
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            orientation, located = _orientation(body[6:]), located or _located(body[6:])
        if marker == 0xDA:
            break
        # Of the second kind of application data only the colour profile; the rest is further pictures.
        if marker in _JPEG_KEPT and not (marker == 0xE2 and not body.startswith(b"ICC_PROFILE\0")):
            kept.append(content[position : position + 2 + length])
        position += 2 + length
    end = _jpeg_end(content, position)
    if not width or not height:
        raise NoPicture("is damaged")
    if orientation > 1:
        segment = b"Exif\0\0" + _upright(orientation)
        kept.insert(1, b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment)
    whole = b"".join((*kept, content[position:end]))
    return Still("image/jpeg", *_shown(width, height, orientation), whole, located)


def _jpeg_end(content: bytes, position: int) -> int:
    """Where the picture ends: its end marker, past all its scans; what follows is not shown and is left out."""
    while True:
        position = content.find(b"\xff", position)
        if position < 0 or position + 1 >= len(content):
            raise NoPicture("is cut short")
        marker = content[position + 1]
        if marker == 0xD9:
            return position + 2
        if marker == 0x00 or 0xD0 <= marker <= 0xD7:
            position += 2
        elif marker == 0xFF:
            position += 1
        elif marker in (0xDA, 0xC4, 0xDB, 0xDD):
            (length,) = struct.unpack_from(">H", content, position + 2)
            position += 2 + length
        else:
            raise NoPicture("is damaged")


# --- Exif, as far as it concerns the public ---


def _tags(exif: bytes) -> dict[int, bytes]:
    """The first directory's entries: their values, or where these stand."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return {}
    try:
        (first,) = struct.unpack_from(f"{order}I", exif, 4)
        (count,) = struct.unpack_from(f"{order}H", exif, first)
        entries = [struct.unpack_from(f"{order}HHI4s", exif, first + 2 + 12 * number) for number in range(count)]
    except struct.error:
        return {}
    return {tag: value if order == ">" else value[::-1] for tag, _, _, value in entries}


def _orientation(exif: bytes) -> int:
    value = _tags(exif).get(0x0112, b"")
    # A short stands in the first two bytes of four; turned round, in the last two.
    found = int.from_bytes(value[:2] if exif[:2] == b"MM" else value[2:], "big")
    return found if 1 <= found <= 8 else 1


def _upright(orientation: int) -> bytes:
    """Exif that says which way is up, and nothing else."""
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def _shown(width: int, height: int, orientation: int) -> tuple[int, int]:
    return (height, width) if orientation > 4 else (width, height)


def _located(exif: bytes) -> bool:
    return 0x8825 in _tags(exif)


# --- WebP ---


def _webp(content: bytes) -> Still:
    (length,) = struct.unpack_from("<I", content, 4)
    if length + 8 > len(content):
        raise NoPicture("is cut short")
    kept: list[tuple[bytes, bytes]] = []
    width = height = 0
    orientation, located = 1, False
    position = 12
    while position + 8 <= length + 8:
        kind, size = struct.unpack_from("<4sI", content, position)
        body = content[position + 8 : position + 8 + size]
        if len(body) != size:
            raise NoPicture("is cut short")
        position += 8 + size + size % 2
        if kind in (b"ANIM", b"ANMF"):
            raise NoPicture("moves")
        if kind == b"EXIF":
            exif = body.removeprefix(b"Exif\0\0")
            orientation, located = _orientation(exif), _located(exif)
        if kind in (b"VP8 ", b"VP8L"):
            width, height = _webp_size(kind, body)
        elif kind not in (b"ICCP", b"ALPH", b"VP8X"):
            continue
        kept.append((kind, body))
    if not width or not height:
        raise NoPicture("is damaged")
    if orientation > 1:
        kept.append((b"EXIF", _upright(orientation)))
    whole = b"WEBP" + b"".join(_webp_chunk(kind, body, orientation > 1) for kind, body in kept)
    content = b"RIFF" + struct.pack("<I", len(whole)) + whole
    return Still("image/webp", *_shown(width, height, orientation), content, located)


def _webp_chunk(kind: bytes, body: bytes, with_exif: bool) -> bytes:
    if kind == b"VP8X":
        # The flags of XMP (4) and Exif (8) say what is still there.
        body = bytes([body[0] & ~0x0C | (0x08 if with_exif else 0)]) + body[1:]
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _webp_size(kind: bytes, body: bytes) -> tuple[int, int]:
    if kind == b"VP8L":
        if body[0] != 0x2F:
            raise NoPicture("is damaged")
        (bits,) = struct.unpack_from("<I", body, 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if body[3:6] != b"\x9d\x01\x2a":
        raise NoPicture("is damaged")
    width, height = struct.unpack_from("<HH", body, 6)
    return width & 0x3FFF, height & 0x3FFF
