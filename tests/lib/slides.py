# SPDX-License-Identifier: MIT
"""Which slides the tests use: the shared ones when they are there, and made ones."""

import os
import pathlib
import subprocess

import openslide

import tiff
from service import BUILD, REPO


def shared_folder():
    """None when there is no folder of shared slides."""
    named = os.environ.get("SLIDECACHE_SHARED_SLIDES")
    folder = pathlib.Path(named) if named else REPO.parent / "shared" / "slides"
    return folder if folder.is_dir() else None


def shared(*folders):
    """Shared files in "" (those that open), "broken" and "unsupported"."""
    top = shared_folder()
    if top is None:
        return []
    files = [p for name in folders for p in sorted((top / name).iterdir())]
    return [p for p in files if p.is_file() and p.suffix != ".md"]


def make_slide(folder, name="made.tiff", width=3000, height=2000, seed=7):
    """A synthetic pyramid as "make-slide" of the build writes it."""
    path = pathlib.Path(folder) / name
    words = ["--width", str(width), "--height", str(height), "--seed", str(seed)]
    argv = [str(BUILD / "make-slide"), *words, str(path)]
    subprocess.run(argv, check=True, timeout=120, capture_output=True)
    return path


MADE = ["made.tiff", "odd.tiff", "tiny.tiff"]


def make_all(folder):
    """A synthetic slide, a pyramid of odd sides, and one smaller than a tile."""
    return [
        make_slide(folder, "made.tiff"),
        tiff.write_smooth(folder / "odd.tiff", 3, 1021, 517, 3, tile=64),
        tiff.write_smooth(folder / "tiny.tiff", 4, 40, 30, 1, tile=16),
    ]


def opens(path):
    try:
        openslide.OpenSlide(str(path)).close()
        return True
    except (openslide.OpenSlideError, OSError):
        return False
