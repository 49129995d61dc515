# SPDX-License-Identifier: MIT
"""Random coordinates and parameters, as fast as they come: nothing of them is stored, a
viewer beside them has every tile from the cache, and the workers' memory stays as it was.
"""

import json
import multiprocessing
import random
import time

import fcgi
import service
import tiff
from asking import Asking

LONG = service.LONG
REQUESTS, LONG_S = 20_000, 300
ASKERS = 2
WARM_UP = 2_000
GROWTH_KB = 1024
WIDTH, HEIGHT = 2000, 1500
API = "/api/v1/images/images"
REFUSED = {400, 404, 405, 414}
# Numbers of which random ones are made; none is a place in the slide by itself.
ODD = [-1, -2, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 63, (1 << 63) - 1, 1 << 64, 10**30]
TEXTS = [
    "", "x", "0x1", "1e3", "1.5", "nan", "NaN", "inf", "%31%00", "1,2", "true", "--1", "1_",
    "{}", "[1]",
]
FORMATS = ["gif", "webp", "JPEG", "png.jpeg", "jpeg2", "", "%00", "jp%65g2", "tiff"]
LEVELS = (max(WIDTH, HEIGHT) - 1).bit_length() + 1
TILE = 254


def tiles_of(level):
    """Columns and rows."""
    scale = 2 ** (LEVELS - 1 - level)
    return tuple(-(-max(-(-side // scale), 1) // TILE) for side in (WIDTH, HEIGHT))


def outside(pick):
    """A tile that there is not."""
    level = pick.randrange(LEVELS)
    cols, rows = tiles_of(level)
    col, row = pick.randrange(cols + 1), pick.randrange(rows + 1)
    kind = pick.randrange(5)
    if kind == 0:
        level = pick.choice((LEVELS, LEVELS + pick.randrange(1 << 20), pick.choice(ODD)))
    elif kind == 1:
        col = cols + pick.randrange(1 << pick.randrange(1, 40))
    elif kind == 2:
        row = rows + pick.randrange(1 << pick.randrange(1, 40))
    elif kind == 3:
        col, row = pick.choice(ODD), pick.choice((row, pick.choice(ODD)))
    else:
        level = pick.choice(TEXTS)
    return level, col, row


def hostile_target(pick, image):
    """Never an address of something that there is."""
    level, col, row = outside(pick)
    kind = pick.randrange(10)
    if kind < 5:
        fmt = pick.choice(("png", "jpeg"))
        return f"/images/image/{image}/1/1/tile_files/{level}/{col}_{row}.{fmt}"
    if kind == 5:
        return f"/images/image/{image}/1/1/tile_files/9/0_0.{pick.choice(FORMATS)}"
    if kind == 6:
        planes = [(z, f) for z in (0, 1, 2, 99) for f in (0, 1, 2, 99) if (z, f) != (1, 1)]
        z, frame = pick.choice([*planes, (pick.choice(ODD), 1), (1, pick.choice(TEXTS[1:]))])
        return f"/images/image/{image}/{z}/{frame}/tile_files/9/0_0.jpeg"
    if kind == 7:
        unknown = pick.choice((image + 1 + pick.randrange(1 << 40), pick.choice(ODD)))
        return pick.choice((f"{API}/{unknown}/thumbnail/", f"/images/image/{unknown}/1/1/tile/"))
    values = {"x": 0, "y": 0, "level": 0, "width": 64, "height": 64}
    bad = [*ODD, *TEXTS]
    values[pick.choice(("width", "height"))] = pick.choice([0, 2049, 10**9, *bad])
    for name in values:
        if not pick.randrange(3):
            values[name] = pick.choice(bad)
    query = "&".join(f"{k}={v}" for k, v in values.items())
    return f"{API}/{image}/get_patch/?{query}"


def same_tile(pick, address):
    """An address of a tile that is cached, with parameters that mean nothing."""
    level, col, row, fmt = address
    pairs = (f"{pick.choice('abcxyvq')}={pick.randrange(1 << 30)}" for _ in range(3))
    return f"{level}/{col}_{row}.{fmt}?{'&'.join(pairs)}"


def ask_on(socket, image, seed, count, seconds):
    """In a process of its own; what went wrong, and how many were asked."""
    client, pick, wrong, n = fcgi.Client(socket, 30 * service.SLOW), random.Random(seed), [], 0
    end = time.monotonic() + seconds
    while (n < count or time.monotonic() < end) and len(wrong) < 5:
        target = hostile_target(pick, image)
        n += 1
        try:
            reply = client.get(target)
        except fcgi.Gone as e:
            wrong.append((target, str(e)))
            continue
        if reply.status not in REFUSED or set(json.loads(reply.body)) != {"detail"}:
            wrong.append((target, reply.status, reply.body[:200]))
    return wrong, n


def ask_all(live, image, count, seconds=0, seed=0):
    """By some processes at once; how many were asked."""
    with multiprocessing.get_context("spawn").Pool(ASKERS) as pool:
        share = count // ASKERS
        jobs = [(live.socket, image, f"{seed}/{n}", share, seconds) for n in range(ASKERS)]
        results = pool.starmap(ask_on, jobs)
    all_wrong = [w for wrong, _ in results for w in wrong]
    assert not all_wrong, all_wrong[:5]
    return sum(n for _, n in results)


def kept(live):
    """Entries, bytes and stores by cache."""
    caches = live.ctl_json("stats")["caches"]
    numbers = ("entries", "bytes", "stores", "evictions")
    return {name: [cache[n] for n in numbers] for name, cache in caches.items()}


def anonymous_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        [line] = [line for line in f if line.startswith("RssAnon:")]
    return int(line.split()[1])


def settled_kb(live):
    """By worker, when it does not grow any more."""
    last = {}

    def is_settled():
        nonlocal last
        before, last = last, {pid: anonymous_kb(pid) for pid in live.worker_pids()}
        return last if before == last else None

    return service.wait_for(is_settled, "memory settles", 20)


def trace_of(live, image):
    """A viewer's tiles, from the whole slide down to a corner: address -> bytes."""
    addresses = [(level, 0, 0, "jpeg") for level in range(LEVELS)]
    addresses += [(10, c, r, "jpeg") for c in range(4) for r in range(3)]
    return {a: live.tile(image, *a[:3], fmt=a[3]).body for a in addresses}


class Viewer(Asking):
    """Good is a tile with the right bytes that was in the cache; now and then with a query."""

    def __init__(self, live, image, right):
        self.live, self.image, self.pick = live, image, random.Random(5)
        super().__init__(None, right, 1, 0.002)

    def look(self, address):
        level, col, row, fmt = address
        name = f"{level}/{col}_{row}.{fmt}"
        if not self.pick.randrange(4):
            name = same_tile(self.pick, address)
        try:
            reply = self.live.fcgi.get(f"/images/image/{self.image}/1/1/tile_files/{name}")
        except fcgi.Gone:
            return "lost"
        if reply.status != 200 or reply.body != self.right[address]:
            return "wrong"
        return "good" if reply.x_cache == "HIT" else reply.x_cache


def test_random_coordinates(tmp_path):
    file = tiff.write_noise(tmp_path / "s.tiff", 1, WIDTH, HEIGHT, 2)
    config = {"workers": 2, "log": {"level": "error"}, "slides": {"scan_interval_s": 0}}
    with service.Service(config, [file]) as live:
        image = live.image_id("s.tiff")
        right = trace_of(live, image)
        ask_all(live, image, WARM_UP)
        pids, before, memory = sorted(live.worker_pids()), kept(live), settled_kb(live)
        begun = time.monotonic()
        with Viewer(live, image, right) as viewer:
            asked = ask_all(live, image, REQUESTS, LONG_S if LONG else 0, seed=1)
            viewer.wait_good(20)
        took = time.monotonic() - begun
        assert sorted(live.worker_pids()) == pids
        assert kept(live) == before
        answers = viewer.all()
        growth = {pid: kb - memory[pid] for pid, kb in settled_kb(live).items()}
        hits = len(answers) - len(viewer.faults())
        print(f"\n{asked} requests in {took:.1f} s ({asked / took * 60:.0f} a minute), "
              f"a viewer's {len(answers)} tiles {hits} hits, growth {growth} kB")
        assert not viewer.faults(), viewer.faults()[:5]
        if service.SLOW == 1:
            assert max(growth.values()) <= GROWTH_KB
        assert live.counter("worker_deaths") == 0
