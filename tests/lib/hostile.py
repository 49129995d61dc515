# SPDX-License-Identifier: MIT
"""Slide files that are made to do harm, and a mutator of good ones, the same by its seed.

A bomb is a name, a writer, and what must come of it: REFUSED, SERVED, DEAR, or None when
it is OpenSlide's to say. Nothing here is larger than a few megabytes.
"""

import io
import random
import sqlite3
import struct
import zlib

import numpy
import PIL.Image

import tiff
from tiff import ASCII, LONG, SHORT

DEFLATE, JPEG, JP2K, LZW = 8, 7, 33003, 5
RGB, YCBCR = 2, 6
MANY = 20000  # directories
TEXT_MAX = 1 << 20  # bytes of a text in a TIFF directory, and of all properties
SIDE_MAX = 4096  # pixels of a stored tile
HUGE = (1 << 32) - 1


class Tiff:
    """A TIFF file of one or more directories; more: replaces fields by tag, None drops."""

    def __init__(self):
        self.out, self.link_at = bytearray(b"II*\0\0\0\0\0"), 4
        self.first = None

    def add(self, tiles, width, height, tile, more=None, reduced=False):
        offsets, lengths = [], []
        for data in tiles:
            offsets.append(len(self.out))
            lengths.append(len(data))
            self.out += data + b"\0" * (len(data) % 2)
        entries = tiff.directory(width, height, tile, offsets, lengths, reduced)
        fields = {tag: (tag, kind, values) for tag, kind, values in entries}
        for tag, field in (more or {}).items():
            fields[tag] = field and (tag, *field)
        kept = [fields[tag] for tag in sorted(fields) if fields[tag]]
        self.directory = len(self.out)
        self.first = self.first or self.directory
        self.link_at = tiff.append_directory(self.out, self.link_at, kept)
        return self

    def link_to(self, place):
        struct.pack_into("<I", self.out, self.link_at, place)
        return self

    def set_entry(self, tag, kind=None, count=None, value=None):
        """In the last directory: what no writer would write."""
        (n,) = struct.unpack_from("<H", self.out, self.directory)
        for at in range(self.directory + 2, self.directory + 2 + 12 * n, 12):
            if struct.unpack_from("<H", self.out, at) == (tag,):
                for place, form, new in ((2, "<H", kind), (4, "<I", count), (8, "<I", value)):
                    if new is not None:
                        struct.pack_into(form, self.out, at + place, new)
        return self

    def write(self, path):
        path.write_bytes(self.out)
        return path


def flat(tile=256, data=None):
    return zlib.compress(bytes(tile * tile * 3) if data is None else data, 1)


def one(more=None, width=512, height=512, tile=256, data=None):
    """A plain slide of equal tiles, but for what is said."""
    data = flat(tile) if data is None else data
    return Tiff().add([data] * (-(-width // tile) * -(-height // tile)), width, height, tile, more)


def text(bytes_):
    return ASCII, bytes_ + b"\0"


def properties(n):
    return text(b"Aperio\r\n|" + b"|".join(b"p%d=1" % i for i in range(n)))


def jpeg(width, height, progressive, announced=None, quality=80):
    """announced: (width, height) in its header."""
    out = io.BytesIO()
    pixels = numpy.full((height, width, 3), 120, numpy.uint8)
    PIL.Image.fromarray(pixels).save(
        out, "JPEG", progressive=progressive, subsampling=0, quality=quality
    )
    data = bytearray(out.getvalue())
    at = 2
    while data[at + 1] not in (0xC0, 0xC2):
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    if announced:
        struct.pack_into(">HH", data, at + 5, announced[1], announced[0])
    return bytes(data)


def jpeg_slide(data, tile=256):
    return one({259: (SHORT, [JPEG]), 262: (SHORT, [YCBCR])}, tile=tile, data=data)


def jp2k(width, height, tile_width, tile_height):
    """A code stream whose header says so, and one empty tile."""
    siz = struct.pack(">HIIIIIIIIH", 0, width, height, 0, 0, tile_width, tile_height, 0, 0, 3)
    siz += b"\7\1\1" * 3
    cod = bytes([0, 0, 0, 1, 1, 5, 4, 4, 0, 1])
    qcd = bytes([0x40]) + bytes([0x48] * 16)
    out = b"\xff\x4f"
    for mark, body in ((0x51, siz), (0x52, cod), (0x5C, qcd)):
        out += bytes([0xFF, mark]) + struct.pack(">H", len(body) + 2) + body
    return out + b"\xff\x90" + struct.pack(">HHIBB", 10, 0, 0, 0, 1) + b"\xff\x93\xff\xd9"


def jp2k_slide(data, tile=256):
    """Aperio's: the first tile of each level is decoded when the slide is opened."""
    fields = {259: (SHORT, [JP2K]), 270: text(b"Aperio\r\n")}
    return Tiff().add([data], tile, tile, tile, fields)


def many_directories(path, n):
    made = one(width=256, height=256)
    for _ in range(n - 1):
        made.add([], 256, 256, 256, {324: (LONG, [8]), 325: (LONG, [8])}, reduced=True)
    return made.write(path)


def loop(path, to_first):
    made = one()
    made.add([flat()] * 4, 512, 512, 256, reduced=True)
    return made.link_to(made.first if to_first else made.directory).write(path)


def million_tiles(path, aperio):
    """None of them stored, in each of a hundred directories."""
    made = Tiff()
    for i in range(100):
        fields = {270: text(b"Aperio\r\n")} if aperio else {}
        fields |= {324: (LONG, [0]), 325: (LONG, [0])}
        made.add([], 16000, 16000, 16, fields, reduced=i > 0)
    return made.write(path)


ENTITIES = b'<!DOCTYPE x [<!ENTITY a0 "ha">%s]>' % b"".join(
    b'<!ENTITY a%d "%s">' % (i, b"&a%d;" % (i - 1) * 10) for i in range(1, 12)
)
LEICA = b"""<?xml version="1.0"?>%s<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">
<collection sizeX="%s" sizeY="512"><barcode>&a11;</barcode></collection></scn>"""


def xml(path, width=b"512"):
    return one({270: text(LEICA % (ENTITIES, width))}).write(path)


def sakura(path, harm=""):
    """The tables that OpenSlide looks for; harm: SQL in their place."""
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as db:
        db.executescript(
            "CREATE TABLE SVSlideDataXPO (OID INTEGER, Date TEXT, m_Name TEXT);"
            "CREATE TABLE T (id TEXT, data BLOB, size INTEGER);"
            "INSERT INTO T VALUES ('++MagicBytes', 'SVGigaPixelImage', 16);"
            + (harm or "CREATE TABLE DataManagerSQLiteConfigXPO (TableName TEXT);"
               "INSERT INTO DataManagerSQLiteConfigXPO VALUES ('T');")
        )
    db.close()
    return path


ENDLESS = (  # whoever looks into it never comes back
    "CREATE VIEW DataManagerSQLiteConfigXPO AS WITH RECURSIVE c(n) AS "
    "(SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n AS TableName FROM c WHERE n < 0;"
)
VMS = b"[Virtual Microscope Specimen]\nNoLayers=1\nNoJpegColumns=%s\nNoJpegRows=%s\n%s"


def vms(path, columns=b"1", rows=b"1", names=b"ImageFile=v.jpg\nMapFile=v.jpg\nMacroImage=v.jpg\n"):
    (path.parent / "v.jpg").write_bytes(jpeg(64, 64, False))
    path.write_bytes(VMS % (columns, rows, names))
    return path


def mirax(path, text_):
    """NAME.mrxs and its folder."""
    folder = path.with_suffix("")
    folder.mkdir(exist_ok=True)
    (folder / "Slidedat.ini").write_bytes(text_)
    path.write_bytes(jpeg(64, 64, False))
    return path


def tile_of(path, side):
    """One tile of that size, of which a megabyte is there."""
    return one(width=side, height=side, tile=side, data=flat(data=bytes(1 << 20))).write(path)


def broken_field(tag, **what):
    return lambda p: one().set_entry(tag, **what).write(p)


# DEAR: a good file whose overview may take longer than anybody waits.
REFUSED, SERVED, DEAR = "refused", "served", "dear"
STRIPS = {tag: None for tag in (322, 323, 324, 325)}
STRIPS |= {273: (LONG, [8]), 279: (LONG, [HUGE]), 278: (LONG, [HUGE])}
BOMBS = [
    ("tile-40000.tiff", lambda p: tile_of(p, 40000), REFUSED),
    ("tile-16384.tiff", lambda p: tile_of(p, 16384), REFUSED),
    ("tile-4112.tiff", lambda p: tile_of(p, SIDE_MAX + 16), REFUSED),
    ("tile-4096.tiff",
     lambda p: one(width=64, height=64, tile=SIDE_MAX, data=flat(SIDE_MAX)).write(p), SERVED),
    ("jpeg-65500.tiff",
     lambda p: jpeg_slide(jpeg(256, 256, False, (65500, 65500))).write(p), REFUSED),
    ("jpeg-progressive.tiff",
     lambda p: jpeg_slide(jpeg(256, 256, True, (65500, 65500))).write(p), REFUSED),
    ("jpeg-8000.tiff", lambda p: jpeg_slide(jpeg(256, 256, True, (8000, 8000))).write(p), REFUSED),
    ("jpeg-of-5000.tiff", lambda p: jpeg_slide(jpeg(5000, 5000, True)).write(p), REFUSED),
    ("jp2k-40000.tiff", lambda p: jp2k_slide(jp2k(256, 256, 256, 256), 40000).write(p), REFUSED),
    ("jp2k-header.tiff", lambda p: jp2k_slide(jp2k(65535, 65535, 65535, 65535)).write(p), REFUSED),
    ("jp2k-tiles.tiff", lambda p: jp2k_slide(jp2k(255, 257, 1, 1)).write(p), REFUSED),
    ("jp2k-huge.tiff", lambda p: jp2k_slide(jp2k(HUGE, HUGE, 1, 1)).write(p), REFUSED),
    ("directories.tiff", lambda p: many_directories(p, MANY), REFUSED),
    ("directory-loop.tiff", lambda p: loop(p, True), REFUSED),
    ("directory-self.tiff", lambda p: loop(p, False), REFUSED),
    ("sub-directory-loop.tiff",
     lambda p: one({330: (LONG, [8])}).set_entry(330, value=8).write(p), None),
    ("levels-65.tiff", lambda p: many_directories(p, 65), REFUSED),
    ("levels-64.tiff", lambda p: many_directories(p, 64), None),
    ("million-tiles.tiff", lambda p: million_tiles(p, False), REFUSED),
    ("million-tiles-aperio.tiff", lambda p: million_tiles(p, True), REFUSED),
    ("byte-counts-huge.tiff", broken_field(325, count=HUGE), REFUSED),
    ("byte-counts-each-huge.tiff",
     lambda p: one({325: (LONG, [HUGE] * 4)}).write(p), REFUSED),
    ("offsets-huge.tiff", broken_field(324, count=HUGE), REFUSED),
    ("offsets-outside.tiff", lambda p: one({324: (LONG, [HUGE] * 4)}).write(p), REFUSED),
    ("width-huge.tiff", lambda p: one({256: (LONG, [HUGE])}).write(p), REFUSED),
    ("sides-huge.tiff",
     lambda p: one({256: (LONG, [HUGE]), 257: (LONG, [HUGE])}).write(p), REFUSED),
    ("sides-none.tiff", lambda p: one({256: (LONG, [0]), 257: (LONG, [0])}).write(p), REFUSED),
    ("tile-none.tiff", lambda p: one({322: (LONG, [0])}).write(p), REFUSED),
    ("bits-huge.tiff", lambda p: one({258: (SHORT, [65535] * 3)}).write(p), REFUSED),
    ("samples-huge.tiff", lambda p: one({277: (SHORT, [65535])}).write(p), REFUSED),
    ("predictor.tiff", lambda p: one({317: (SHORT, [2])}).write(p), SERVED),
    ("predictor-of-floats.tiff", lambda p: one({317: (SHORT, [3])}).write(p), REFUSED),
    ("predictor-none.tiff", lambda p: one({317: (SHORT, [999])}).write(p), REFUSED),
    ("predictor-odd-bits.tiff",
     lambda p: one({317: (SHORT, [2]), 258: (SHORT, [7] * 3)}).write(p), REFUSED),
    ("lzw.tiff",
     lambda p: one({259: (SHORT, [LZW])}, data=bytes(range(256)) * 8).write(p), REFUSED),
    ("many-pixels.tiff", lambda p: one(width=10**6, height=600, tile=4096).write(p), DEAR),
    ("strips.tiff", lambda p: one(STRIPS).write(p), REFUSED),
    ("text-long.tiff", lambda p: one({270: text(b"x" * TEXT_MAX)}).write(p), REFUSED),
    ("text-of-nothing.tiff",
     lambda p: one({270: text(b"")}).set_entry(270, count=HUGE).write(p), REFUSED),
    ("properties-long.tiff", lambda p: one({270: text(b"x" * 600_000)}).write(p), REFUSED),
    ("properties-fit.tiff", lambda p: one({270: text(b"x" * 400_000)}).write(p), SERVED),
    ("properties-4100.tiff", lambda p: one({270: properties(4100)}).write(p), REFUSED),
    ("properties-4000.tiff", lambda p: one({270: properties(4000)}).write(p), SERVED),
    ("xml-entities.tiff", xml, None),
    ("xml-number.tiff", lambda p: xml(p, b"9" * 4000), None),
    ("database.svslide", sakura, REFUSED),
    ("index-out.vms",
     lambda p: vms(p, names=b"ImageFile=../v.jpg\nMapFile=/etc/passwd\n"), REFUSED),
    ("index-many.vms", lambda p: vms(p, b"46341", b"46341"), REFUSED),
    ("index-most.vms", lambda p: vms(p, b"1024", b"1024"), REFUSED),
    ("index.vms", vms, None),
    ("index.mrxs",
     lambda p: mirax(p, b"[DATAFILE]\nFILE_COUNT=2147483646\nFILE_0=../x.dat\n"), REFUSED),
    ("bomb.vms", lambda p: tile_of(p, 40000), REFUSED),
    ("bomb.mrxs", lambda p: jp2k_slide(jp2k(256, 256, 256, 256), 40000).write(p), REFUSED),
]


def write_bombs(folder):
    """Their paths, by name."""
    return {name: writer(folder / name) for name, writer, _ in BOMBS}


# Mutations.

NUMBERS = [0, 1, 2, 3, 7, 8, 15, 16, 255, 256, 4095, 4096, 4097, 32767, 32768, 65535, 65536]
NUMBERS += [(1 << 31) - 1, 1 << 31, HUGE - 1, HUGE]


def places(data):
    """Where a TIFF's directories are, as far as they can be followed; else its ends."""
    found, at = [], struct.unpack_from("<I", data, 4)[0] if data[:4] == b"II*\0" else 0
    while 0 < at < len(data) - 2 and len(found) < 64:
        (n,) = struct.unpack_from("<H", data, at)
        found.append((at, min(at + 2 + 12 * n + 4, len(data))))
        if at + 2 + 12 * n + 4 > len(data):
            break
        (at,) = struct.unpack_from("<I", data, at + 2 + 12 * n)
    return found or [(0, min(512, len(data))), (max(0, len(data) - 512), len(data))]


class Mutator:
    """samples: files as bytes. mutate(n) is the same bytes for the same n."""

    def __init__(self, samples, seed=1):
        self.samples = [(bytes(s), places(s)) for s in samples]
        self.seed = seed

    def mutate(self, n):
        pick = random.Random(f"{self.seed}/{n}")
        sample, heads = self.samples[n % len(self.samples)]
        data = bytearray(sample)
        for _ in range(pick.choice((1, 1, 2, 3, 8))):
            if not data:
                break
            pick.choice((flip, number, number, field, field, cut, move, fill))(pick, data, heads)
        return bytes(data)


def somewhere(pick, data, heads):
    """Two times of three where it matters."""
    begin, end = pick.choice(heads) if pick.randrange(3) else (0, len(data))
    return min(pick.randrange(begin, max(end, begin + 1)), len(data) - 1)


def flip(pick, data, heads):
    data[somewhere(pick, data, heads)] ^= 1 << pick.randrange(8)


def number(pick, data, heads):
    at, size = somewhere(pick, data, heads), pick.choice((1, 2, 4))
    value = pick.choice(NUMBERS).to_bytes(4, pick.choice(("little", "big")))
    data[at : at + size] = value[:size][: len(data) - at]


def field(pick, data, heads):
    """Type, count or value of an entry."""
    begin, end = pick.choice(heads)
    at = begin + 2 + 12 * pick.randrange(max((end - begin - 6) // 12, 1))
    place, size = pick.choice(((0, 2), (2, 2), (4, 4), (8, 4)))
    if at + 12 <= len(data):
        value = pick.choice([*NUMBERS, pick.randrange(HUGE), len(data)])
        data[at + place : at + place + size] = value.to_bytes(4, "little")[:size]


def cut(pick, data, heads):
    del data[somewhere(pick, data, heads) :]


def move(pick, data, heads):
    source, to = pick.randrange(len(data)), somewhere(pick, data, heads)
    piece = data[source : source + pick.randrange(1, 64)]
    if pick.randrange(4):
        data[to : to + len(piece)] = piece[: len(data) - to]
    else:
        data[to:to] = piece


def fill(pick, data, heads):
    at = somewhere(pick, data, heads)
    piece = bytes([pick.choice((0, 0xFF, 0x7F, pick.randrange(256)))]) * pick.randrange(1, 300)
    data[at : at + len(piece)] = piece[: len(data) - at]


def small_samples(folder):
    """Ten small slides of as many kinds, made here."""
    aperio = {270: text(b"Aperio\r\n512x512|MPP = 0.5|AppMag = 20")}
    noise = numpy.random.default_rng(5).integers(0, 256, 256 * 256 * 3, numpy.uint8).tobytes()
    jpegs = {259: (SHORT, [JPEG]), 262: (SHORT, [YCBCR])}
    return [
        tiff.write_smooth(folder / "smooth.tiff", 1, 600, 400, 3, tile=64),
        tiff.write_noise(folder / "noise.tiff", 2, 300, 300, 2, tile=128),
        one(aperio, data=flat(data=noise)).write(folder / "aperio.svs"),
        one({**aperio, **jpegs}, data=jpeg(256, 256, False)).write(folder / "aperio-jpeg.svs"),
        jpeg_slide(jpeg(256, 256, False)).write(folder / "jpeg.tiff"),
        jpeg_slide(jpeg(256, 256, True)).write(folder / "progressive.tiff"),
        jp2k_slide(jp2k(256, 256, 256, 256)).write(folder / "jp2k.svs"),
        one({317: (SHORT, [2])}, data=flat(data=noise)).write(folder / "predictor.tiff"),
        one({270: text(LEICA % (b"", b"512"))}).write(folder / "leica.tiff"),
        sakura(folder / "database.svslide"),
    ]
