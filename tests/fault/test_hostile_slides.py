# SPDX-License-Identifier: MIT
"""Slides that are hostile, broken, cut or changed at random, served by a real service: each
request is answered in time, workers stay within their memory, and another slide's tiles
are right all along. Who crashes or hangs its worker twice is shut out.
"""

import contextlib
import itertools
import json
import os
import re
import threading
import time

import pytest

import fcgi
import hostile
import service
import slides
import tiff
from asking import Asking

LONG = service.LONG
WORKERS, FEEDERS, SLOTS = 4, 3, 6
CEILING_MB = 512
SHARED_MB = 64  # of files and of what processes share, which the ceiling does not count
DEADLINE_S = 8 * service.SLOW
ANSWER_S = 10 * service.SLOW
MUTATIONS = 10_000 if LONG else 200
CUTS = range(1, 100) if LONG else range(1, 100, 14)
SAMPLE_MAX = 8 << 20  # bytes of a sample that is cut
DEAR = {"webp-20000x20000-one-level.tif"}  # 400 million pixels for one thumbnail
LEVELS_MAX = 33
NULL = {name: {"backend": "null"} for name in ("default", "tiles_cache")}
IMAGES = "/api/v1/images/images/{}"
TILES = "/images/image/{}/1/1/tile_files/{}/0_0.jpeg"
DOCUMENT = "/images/image/{}/1/1/tile/"
REFUSALS = {404, 422, 503}
SIZE = re.compile(rb'Width="(\d+)" Height="(\d+)"')
# A crash inside a library, as AddressSanitizer tells it: the quarantine's matter.
THEIRS = re.compile(
    r"(?:(?!#0 ).)*#0 [^\n]*(?:\n\s*#[12] [^\n]*){0,2}lib(?:openslide|tiff|jpeg|openjp2|glib)", re.S
)


class Watch:
    """Every tenth of a second: that there are workers, and the most memory one had."""

    def __init__(self, live):
        self.live, self.peak_mb, self.empty = live, 0, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def run(self):
        while not self.over.wait(0.1):
            pids = self.live.worker_pids()
            self.empty += not pids
            self.peak_mb = max([self.peak_mb, *map(peak_mb, pids)])


def peak_mb(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as f:
        for line in f:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    return 0


class Hostile:
    """A service with places for hostile files beside a good one."""

    def __init__(self, live, good):
        self.live = live
        self.slots = {f"slot{n}.svs": live.image_id(f"slot{n}.svs") for n in range(SLOTS)}
        image = live.image_id(good)
        addresses = ((9, 0, 0), (9, 1, 1), (8, 0, 0), (4, 0, 0))
        self.right = {a: live.tile(image, *a).body for a in addresses}
        self.others = Asking(lambda a: live.tile(image, *a), self.right, 1, 0.01 * service.SLOW)
        self.watch = Watch(live)
        self.slowest, self.statuses, self.lost = 0.0, {}, 0

    def ask(self, target):
        """The reply, or None when the worker died of it or was killed at its deadline."""
        begun = time.monotonic()
        try:
            reply = self.live.fcgi.get(target)
        except fcgi.Gone:
            reply, self.lost = None, self.lost + 1
        took = time.monotonic() - begun
        self.slowest = max(self.slowest, took)
        assert took < ANSWER_S, f"{target}: {took:.1f} s"
        status = reply.status if reply else 0
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status > 200:
            check_refusal(self.live, target, reply)
        return reply

    def ask_all(self, image):
        """Everything that a slide has; returns the replies."""
        document = self.ask(DOCUMENT.format(image))
        found = SIZE.search(document.body) if document and document.status == 200 else None
        top = (max(int(n) for n in found.groups()) - 1).bit_length() if found else LEVELS_MAX
        patch = "/get_patch/?x=0&y=0&level=0&width=64&height=64"
        ends = ("/slide_information/", "/thumbnail/", patch)
        targets = [IMAGES.format(image) + end for end in ends]
        targets += [TILES.format(image, level) for level in sorted({0, top // 2, top})]
        return [document, *map(self.ask, targets)]

    def serve(self, items):
        """items: (name, bytes). As many at a time as there are feeders."""
        queue, lock, failed = iter(items), threading.Lock(), []

        def feed(names):
            slots = itertools.cycle(names)
            try:
                while not failed:
                    with lock:
                        item = next(queue, None)
                    if item is None:
                        return
                    slot = next(slots)
                    self.put(slot, item[1])
                    self.ask_all(self.slots[slot])
            except BaseException as e:
                failed.append((item, e))

        names = list(self.slots)
        threads = [threading.Thread(target=feed, args=(names[n::FEEDERS],)) for n in range(FEEDERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed, failed[0]

    def put(self, name, data):
        incoming = self.live.dir / f"incoming-{name}"
        incoming.write_bytes(data)
        os.rename(incoming, self.live.root / name)

    def check(self, name):
        live = self.live
        service.wait_for(lambda: live.counter("worker_deaths") >= self.lost, "deaths are counted")
        deaths = live.counter("worker_deaths")
        print(f"\n{name}: {self.statuses}, slowest {self.slowest:.2f} s, {deaths} workers died, "
              f"peak {self.watch.peak_mb} MB, {len(self.others.all())} other tiles")
        assert not self.others.faults(), self.others.faults()[:3]
        assert len(self.others.all()) > 0
        assert self.watch.empty == 0, "there was no worker"
        service.wait_for(lambda: len(live.worker_pids()) == WORKERS, "a full pool", 10)
        if service.SLOW == 1:
            assert self.watch.peak_mb <= CEILING_MB + SHARED_MB
        assert deaths == self.lost, (deaths, self.lost)


def check_refusal(live, target, reply):
    assert reply.status in REFUSALS, (target, reply)
    body = json.loads(reply.body)
    assert set(body) == {"detail"} and len(body["detail"]) > 8, (target, reply)
    assert str(live.dir) not in reply.body.decode() and "/proc" not in body["detail"], reply


def new_service(**config):
    """No cache: every request is for the slide."""
    live = service.Service({"caches": NULL, "log": {"level": "error"}, **config})
    live.expect_deaths()
    live.unheard += (THEIRS,)
    return live


@contextlib.contextmanager
def serving(name):
    live = new_service(
        workers=WORKERS,
        request_timeout_s=DEADLINE_S,
        max_mem_mb_per_worker=CEILING_MB,
        slides={"scan_interval_s": 0},
    )
    tiff.write_noise(live.root / "good.tiff", 1, 500, 400)
    for n in range(SLOTS):
        tiff.write_noise(live.root / f"slot{n}.svs", 2 + n, 64, 64)
    with live:
        it = Hostile(live, "good.tiff")
        with it.watch, it.others:
            yield it
            it.others.wait_good(3)
        it.check(name)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Ten small slides."""
    return [p.read_bytes() for p in hostile.small_samples(tmp_path_factory.mktemp("small"))]


def vendor_samples(folder):
    """make-slide's, and the shared ones that open."""
    files = [slides.make_slide(folder, "made.tiff", 1500, 1100), *slides.shared("")]
    return [p for p in files if p.stat().st_size <= SAMPLE_MAX]


def add_all(live, names):
    live.ctl("images", "scan")
    known = live.images()
    for name in names:
        if name not in known:
            live.ctl("images", "add", name)
    return {name: im["id"] for name, im in live.images().items()}


def test_bombs():
    """Each is refused, or served, for what it says of itself; no worker dies of any."""
    with serving("bombs") as it:
        hostile.write_bombs(it.live.root)
        ids = add_all(it.live, [name for name, _, _ in hostile.BOMBS])
        for name, _, wanted in hostile.BOMBS:
            if wanted == hostile.DEAR:
                continue
            replies = it.ask_all(ids[name])
            statuses = [r and r.status for r in replies]
            assert None not in statuses, name
            if wanted == hostile.SERVED:
                assert set(statuses) == {200}, (name, statuses)
            if wanted == hostile.REFUSED:  # documents may need no pixels
                assert set(statuses[2:]) <= {422, 404} and 422 in statuses, (name, statuses)
        assert it.lost == 0


@pytest.mark.long
def test_good_files_that_are_dear():
    """Each request is answered or its worker killed in time; who costs two is shut out."""
    with serving("dear") as it:
        hostile.write_bombs(it.live.root)
        dear = {name for name, _, wanted in hostile.BOMBS if wanted == hostile.DEAR}
        for file in slides.shared("broken"):
            if file.name in DEAR:
                it.live.add_file(file)
                dear.add(file.name)
        ids = add_all(it.live, sorted(dear))
        for name in dear:
            it.ask_all(ids[name])
        assert it.lost <= 2 * len(dear)


@pytest.mark.parametrize("name", ["tile-40000.tiff", "tile-16384.tiff"])
def test_a_bomb_costs_nothing(name):
    """Not a hundredth of what it would decode to."""
    live = new_service(workers=1)
    [write] = [writer for bomb, writer, _ in hostile.BOMBS if bomb == name]
    size = write(live.root / name).stat().st_size
    assert size < 13_000
    with live:
        image = live.image_id(name)
        [pid] = live.worker_pids()
        before = peak_mb(pid)
        begun = time.monotonic()
        reply = live.fcgi.get(TILES.format(image, 12))
        took_ms = (time.monotonic() - begun) * 1000
        assert reply.status == 422 and "over the limit" in reply.body.decode(), reply
        assert live.worker_pids() == [pid]
        peak = peak_mb(pid)
        print(f"\n{name}: {size} bytes, {took_ms:.1f} ms, peak {before} -> {peak} MB")
        if service.SLOW == 1:
            assert peak <= 64


def test_broken_and_cut_files(tmp_path):
    """All shared broken and unsupported files, and samples cut at every percent."""
    broken = [p for p in slides.shared("broken", "unsupported") if p.name not in DEAR]
    with serving("broken and cut") as it:
        it.serve((p.name, p.read_bytes()) for p in broken if p.stat().st_size <= SAMPLE_MAX)
        for path in [*vendor_samples(tmp_path), *hostile.small_samples(tmp_path)]:
            data = path.read_bytes()
            it.serve((f"{path.name} {n} %", data[: len(data) * n // 100]) for n in CUTS)


def test_mutations(samples, tmp_path):
    small = [p.read_bytes() for p in vendor_samples(tmp_path) if p.stat().st_size < 100_000]
    mutator = hostile.Mutator(samples + small)
    with serving("mutations") as it:
        it.serve((str(n), mutator.mutate(n)) for n in range(MUTATIONS))


def test_the_mutator_repeats_itself(samples):
    first, again, other = (hostile.Mutator(samples, seed) for seed in (1, 1, 2))
    made = [first.mutate(n) for n in range(60)]
    assert made == [again.mutate(n) for n in range(60)]
    assert made != [other.mutate(n) for n in range(60)]
    assert sum(m not in samples for m in made) > 50


def test_who_hangs_twice_is_shut_out():
    """A database whose look-up never ends: two workers are lost to it, no third."""
    live = new_service(workers=2, request_timeout_s=1)
    tiff.write_noise(live.root / "endless.svslide", 1, 64, 64)
    tiff.write_noise(live.root / "good.tiff", 2, 500, 400)
    with live:
        image, good = live.image_id("endless.svslide"), live.image_id("good.tiff")
        right = {(9, 0, 0): live.tile(good, 9).body}
        hostile.sakura(live.root / "endless.svslide", hostile.ENDLESS)
        with Asking(lambda a: live.tile(good, *a), right, 1, 0.05) as others:
            for strikes in (1, 2):
                with pytest.raises(fcgi.Gone):
                    live.fcgi.get(DOCUMENT.format(image))
                service.wait_for(lambda n=strikes: live.counter("strikes") == n, "a strike", 10)
            for target in (DOCUMENT, TILES.replace("/{}/0", "/9/0"), IMAGES + "/thumbnail/"):
                reply = live.fcgi.get(target.format(image))
                assert reply.status == 503 and b"quarantine" in reply.body, reply
            others.wait_good(3)
            assert not others.faults()
        assert live.counter("worker_deaths") == 2


POISON = (
    b'Aperio <script>alert(1)</script>\r\n"}],"x":[{|a" : "b = \xff\xfe\xc3\x28\xed\xa0\x80|'
    b"\x01\x1b[2J = \r\n|MPP = NaN|AppMag = 1e999|<!--|]]> = &lt;"
)


PIECES = (b"<script", b"alert", b"\x1b", b"NaN", b"1e999", b"<!--", b"]]>", b"\xff\xfe")


def test_what_a_slide_says_of_itself_is_not_repeated():
    """Properties are text from the file: none of it reaches an answer."""
    live = new_service(workers=1)
    hostile.one({270: hostile.text(POISON)}).write(live.root / "poison.svs")
    with live:
        image = live.image_id("poison.svs")
        for target in (DOCUMENT, IMAGES + "/slide_information/", IMAGES + "/"):
            reply = live.fcgi.get(target.format(image))
            assert reply.status == 200, reply
            for piece in PIECES:
                assert piece not in reply.raw, (piece, reply)
        assert live.fcgi.get(TILES.format(image, 9)).status == 200
        info = json.loads(live.fcgi.get(IMAGES.format(image) + "/").body)
        assert "x" not in info and all(isinstance(k, str) for k in info)
        said = live.dir / "slidecached.log"
        assert b"\x1b" not in said.read_bytes()
