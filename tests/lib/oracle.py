# SPDX-License-Identifier: MIT
"""The pixels that a tile must have, by openslide-python and Pillow.

Where openslide-python's own tile has the nominal size it is the oracle as it is. Where
Pillow's thumbnail() is one pixel short on an axis, the same region is reduced to the
nominal size instead. Levels that OpenSlide 3.4.1 reads wrongly (narrower or shorter than
their tile and not JPEG) are never read through it: their TIFF directory is decoded by
Pillow, and the next larger good level, reduced, is as right.
"""

import io
import math

import numpy
import openslide
import PIL.Image
from openslide.deepzoom import DeepZoomGenerator

PIL.Image.MAX_IMAGE_PIXELS = None
TILE, OVERLAP = 254, 1
JPEG_COMPRESSIONS = (6, 7)
APERIO_JP2K = (33003, 33005)


def psnr(a, b):
    a, b = numpy.asarray(a, numpy.float64), numpy.asarray(b, numpy.float64)
    error = numpy.mean((a - b) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def decode(body, kind):
    """An encoded picture as RGB pixels; asserts its format and that it is whole."""
    with PIL.Image.open(io.BytesIO(body)) as im:
        assert im.format == kind, f"{im.format} instead of {kind}"
        return im.convert("RGB")


def tiff_frames(path):
    """(index, size, tile size, compression) of each directory; [] when it is no TIFF."""
    frames = []
    try:
        with PIL.Image.open(path) as im:
            for i in range(getattr(im, "n_frames", 1)):
                im.seek(i)
                tags = im.tag_v2
                tile = (tags.get(322, 0), tags.get(323, 0))
                frames.append((i, im.size, tile, tags.get(259)))
    except (OSError, AttributeError, SyntaxError):
        return []
    return frames


class Oracle:
    """One slide. Not for several threads."""

    def __init__(self, path):
        self.path = str(path)
        self.slide = openslide.OpenSlide(self.path)
        self.dz = DeepZoomGenerator(self.slide, TILE, OVERLAP, limit_bounds=False)
        colour = self.slide.properties.get("openslide.background-color", "ffffff")
        self.background = "#" + colour
        self.decoded = {}
        self.trapped = self.find_trapped()

    def close(self):
        self.slide.close()

    def find_trapped(self):
        """Stored level -> TIFF directory, for levels that OpenSlide reads wrongly."""
        if self.slide.properties["openslide.vendor"] == "hamamatsu":
            return {}
        small = {}
        for index, size, tile, compression in tiff_frames(self.path):
            fine = compression in JPEG_COMPRESSIONS or compression in APERIO_JP2K
            if not fine and (size[0] < tile[0] or size[1] < tile[1]):
                small[size] = index
        sizes = self.slide.level_dimensions
        return {i: small[s] for i, s in enumerate(sizes) if s in small}

    def trapped_level(self, level):
        """A trapped level, decoded by Pillow."""
        if level not in self.decoded:
            with PIL.Image.open(self.path) as im:
                im.seek(self.trapped[level])
                self.decoded[level] = im.convert("RGB")
        return self.decoded[level]

    def document(self):
        w, h = self.slide.dimensions
        return (
            f'<Image TileSize="{TILE}" Overlap="{OVERLAP}" Format="jpeg" '
            'xmlns="http://schemas.microsoft.com/deepzoom/2008">'
            f'<Size Width="{w}" Height="{h}" /></Image>'
        ).encode()

    def information(self, image_id):
        return {
            "id": str(image_id),
            "level_dimensions": [list(d) for d in self.slide.level_dimensions],
            "level_downsamples": list(self.slide.level_downsamples),
            "level_tiles": [list(t) for t in self.dz.level_tiles],
            "levels": self.slide.level_count,
        }

    def addresses(self):
        """Every (level, col, row) of the pyramid."""
        for level, (cols, rows) in enumerate(self.dz.level_tiles):
            for row in range(rows):
                for col in range(cols):
                    yield level, col, row

    def region(self, level, col, row):
        """(level-0 position, stored level, read size) and the nominal size."""
        return self.dz._get_tile_info(level, (col, row))

    def composite(self, rgba):
        flat = PIL.Image.new("RGB", rgba.size, self.background)
        return PIL.Image.composite(rgba, flat, rgba).convert("RGB")

    def read(self, position, level, size):
        if level not in self.trapped:
            return self.composite(self.slide.read_region(position, level, size))
        downsample = self.slide.level_downsamples[level]
        x, y = (round(p / downsample) for p in position)
        box = (x, y, x + size[0], y + size[1])
        flat = PIL.Image.new("RGB", size, self.background)
        flat.paste(self.trapped_level(level).crop(box))
        return flat

    def arithmetic(self, level, col, row, stored):
        """The region of a tile as the DeepZoomGenerator computes it, of any stored level."""
        downsample = self.slide.level_downsamples[stored]
        scale = 2 ** (self.dz.level_count - 1 - level) / downsample
        position, size = [], []
        for axis, index in enumerate((col, row)):
            last = self.dz.level_tiles[level][axis] - 1
            before, after = OVERLAP * (index != 0), OVERLAP * (index != last)
            rest = self.dz.level_dimensions[level][axis] - TILE * index
            start = scale * (TILE * index - before)
            wanted = math.ceil(scale * (min(TILE, rest) + before + after))
            left = self.slide.level_dimensions[stored][axis] - math.ceil(start)
            position.append(int(downsample * start))
            size.append(min(wanted, left))
        return tuple(position), stored, tuple(size)

    def larger_level(self, level):
        """The next larger stored level that is read rightly."""
        return max(i for i in range(level) if i not in self.trapped)

    def tiles(self, level, col, row):
        """[(pixels, whether nothing was scaled)]: any of them is right."""
        (position, stored, size), nominal = self.region(level, col, row)
        own = self.dz_size(size, nominal) == nominal and not boxes_overflow(size, nominal)
        if stored not in self.trapped and own:
            tile = self.dz.get_tile(level, (col, row)).convert("RGB")
            return [(tile, size == nominal)]
        reads = [self.read(position, stored, size)]
        if stored in self.trapped:
            larger = self.larger_level(stored)
            reads.append(self.read(*self.arithmetic(level, col, row, larger)))
        return [(fit(im, nominal), im.size == nominal) for im in reads]

    @staticmethod
    def dz_size(size, nominal):
        """The size that Pillow's thumbnail() makes of a read."""
        im = PIL.Image.new("1", size)
        im.thumbnail(nominal)
        return im.size


def box_factors(size, nominal):
    """What Pillow's reducing_gap=2.0 box-averages by, per axis."""
    return tuple(max(int(s / n / 2.0), 1) for s, n in zip(size, nominal))


def boxes_overflow(size, nominal):
    """Whether Pillow's box average is inexact: it multiplies by an integer reciprocal that is
    truncated, which makes the mean of boxes of over 2^15 pixels too dark: white glass of
    600 x 600 pixels becomes 254, of 1500 x 1500 248, of 5000 x 5000 190."""
    fx, fy = box_factors(size, nominal)
    return fx * fy > 1 << 15


def exact_boxes(im, fx, fy):
    """Pillow's Image.reduce with an exact division."""
    pixels = numpy.asarray(im, numpy.float64)
    rows = numpy.arange(0, pixels.shape[0], fy)
    columns = numpy.arange(0, pixels.shape[1], fx)
    sums = numpy.add.reduceat(numpy.add.reduceat(pixels, rows, 0), columns, 1)
    heights = numpy.diff(numpy.append(rows, pixels.shape[0]))
    widths = numpy.diff(numpy.append(columns, pixels.shape[1]))
    means = sums / (heights[:, None] * widths[None, :])[:, :, None]
    return PIL.Image.fromarray((means + 0.5).astype(numpy.uint8))


def fit(im, nominal):
    if im.size == nominal:
        return im
    lanczos = PIL.Image.Resampling.LANCZOS
    if not boxes_overflow(im.size, nominal):
        return im.resize(nominal, lanczos, reducing_gap=2.0)
    fx, fy = box_factors(im.size, nominal)
    box = (0, 0, im.size[0] / fx, im.size[1] / fy)
    return exact_boxes(im, fx, fy).resize(nominal, lanczos, box=box)
