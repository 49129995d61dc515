# SPDX-License-Identifier: MIT
"""What a viewer asks for while somebody looks at a slide: the arithmetic of OpenSeadragon,
without a browser.

A look is a viewport: the point of the slide in its middle and how many of the slide's
pixels one of the screen's stands for. For each, the viewer wants the tiles that the
viewport touches, of all levels from the smallest to the one that is sharp enough, and asks
for those that it does not have yet. Always the same trace for the same slide."""

import math

TILE, OVERLAP = 254, 1
SCREEN = (1280, 800)


class Pyramid:
    """Deep Zoom sizes of a slide."""

    def __init__(self, width, height):
        sizes = [(width, height)]
        while sizes[-1] != (1, 1):
            sizes.append(tuple(max(1, math.ceil(side / 2)) for side in sizes[-1]))
        self.sizes = sizes[::-1]
        self.full = (width, height)

    def tiles(self, level):
        """Columns and rows."""
        return tuple(math.ceil(side / TILE) for side in self.sizes[level])

    def all(self):
        for level in range(len(self.sizes)):
            columns, rows = self.tiles(level)
            yield from ((level, c, r) for c in range(columns) for r in range(rows))

    def sharp(self, scale):
        """The smallest level with a pixel for each of the screen's."""
        wanted = max(self.full) / scale
        for level, size in enumerate(self.sizes):
            if max(size) >= wanted:
                return level
        return len(self.sizes) - 1

    def covering(self, level, middle, scale):
        """The tiles of a level that a viewport touches, by column and row."""
        spans = []
        for axis in (0, 1):
            half = SCREEN[axis] * scale / 2
            ratio = self.sizes[level][axis] / self.full[axis]
            first = math.floor((middle[axis] - half) * ratio / TILE)
            last = math.floor((middle[axis] + half) * ratio / TILE)
            most = self.tiles(level)[axis] - 1
            spans.append(range(max(0, first), min(most, last) + 1))
        return [(level, c, r) for c in spans[0] for r in spans[1]]


def glide(start, end, steps):
    """Points on the way, the end included."""
    for i in range(1, steps + 1):
        yield tuple(a + (b - a) * i / steps for a, b in zip(start, end))


def looks(pyramid):
    """(middle, scale): in at five places, around there, and out again."""
    width, height = pyramid.full
    whole = max(width / SCREEN[0], height / SCREEN[1])
    home = (width / 2, height / 2)
    yield home, whole
    for x, y in ((0.3, 0.35), (0.7, 0.3), (0.5, 0.6), (0.1, 0.9), (0.95, 0.75)):
        place = (width * x, height * y)
        scale = whole
        for at in glide(home, place, 6):
            scale = max(1.0, scale / 1.6)
            yield at, scale
        reach = min(width, height) / 6
        for dx, dy in ((1, 0), (0, 1), (-1, 0), (-1, -1)):
            end = (place[0] + dx * reach, place[1] + dy * reach)
            for at in glide(place, end, 4):
                yield at, 1.0
            place = end
        for at in glide(place, home, 4):
            scale = min(whole, scale * 2.2)
            yield at, scale


def trace(width, height):
    """(level, column, row) in the order in which they are asked for, each once."""
    pyramid = Pyramid(width, height)
    had = set()
    for middle, scale in looks(pyramid):
        for level in range(pyramid.sharp(scale) + 1):
            for tile in pyramid.covering(level, middle, scale):
                if tile not in had:
                    had.add(tile)
                    yield tile
