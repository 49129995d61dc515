#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The usual way in Python: every JPEG tile of a slide by openslide-python's
DeepZoomGenerator and Pillow, in one thread, written to files.

peer_deepzoom.py SLIDE DIR
"""

import pathlib
import sys

import openslide
import openslide.deepzoom


def main():
    slide, folder = sys.argv[1:]
    zoom = openslide.deepzoom.DeepZoomGenerator(openslide.OpenSlide(slide), 254, 1, False)
    for level, (cols, rows) in enumerate(zoom.level_tiles):
        there = pathlib.Path(folder, str(level))
        there.mkdir()
        for row in range(rows):
            for col in range(cols):
                tile = zoom.get_tile(level, (col, row))
                tile.save(there / f"{col}_{row}.jpeg", quality=90)


if __name__ == "__main__":
    main()
