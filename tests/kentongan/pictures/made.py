"""Small pictures made byte by byte, so that tests know all that stands in them."""

from __future__ import annotations

import struct
import zlib

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def exif(*, orientation: int = 1, located: bool = False, little: bool = False) -> bytes:
    """A camera's metadata: which way is up, and the address of a directory that says where it stood."""
    order = "<" if little else ">"
    entries = [struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)]
    if located:
        entries.append(struct.pack(f"{order}HHII", 0x8825, 4, 1, 38))
    head = (b"II*\0" if little else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    return head + b"".join(entries) + struct.pack(f"{order}I", 0) + b"4 deg 27 S"


def chunk(kind: bytes, body: bytes) -> bytes:
    whole = kind + body
    return struct.pack(">I", len(body)) + whole + struct.pack(">I", zlib.crc32(whole))


def png(width: int = 64, height: int = 80, *, more: bytes = b"", interlaced: bool = False, short: int = 0) -> bytes:
    """A grey picture; `more` are chunks before the pixels, `short` pixels' bytes that are not there."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, int(interlaced))
    rows = b""
    for left, top, across, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, count = len(range(left, width, across)), len(range(top, height, down))
        rows += (b"\0" + b"\x80" * columns) * count if columns else b""
    pixels = zlib.compress(rows[: len(rows) - short])
    halves = pixels[: len(pixels) // 2], pixels[len(pixels) // 2 :]
    body = b"".join(chunk(b"IDAT", half) for half in halves)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + body + chunk(b"IEND", b"")


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg(width: int = 64, height: int = 80, *, more: bytes = b"", after: bytes = b"") -> bytes:
    """A grey picture of one colour; `more` are segments behind the first, `after` what follows its end."""
    table = bytes([1, *[0] * 15, 0])  # one code, of one bit, for the symbol 0
    blocks = -(-width // 8) * -(-height // 8)
    return b"".join(
        (
            b"\xff\xd8",
            segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
            more,
            segment(0xDB, b"\0" + b"\1" * 64),
            segment(0xC0, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"),
            segment(0xC4, b"\x00" + table),
            segment(0xC4, b"\x10" + table),
            segment(0xDA, b"\1\1\0\0\x3f\0"),
            b"\0" * -(-2 * blocks // 8),
            b"\xff\xd9",
            after,
        )
    )


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(kind + struct.pack("<I", len(b)) + b + b"\0" * (len(b) % 2) for kind, b in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def webp(width: int = 64, height: int = 80, *more: tuple[bytes, bytes], flags: int = 0) -> bytes:
    """The frame of a lossless picture with a head of its own; its pixels are not read by anybody here."""
    size = struct.pack("<I", (width - 1) | (height - 1) << 14)
    extended = bytes([flags, 0, 0, 0]) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return riff((b"VP8X", extended), (b"VP8L", b"\x2f" + size + b"\0\0"), *more)
