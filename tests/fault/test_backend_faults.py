# SPDX-License-Identifier: MIT
"""The fault matrix: everything that a cache server can do wrong (faults.py), against
everything that is asked of the service meanwhile.

One service with one worker stands before a relay, and that before a real server. Another
one without any cache says which bytes are right, and how long rendering takes at that
moment. What was seen is a table, one line a fault and operation: asserted here, and
written to BUILD/faults-SERVER.txt.
"""

import contextlib
import dataclasses
import json
import pathlib
import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import faults
import relay
import servers
import service
import tiff

LONG = 10 if service.LONG else 1
ROWS = [*range(9), *range(12, 19)]  # of tiles that are asked for once
LEVEL = 11  # of tiles so small that what a fault costs shows
RECOVERY_S = 2
SLOW_MS = 80  # over rendering: it waited for a server
SILENT_S = 2
MEDIAN_MS = 20  # over twice that of rendering: noisy machines, no waiting
PEAK_MIB = 256
LOG_LINES = 12  # during one fault
QUIET_S = 10  # a server that comes and goes has no further line for so long
FILLER = b"f" * 12500  # as large as an entry
CONFIG = {
    "workers": 1,
    "deepzoom": {"tile_size": 62, "overlap": 1, "png_compression": 0},
    "slides": {"scan_interval_s": 0},
    "log": {"level": "warning"},
}


def tile_target(col, row):
    return f"/images/image/1/1/1/tile_files/{LEVEL}/{col}_{row}.png"


HIT, OTHER = tile_target(10, 10), tile_target(10, 11)
THUMBNAIL = "/api/v1/images/images/1/thumbnail/"
DZI = "/images/image/1/1/1/tile/"
STORED = (HIT, OTHER, THUMBNAIL, DZI)
FAULTS = {kind: make(HIT, OTHER) for kind, make in faults.KINDS.items()}


@dataclasses.dataclass
class Row:
    """One operation during one fault: how long rendering took without a cache, and what was
    added to that."""

    fault: str
    operation: str
    answers: str
    plain_ms: float = 0
    median_ms: float = 0
    slowest_ms: float = 0
    slow: int = 0

    HEAD = "fault                operation     plain   median  slowest  slow  answers"

    def __str__(self):
        times = f"{self.plain_ms:8.1f} {self.median_ms:8.1f} {self.slowest_ms:8.1f} {self.slow:5}"
        return f"{self.fault:20} {self.operation:10} {times}  {self.answers}"


class World:
    """Server, relay, service, and what was seen of them."""

    def __init__(self, stack, kind, versions_there, file):
        self.kind, self.versions_there = kind, versions_there
        self.server = stack.enter_context(servers.KINDS[kind]())
        self.wire = stack.enter_context(relay.Relay(self.server))
        versions = self.wire if versions_there else "embedded"
        self.live = self.begin(stack, file, servers.kept(self.wire, versions=versions))
        self.plain = self.begin(stack, file, servers.kept("null"))
        self.cold = (tile_target(c, r) for r in ROWS for c in range(26))
        self.right = {}  # target: body
        self.ended = set()  # tags of HIT under versions that were ended
        self.rows = []
        self.shown_at = float("-inf")  # when the log last had a line about a fault

    @staticmethod
    def begin(stack, file, config):
        live = stack.enter_context(service.Service({**config, **CONFIG}, files=[file]))
        assert live.image_id("s.tiff") == 1
        return live

    def table(self):
        return "\n".join([Row.HEAD, *map(str, self.rows)]) + "\n"

    def plain_ms(self, target):
        """How long it takes to render it, without any cache."""
        start = time.monotonic()
        reply = self.plain.fcgi.get(target)
        assert (reply.status, reply.x_cache) == (200, "BYPASS")
        self.right[target] = reply.body
        return (time.monotonic() - start) * 1000

    def get(self, target):
        """Right bytes, and never under a version that was ended: whatever happens."""
        if target not in self.right:
            self.plain_ms(target)
        reply = self.live.fcgi.get(target)
        assert reply.status == 200, (target, reply)
        assert reply.body == self.right[target], f"wrong bytes of {target}: {reply.x_cache}"
        stale = target == HIT and reply.headers.get("etag") in self.ended
        assert not stale, f"a version that was ended: {reply.x_cache}"
        return reply

    def measure(self, fault, operation, targets):
        """Each target once, beside the same request without a cache."""
        kinds, plain, added = {}, [], []
        for target in targets:
            fault.each(self)
            plain.append(self.plain_ms(target))
            start = time.monotonic()
            x_cache = self.get(target).x_cache
            added.append((time.monotonic() - start) * 1000 - plain[-1])
            kinds[x_cache] = kinds.get(x_cache, 0) + 1
        return self.note(
            Row(
                fault.name,
                operation,
                " ".join(f"{k}:{n}" for k, n in sorted(kinds.items())),
                statistics.median(plain),
                statistics.median(added),
                max(added),
                sum(ms >= SLOW_MS * service.SLOW for ms in added),
            )
        )

    def note(self, row):
        self.rows.append(row)
        print(row)
        return row

    # What a fault must leave alone.

    def workers(self):
        """Processes and their peak of memory in MiB: none died, none took a gigabyte."""
        pids = self.live.worker_pids()
        texts = [pathlib.Path(f"/proc/{pid}/status").read_text() for pid in pids]
        return pids, max(int(re.search(r"VmPeak:\s+(\d+)", t)[1]) >> 10 for t in texts)

    def log(self):
        return self.live.program.output()

    # What faults use.

    def is_warm(self):
        return all([self.get(target).x_cache == "HIT" for target in STORED])

    def wait_until_warm(self):
        start = time.monotonic()
        service.wait_for(self.is_warm, "hits", RECOVERY_S)
        return time.monotonic() - start

    def item(self, target):
        """The last part of the key of what is stored for it."""
        keys = list(service.find_key(self.live.ctl_json("explain", target), "key"))
        assert len(keys) == 1, keys
        return keys[0].rpartition(":")[2].encode()

    def fill(self):
        """Entries of others, so many that the server lets go of something or refuses."""
        with self.server.connect() as client:
            for n in range(100):
                key = f"other:{time.monotonic_ns()}:{n}"
                if self.kind == "redis":
                    client.command("SET", key, FILLER)
                else:
                    client.set(key, FILLER)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """worlds(kind, versions_there): made when it is first asked for."""
    file = tiff.write_noise(tmp_path_factory.mktemp("s") / "s.tiff", 1, 1600, 1200, levels=3)
    made = {}
    with contextlib.ExitStack() as stack:

        def get(*key):
            if key not in made:
                made[key] = World(stack, *key, file)
            return made[key]

        yield get
    for (kind, versions_there), world in made.items():
        name = f"faults-{kind}{'' if versions_there else '-cache-only'}.txt"
        (service.BUILD / name).write_text(world.table())


def cases(wanted):
    found = [(kind, f) for kind, faults in FAULTS.items() for f in faults if wanted(f)]
    ids = [f"{kind}-{f.name.replace(' ', '-')}" for kind, f in found]
    return pytest.mark.parametrize("kind, fault", found, ids=ids)


@contextlib.contextmanager
def while_it_lasts(world, fault):
    """From hits to hits again, within RECOVERY_S of the fault's end."""
    world.wait_until_warm()
    (pids, peak), logged, began = world.workers(), len(world.log()), time.monotonic()
    fault.begin(world)
    try:
        yield
    finally:
        fault.end(world)
    world.note(Row(fault.name, "recovery", "", slowest_ms=world.wait_until_warm() * 1000))
    pids_after, peak_after = world.workers()
    assert pids_after == pids, "a worker died"
    assert peak_after - peak < PEAK_MIB, f"{peak} MiB before, {peak_after} MiB now"
    check_log(world, fault, began, world.log()[logged:].splitlines())


def check_log(world, fault, began, lines):
    """A fault shows, unless another one just did, and does not flood. (That versions are
    out of reach is said once in a while only.)"""
    world.note(Row(fault.name, "log", f"{len(lines)} lines"))
    assert len(lines) <= LOG_LINES * LONG, "\n".join(lines)
    if fault.logged and not world.versions_there and began - world.shown_at > QUIET_S:
        assert lines
    if lines:
        world.shown_at = time.monotonic()


def expected(fault, operation):
    """What X-Cache may say."""
    if operation == "miss":
        return {"BYPASS"} if fault.x_cache == {"BYPASS"} else {"MISS", "BYPASS"}
    if operation != "hit" and fault.x_cache != {"BYPASS"}:
        return fault.x_cache | {"HIT"}  # a lie about one tile
    return fault.x_cache


def hits(world, fault):
    """Against a silent server for so long that several breaker periods pass."""
    seconds = SILENT_S * LONG if fault.silent and world.versions_there else 0
    end = time.monotonic() + seconds
    n = 0
    while n < 30 * LONG or time.monotonic() < end:
        yield HIT
        n += 1


def operations(world, fault):
    yield "hit", hits(world, fault)
    yield "miss", [next(world.cold) for _ in range(6)]
    yield "thumbnail", [THUMBNAIL] * 6 * LONG
    yield "dzi", [DZI] * 20 * LONG


def ask_once(world, fault):
    """Each operation; fails on what may not be seen. Returns how many waited, and whether
    most did."""
    slow, most = 0, False
    for operation, targets in operations(world, fault):
        row = world.measure(fault, operation, targets)
        kinds = {answer.partition(":")[0] for answer in row.answers.split()}
        assert kinds <= expected(fault, operation), row
        slow += row.slow
        most |= row.median_ms >= row.plain_ms + MEDIAN_MS * service.SLOW
    return slow, most


def ask_everything(world, fault):
    """The worker waits once. Another try is for machines that are busy: on them requests
    take long once, but they wait for the server each time if at all."""
    for may_wait in (1, 0, 0):
        slow, most = ask_once(world, fault)
        if slow <= may_wait and not most:
            return
    raise AssertionError(f"{slow} waited:\n{world.table()}")


def check_stats(world, fault, done):
    """They end, and say what is known."""
    world.note(Row(fault.name, "stats", f"exit {done.returncode}"))
    assert done.returncode == 0, done
    caches = json.loads(done.stdout)["caches"]
    assert caches["tiles_cache"]["hits"] > 0 and caches["tiles_cache"]["backend"] == world.kind


def check_invalidation(world, fault, done, acked):
    """It took effect, or failed with a sentence."""
    said = done.stderr.strip().rpartition("\n")[2]
    world.note(Row(fault.name, "invalidate", f"exit {done.returncode} {said}"))
    assert done.returncode in (0, 1), done
    assert (done.returncode == 0) != bool(done.stderr.strip()), done
    assert acked is None or acked == (done.returncode == 0), done


class Commands:
    """"invalidate" and "stats" at once, to save time."""

    def __init__(self, world, pool):
        self.world = world
        self.stats = pool.submit(world.live.run_ctl, "--json", "stats")
        self.invalidate = pool.submit(world.live.run_ctl, "invalidate", "tiles")

    def check(self, fault, acked):
        check_stats(self.world, fault, self.stats.result())
        done = self.invalidate.result()
        check_invalidation(self.world, fault, done, acked)
        return done.returncode == 0


def everything(world, fault, acked):
    """Requests, then the commands. Against a silent server these take their time: there
    they begin first. Returns whether versions were ended, and tags seen under them."""
    with ThreadPoolExecutor(2) as pool:
        if fault.silent:
            commands, tags = Commands(world, pool), set()
            ask_everything(world, fault)
        else:
            ask_everything(world, fault)
            tags = {world.get(HIT).headers.get("etag") for _ in range(2)} - {None}
            commands = Commands(world, pool)
        return commands.check(fault, acked), tags


@cases(lambda fault: True)
def test_fault(worlds, kind, fault):
    """Versions are kept by the same server."""
    world = worlds(kind, True)
    world.wait_until_warm()
    before = {world.get(HIT).headers["etag"]}
    with while_it_lasts(world, fault):
        if fault.forgets:
            world.ended |= before
        acked, tags = everything(world, fault, fault.acked)
        if acked:
            world.ended |= before | tags
        for _ in range(3):
            world.get(HIT)
    if acked:
        assert world.get(HIT).headers["etag"] not in before


@cases(lambda fault: fault.counter)
def test_fault_of_a_cache(worlds, kind, fault):
    """Versions are safe: an invalidation always succeeds. Each fault shows in its counter."""
    world = worlds(kind, False)
    world.wait_until_warm()
    before = {world.get(HIT).headers["etag"]}
    # Before it begins: the worker may find out by itself, between two requests.
    counted = world.live.counter(fault.counter)
    with while_it_lasts(world, fault):
        everything(world, fault, True)
        world.ended |= before
        world.get(HIT)
        assert world.live.counter(fault.counter) > counted, f"no {fault.counter}"
    assert world.get(HIT).headers["etag"] not in before
