# SPDX-License-Identifier: MIT
"""kill -9 at any moment, and damaged stores: the service goes on, or starts, and every
byte that it serves is right.
"""

import os
import pathlib
import random
import signal
import time

import pytest

import fcgi
import service
import tiff
from clients import Crowd

WORKERS = 8
SECONDS = 30 if service.LONG else 4
KILL_PAUSE_S = 0.25  # so few that the brake for crash loops stays open
READERS = 4
LEVEL, COLS, ROWS = 11, 7, 5


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tiff.write_noise(tmp_path_factory.mktemp("s") / "s.tiff", 1, 1700, 1100)


ADDRESSES = [
    (LEVEL, col, row, fmt) for col in range(COLS) for row in range(ROWS) for fmt in ("png", "jpeg")
]


@pytest.fixture(scope="module")
def reference(file):
    """The right bytes of every tile: rendered without any cache, undisturbed."""
    null = {"caches": {name: {"backend": "null"} for name in ("default", "tiles_cache")}}
    with service.Service(null, files=[file]) as live:
        image = live.image_id("s.tiff")
        return {a: live.tile(image, *a[:3], fmt=a[3]).body for a in ADDRESSES}


def check_all(live, image, reference):
    for address, right in reference.items():
        reply = live.tile(image, *address[:3], fmt=address[3])
        assert reply.status == 200, (address, reply)
        assert reply.body == right, f"wrong bytes of {address}"


def check_hits(live, image, reference):
    """The store takes entries and gives them back."""
    check_all(live, image, reference)
    for address, right in reference.items():
        reply = live.tile(image, *address[:3], fmt=address[3])
        assert (reply.x_cache, reply.body) == ("HIT", right), address


class Load(Crowd):
    """Readers that compare each answer, and count those that got none."""

    def __init__(self, live, image, reference):
        self.live, self.image, self.reference = live, image, reference
        self.lost = self.answers = 0
        self.wrong = []
        super().__init__(self.read, range(READERS))

    def read(self, seed):
        pick = random.Random(seed)
        while not self.over.is_set():
            address = pick.choice(ADDRESSES)
            try:
                reply = self.live.tile(self.image, *address[:3], fmt=address[3])
            except fcgi.Gone:
                with self.lock:
                    self.lost += 1
                continue
            with self.lock:
                self.answers += 1
                if reply.status != 200 or reply.body != self.reference[address]:
                    self.wrong.append((address, reply.status, reply.x_cache))


def kill_one(live, pick):
    """SIGKILL to a random process of the pool; whether there was one."""
    workers = live.worker_pids()
    if not workers:
        return 0
    try:
        os.kill(pick.choice(workers), signal.SIGKILL)
        return 1
    except ProcessLookupError:
        return 0


def test_workers_are_killed_during_writes(file, reference):
    pick, kills = random.Random(1), 0
    with service.Service({"workers": WORKERS}, files=[file]) as live:
        image = live.image_id("s.tiff")
        with Load(live, image, reference) as load:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                live.ctl("invalidate", "tiles")
                kills += kill_one(live, pick)
                load.over.wait(KILL_PAUSE_S)
                assert not load.wrong, load.wrong[:5]
        assert not load.wrong, load.wrong[:5]
        assert kills >= SECONDS, "hardly a kill"
        assert load.answers > 10 * SECONDS, "hardly an answer"
        assert load.lost <= kills, f"{load.lost} requests lost by {kills} kills"
        service.wait_for(lambda: len(live.worker_pids()) >= WORKERS, "a full pool", 5)
        check_hits(live, image, reference)
        assert live.counter("worker_deaths") >= kills // 2
        live.restart()
        check_hits(live, image, reference)


def test_everything_is_killed_at_once(file, reference):
    """Master and workers; the next start finds stores that open and hold right bytes."""
    pick = random.Random(2)
    with service.Service(files=[file]) as live:
        image = live.image_id("s.tiff")
        for _ in range(4):
            with Load(live, image, reference) as load:
                live.ctl("invalidate", "tiles")
                load.over.wait(pick.uniform(0.05, 0.4))
                workers = live.worker_pids()
                session = live.kill_master()
                for pid in workers:
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            assert not load.wrong, load.wrong[:5]
            service.wait_for(lambda s=session: not service.session_pids(s), "all are dead")
            live.start()
            check_hits(live, image, reference)


def test_master_is_killed(file, reference):
    """Its workers do not outlive it, and a new master starts over the old socket."""
    with service.Service(files=[file]) as live:
        image = live.image_id("s.tiff")
        check_all(live, image, reference)
        before = live.ctl("versions")
        session = live.kill_master()
        service.wait_for(lambda: not service.session_pids(session), "orphans end", 10)
        live.start()
        assert live.ctl("versions") == before
        check_hits(live, image, reference)


def test_second_start_does_not_take_the_socket(file):
    with service.Service(files=[file]) as live:
        argv = [service.BUILD / "slidecached", "--config", live.config_file]
        second = service.Program(argv, live.dir / "second.log", live.env)
        service.wait_for(lambda: second.exit_code() is not None, "the second one ends")
        second.destroy()
        assert second.exit_code() != 0, second.output()
        assert live.is_ready()


# Stores that are damaged while nobody runs.


PAGE = 4096
REACH = 16 << 20  # bytes from the start that are damaged; a store's file may be sparse


def overwrite(path, at, seed):
    """Random bytes from at on."""
    size = min(path.stat().st_size, REACH) - at
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(random.Random(seed).randbytes(max(0, size)))


def garble(path):
    overwrite(path, 0, 3)


def garble_all_but_meta(path):
    """What the head promises is not there."""
    overwrite(path, 4 * PAGE, 5)


def garble_meta(path):
    with open(path, "r+b") as f:
        f.write(random.Random(4).randbytes(2 * PAGE))


def flip_bits(path):
    pick, size = random.Random(6), min(path.stat().st_size, REACH)
    with open(path, "r+b") as f:
        for _ in range(200):
            at = pick.randrange(2 * PAGE, size)
            f.seek(at)
            byte = f.read(1)[0] ^ 1 << pick.randrange(8)
            f.seek(at)
            f.write(bytes([byte]))


def cut_in_half(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    os.truncate(path, 0)


DAMAGES = [
    garble,
    garble_meta,
    garble_all_but_meta,
    flip_bits,
    cut_in_half,
    empty,
]


def data_files(folder):
    """The files of a store that hold data, not locks."""
    files = [p for p in pathlib.Path(folder).rglob("*") if p.is_file()]
    return [p for p in files if p.stat().st_size >= 4 * PAGE and "lock" not in p.name]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
def test_damaged_cache(file, reference, damage):
    with service.Service(files=[file]) as live:
        image = live.image_id("s.tiff")
        check_all(live, image, reference)
        live.fcgi.get(f"/images/image/{image}/1/1/tile/")
        live.stop()
        stores = data_files(live.dir / "cache")
        assert stores, "no store was found to damage"
        for store in stores:
            damage(store)
        live.start()
        check_all(live, image, reference)
        check_hits(live, image, reference)


def passes(live, image, reference):
    """Whether a round over all tiles is answered without a lost request, all from the store.
    Wrong bytes fail at once."""
    hits = 0
    for address, right in reference.items():
        try:
            reply = live.tile(image, *address[:3], fmt=address[3])
        except fcgi.Gone:
            return False
        assert reply.status != 200 or reply.body == right, f"wrong bytes of {address}"
        hits += reply.x_cache == "HIT"
    return hits == len(reference)


@pytest.mark.parametrize("name", ["data.mdb", "touch"])
@pytest.mark.parametrize(
    "damage", [garble, garble_all_but_meta, flip_bits, cut_in_half], ids=lambda d: d.__name__
)
def test_cache_damaged_while_it_is_used(file, reference, damage, name):
    """Files that are mapped: a worker may die of it, which only costs its own request."""
    live = service.Service(files=[file])
    live.expect_deaths()
    with live:
        image = live.image_id("s.tiff")
        check_all(live, image, reference)
        damage(live.dir / "cache" / "tiles_cache" / name)
        service.wait_for(lambda: passes(live, image, reference), "a sound store", 60)


def test_workers_that_keep_dying_have_their_stores_checked(file, reference):
    pick = random.Random(2)
    with service.Service({"workers": 2}, files=[file]) as live:
        image = live.image_id("s.tiff")
        check_all(live, image, reference)

        def told():
            kill_one(live, pick)
            return "checking the stores" in live.log_tail(100_000)

        service.wait_for(told, "the brake", 30)
        service.wait_for(lambda: passes(live, image, reference), "full strength", 60)
