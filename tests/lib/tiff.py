# SPDX-License-Identifier: MIT
"""Writes small tiled TIFF slides of known pixels, and files that are damaged on purpose.

OpenSlide takes them as generic-tiff. Tiles are Deflate and never larger than the image,
so no level is one that OpenSlide 3.4.1 reads wrongly.
"""

import struct
import zlib

import numpy

ASCII, SHORT, LONG = 2, 3, 4
LETTER = {ASCII: "B", SHORT: "H", LONG: "I"}
TILE = 256


def pad_to_tiles(pixels, tile):
    height, width, _ = pixels.shape
    return numpy.pad(pixels, ((0, -height % tile), (0, -width % tile), (0, 0)), "edge")


def cut_tiles(pixels, tile):
    padded = pad_to_tiles(pixels, tile)
    for y in range(0, padded.shape[0], tile):
        for x in range(0, padded.shape[1], tile):
            yield zlib.compress(padded[y : y + tile, x : x + tile].tobytes(), 1)


def pack_entry(tag, kind, values, extra, extra_at):
    """A 12-byte directory entry; what does not fit goes to extra."""
    data = struct.pack("<%d%s" % (len(values), LETTER[kind]), *values)
    if len(data) <= 4:
        return struct.pack("<HHI", tag, kind, len(values)) + data.ljust(4, b"\0")
    at = extra_at + len(extra)
    extra += data
    return struct.pack("<HHII", tag, kind, len(values), at)


def directory(width, height, tile, offsets, lengths, reduced):
    return [
        (254, LONG, [1 if reduced else 0]),
        (256, LONG, [width]),
        (257, LONG, [height]),
        (258, SHORT, [8, 8, 8]),
        (259, SHORT, [8]),  # Adobe Deflate
        (262, SHORT, [2]),
        (277, SHORT, [3]),
        (284, SHORT, [1]),
        (322, LONG, [tile]),
        (323, LONG, [tile]),
        (324, LONG, offsets),
        (325, LONG, lengths),
    ]


def append_tiles(out, pixels, tile):
    """Where they are, and how long."""
    offsets, lengths = [], []
    for data in cut_tiles(pixels, tile):
        offsets.append(len(out))
        lengths.append(len(data))
        out += data + b"\0" * (len(data) % 2)
    return offsets, lengths


def append_directory(out, link_at, entries):
    """Behind the tiles; returns where the next one's place is to be written."""
    struct.pack_into("<I", out, link_at, len(out))
    extra, extra_at = bytearray(), len(out) + 2 + 12 * len(entries) + 4
    packed = [pack_entry(*e, extra, extra_at) for e in entries]
    out += struct.pack("<H", len(entries)) + b"".join(packed)
    link_at = len(out)
    out += b"\0\0\0\0" + extra + b"\0" * (len(extra) % 2)
    return link_at


def write_slide(path, levels, tile=TILE):
    """levels: arrays of height x width x 3 bytes, largest first."""
    out = bytearray(b"II*\0\0\0\0\0")
    link_at = 4
    for i, pixels in enumerate(levels):
        offsets, lengths = append_tiles(out, pixels, tile)
        height, width, _ = pixels.shape
        entries = directory(width, height, tile, offsets, lengths, i > 0)
        link_at = append_directory(out, link_at, entries)
    path.write_bytes(out)
    return path


def write_fatal(path):
    """Whoever opens it with OpenSlide 3.4.1 dies of signal 8: an Aperio slide that lacks a
    tile and whose next level has more than twice as many a row. It divides by a rounded 0."""
    out = bytearray(b"II*\0\0\0\0\0")
    link_at = 4
    for side, tile in ((512, 256), (256, 16)):
        offsets, lengths = append_tiles(out, numpy.zeros((side, side, 3), numpy.uint8), tile)
        if link_at == 4:
            lengths[1] = 0
        entries = directory(side, side, tile, offsets, lengths, False)
        entries.insert(6, (270, ASCII, b"Aperio\0"))
        link_at = append_directory(out, link_at, entries)
    path.write_bytes(out)
    return path


def write_bomb(path, side=40000):
    """A few kilobytes that announce one tile of side x side pixels."""
    data = zlib.compress(bytes(1 << 20), 9)
    entries = directory(side, side, side, [8], [len(data)], False)
    at = 8 + len(data) + len(data) % 2
    extra = bytearray()
    extra_at = at + 2 + 12 * len(entries) + 4
    packed = [pack_entry(*e, extra, extra_at) for e in entries]
    head = b"II*\0" + struct.pack("<I", at) + data.ljust(at - 8, b"\0")
    path.write_bytes(head + struct.pack("<H", len(entries)) + b"".join(packed) + b"\0" * 4 + extra)
    return path


def write_flat(path, colour, width=512, height=512, tile=TILE):
    """One level of one colour (r, g, b)."""
    pixels = numpy.empty((height, width, 3), numpy.uint8)
    pixels[:] = colour
    return write_slide(path, [pixels], tile)


def write_noise(path, seed, width=1024, height=1024, levels=1, tile=TILE):
    """Blocks of random colours: no two tiles are alike, and they compress."""
    random = numpy.random.default_rng(seed)
    blocks = random.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), numpy.uint8)
    full = blocks.repeat(16, 0).repeat(16, 1)[:height, :width]
    pyramid = [numpy.ascontiguousarray(full[:: 2**i, :: 2**i]) for i in range(levels)]
    return write_slide(path, pyramid, tile)


def write_smooth(path, seed, width=1024, height=1024, levels=1, tile=TILE):
    """Slow waves of colour: what JPEG keeps well at every scale."""
    phases = numpy.random.default_rng(seed).uniform(0, 6.28, 3)
    y, x = numpy.mgrid[0:height, 0:width]
    waves = [128 + 100 * numpy.sin(x / 97 + y / (61 + 20 * i) + p) for i, p in enumerate(phases)]
    full = numpy.stack(waves, 2).astype(numpy.uint8)
    pyramid = [numpy.ascontiguousarray(full[:: 2**i, :: 2**i]) for i in range(levels)]
    return write_slide(path, pyramid, tile)
