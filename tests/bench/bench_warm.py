# SPDX-License-Identifier: MIT
"""Warming a whole slide, all levels, beside others that make the same tiles: 254 pixels,
overlap 1, JPEG of quality 90 with 4:2:0 chroma.

vips dzsave uses all cores, as warming does; openslide-python one. Each is a process of its
own, measured from outside from its start to its end, and writes to an empty folder on one
and the same file system. CPU time is that of all its threads, user and system.
"""

import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import types

import slides
from report import add_row, paired, say
from service import BUILD

HERE = pathlib.Path(__file__).resolve().parent
CORES = len(os.sched_getaffinity(0))
MEMORY = pathlib.Path("/dev/shm")
ROOM = 4 << 30  # bytes that the folders of two ways need at most
LOOK_MS = 20  # between two looks at a process' memory
SLOW_RUNS = 3  # of what takes ten times as long

VIPS_OVER = 2.5  # times its tiles per CPU second
CORES_USED = 0.9


def folder_for_output():
    """Memory where there is enough of it: then a disk is no part of the figures."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        if shutil.disk_usage(MEMORY).free > ROOM:
            return MEMORY, "on tmpfs"
    return pathlib.Path(tempfile.gettempdir()), "on disk"


PLACE, WHERE = folder_for_output()


def memory_of(pid):
    """Bytes: resident at most so far, and of its own (no file's pages) now."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0, 0
    found = dict(re.findall(r"^(VmHWM|RssAnon):\s+(\d+) kB", text, re.M))
    return 1024 * int(found.get("VmHWM", 0)), 1024 * int(found.get("RssAnon", 0))


def watch(pid):
    """Waits for a child; returns its exit code, CPU seconds and the most memory seen."""
    ended = select.poll()
    handle = os.pidfd_open(pid)
    ended.register(handle, select.POLLIN)
    most = (0, 0)
    while not ended.poll(LOOK_MS):
        most = tuple(map(max, most, memory_of(pid)))
    os.close(handle)
    _, status, used = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, most


def run(argv, environment=None):
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        child = subprocess.Popen(
            [str(a) for a in argv],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
        child.returncode, cpu, (resident, own) = watch(child.pid)
        wall = time.monotonic() - start
        output.seek(0)
        said = output.read().decode()
    assert child.returncode == 0, f"{argv}: {child.returncode}\n{said}"
    return types.SimpleNamespace(wall=wall, cpu=cpu, resident=resident, own=own, said=said)


def warm(slide, blank):
    """blank: whether tiles of one colour are kept as references."""
    with tempfile.TemporaryDirectory(prefix="sb-", dir=PLACE) as folder:
        word = "true" if blank else "false"
        cost = run([BUILD / "bench" / "warm_all", slide, folder, word])
    tiles, stored = re.match(r"(\d+) tiles (\d+) bytes ", cost.said).groups()
    cost.tiles, cost.stored = int(tiles), int(stored)
    return cost


def into_files(argv, name, environment=None):
    """What writes its tiles below the folder that comes last; name is theirs."""
    with tempfile.TemporaryDirectory(prefix="sb-", dir=PLACE) as folder:
        cost = run([*argv[:-1], f"{folder}/{argv[-1]}"], environment)
        cost.tiles = sum(1 for _ in pathlib.Path(folder).rglob(name))
    return cost


def vips(slide):
    argv = ["vips", "dzsave", "--tile-size", 254, "--overlap", 1, "--depth", "onepixel"]
    # Left alone it keeps full chroma at this quality.
    argv += ["--suffix", ".jpg[Q=90,subsample_mode=on]", slide, "out"]
    return into_files(argv, "*.jpg", {"VIPS_CONCURRENCY": str(CORES)})


def python(slide):
    argv = [sys.executable, "-B", HERE / "peer_deepzoom.py", slide, ""]
    return into_files(argv, "*.jpeg")


def floor(slide):
    """Tiles a CPU second of the largest level: nothing but decoding and encoding, once."""
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        cost = run([BUILD / "bench" / "cold_tile", "floor", slide, folder])
    tiles, seconds = re.match(r"(\d+) tiles ([0-9.]+) s", cost.said).groups()
    return int(tiles) / float(seconds)


# What is compared.


def each(costs, figure):
    return [figure(cost) for cost in costs]


def per_cpu_s(cost):
    return cost.tiles / cost.cpu


def per_s(cost):
    return cost.tiles / cost.wall


def add_memory(what, own, peer):
    for name, figure in (("resident", "resident"), ("of its own", "own")):
        mb = [[getattr(cost, figure) / 1e6 for cost in costs] for costs in (own, peer)]
        add_row(f"{what}, memory {name}", "MB", mb[0], "vips dzsave", mb[1], None, False)


def beside_vips(slide, what, runs):
    """In one go, so that references and none stand beside the same vips."""
    own, plain, peer, floors = paired(
        runs,
        lambda: warm(slide, True),
        lambda: warm(slide, False),
        lambda: vips(slide),
        lambda: floor(slide),
    )
    counts = {cost.tiles for cost in (*own, *plain, *peer)}
    assert len(counts) == 1, f"{slide.name}: not the same tiles: {counts}"
    what += f", {counts.pop()} tiles"
    with_cpu, without, theirs = (each(costs, per_cpu_s) for costs in (own, plain, peer))
    unit, name = "tiles/CPU s", "vips dzsave"
    add_row(what, unit, with_cpu, name, theirs, VIPS_OVER)
    add_row(f"{what}, no references", unit, without, name, theirs, VIPS_OVER)
    add_row(f"{what}, no references", unit, without, "libjpeg-turbo alone", floors)
    add_row(what, "tiles/s", each(own, per_s), name, each(peer, per_s))
    busy = [cost.cpu / cost.wall for cost in plain]
    add_row(f"{what}, no references", "cores", busy, "there are", [CORES] * runs, CORES_USED)
    stored = [[cost.stored / 1e6 for cost in costs] for costs in (own, plain)]
    add_row(f"{what}, stored", "MB", stored[0], "no references", stored[1], None, False)
    add_memory(what, own, peer)


def beside_python(slide, what, runs):
    own, peer = paired(min(runs, SLOW_RUNS), lambda: warm(slide, True), lambda: python(slide))
    assert {cost.tiles for cost in own} == {cost.tiles for cost in peer}, slide.name
    name = "openslide-python"
    add_row(what, "tiles/CPU s", each(own, per_cpu_s), name, each(peer, per_cpu_s))
    add_row(what, "tiles/s", each(own, per_s), f"{name}, 1 thread", each(peer, per_s))


def bench_slide(slide, options):
    say(f"warming {slide.name}, {WHERE} ...")
    what = f"warm {slide.name} {WHERE}"
    beside_vips(slide, what, options.runs)
    beside_python(slide, what, options.runs)


def make(path, vendor, sides):
    argv = [BUILD / "make-slide", "--width", sides[0], "--height", sides[1]]
    run([*argv, "--seed", 2, "--vendor", vendor, path])
    return path


def make_plain(path, tissue, sides):
    """tissue in the middle of glass of one colour, as scanners write what they left out."""
    (x, y), (width, height) = ([side // 4 for side in sides], sides)
    options = "tile,pyramid,compression=jpeg,Q=80,tile-width=256,tile-height=256"
    run(["vips", "embed", tissue, f"{path}[{options}]", x, y, width, height, "--extend", "white"])
    return path


def made_slides(folder, sides):
    """vips reads the .svs with OpenSlide, the others with libtiff. The glass of the first two
    is not of one colour."""
    yield make(folder / "made.svs", "aperio", sides)
    yield make(folder / "made.tiff", "generic", sides)
    tissue = make(folder / "tissue.tiff", "generic", [side // 2 for side in sides])
    yield make_plain(folder / "plain.tiff", tissue, sides)


def bench_warm(options):
    sides = (8192, 6144) if options.quick else (16384, 12288)
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        for slide in made_slides(pathlib.Path(folder), sides):
            bench_slide(slide, options)
    for slide in slides.shared(""):
        if slide.name == "CMU-1-Small-Region.svs":
            bench_slide(slide, options)
