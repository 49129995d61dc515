# SPDX-License-Identifier: MIT
"""A server that comes and goes, while versions are ended and tiles are read: after an
acknowledged invalidation nobody is answered under a version of before, ever.

A tile's tag names the version that it was found or rendered under, so a tag that any
reader had seen before an invalidation began must not be in an answer to a request that
begins after its acknowledgement, however often the server forgets, or remembers what it
was before.
"""

import contextlib
import itertools
import json
import random
import threading
import time

import pytest

import relay
import servers
import service
import tiff
from clients import Crowd

LONG = service.LONG
SECONDS = 60 if LONG else 6
INVALIDATE_EVERY_S = 2 if LONG else 0.7
FLAP_S = 0.5
OBSERVE_EVERY_S = 0.05
STORM_S = 3
READERS = 8
WORKERS = 4
CONNECTS = 5  # a second and worker
RECOVERY_S = 2
TARGETS = [f"/images/image/1/1/1/tile_files/9/{c}_{r}.jpeg" for c in range(2) for r in range(2)]


class Flapping:
    """Takes a server away and back, every FLAP_S, in a thread."""

    def __init__(self, steps):
        self.steps = steps  # what is done, in turn, over and over
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.error = None
        self.done = 0

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        if self.error:
            raise self.error

    def run(self):
        try:
            while not self.over.is_set():
                for step in self.steps:
                    step()
                    self.over.wait(FLAP_S)
                self.done += 1
        except Exception as e:
            self.error = e


class Readers(Crowd):
    """Ask for tiles, and compare; know what may not be seen any more. With an observer,
    one of them asks "slidecachectl versions": a new process each time, that no breaker
    keeps from seeing what a server says right after it is back."""

    def __init__(self, live, right, observer):
        self.live, self.right = live, right
        self.seen = set()  # (tag, tag of a tile) or (name of versions, version)
        self.ended = frozenset()
        self.kinds, self.wrong = {}, []
        works = [self.ask_tiles] * READERS + [self.ask_versions] * observer
        super().__init__(self.run, works)

    def run(self, work):
        try:
            while not self.over.is_set():
                work()
        except Exception as e:
            self.wrong.append(repr(e))

    def saw(self, what, ended):
        """ended: as it was when the question began."""
        with self.lock:
            if what in ended:
                self.wrong.append(f"stale: {what}")
            self.seen.add(what)

    def ask_tiles(self):
        for target in random.sample(TARGETS, len(TARGETS)):
            self.ask(target)

    def ask(self, target):
        ended = self.ended
        reply = self.live.fcgi.get(target)
        with self.lock:
            self.kinds[reply.x_cache] = self.kinds.get(reply.x_cache, 0) + 1
            if reply.status != 200 or reply.body != self.right[target]:
                self.wrong.append(f"{target}: {reply}")
        if "etag" in reply.headers:
            self.saw(("tag", reply.headers["etag"]), ended)

    def ask_versions(self):
        ended = self.ended
        done = self.live.run_ctl("--json", "versions")
        if done.returncode == 0:
            for name, version in json.loads(done.stdout).items():
                self.saw((name, version["version"]), ended)
        self.over.wait(OBSERVE_EVERY_S)

    def known(self, names):
        """What an invalidation of these names, or of all, ends."""
        with self.lock:
            return {w for w in self.seen if not names or w[0] in ("tag", *names)}

    def end_all(self, what):
        with self.lock:
            self.ended |= what


class Invalidations:
    """From the command line, each again and again until it is acknowledged."""

    COMMANDS = [
        (["invalidate", "tiles"], ["tiles"]),
        (["invalidate", "--image", "1"], ["image/1"]),
        (["invalidate", "--all"], []),
    ]

    def __init__(self, live, readers):
        self.live, self.readers = live, readers
        self.acknowledged = self.refused = 0

    def one(self, command, names, end):
        while time.monotonic() < end and not self.readers.wrong:
            known = self.readers.known(names)
            done = self.live.run_ctl(*command)
            if done.returncode == 0:
                self.readers.end_all(known)
                self.acknowledged += 1
                return
            assert done.returncode == 1 and done.stderr.strip(), done
            self.refused += 1

    def run(self):
        end = time.monotonic() + SECONDS
        for command, names in itertools.cycle(self.COMMANDS):
            start = time.monotonic()
            self.one(command, names, end)
            rest = INVALIDATE_EVERY_S - (time.monotonic() - start)
            self.readers.over.wait(max(0, rest))
            if time.monotonic() >= end or self.readers.wrong:
                return


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tiff.write_noise(tmp_path_factory.mktemp("s") / "s.tiff", 1, 800, 600, levels=2)


@pytest.fixture(scope="module")
def right(file):
    with service.Service(servers.kept("null"), files=[file]) as live:
        live.image_id("s.tiff")
        return {t: live.fcgi.get(t).body for t in TARGETS}


def check_no_storm(live, wires, right):
    """While it flaps, and nobody but the workers connects."""
    before, start = sum(w.connections for w in wires), time.monotonic()
    with Readers(live, right, False) as readers:
        readers.over.wait(STORM_S)
    assert not readers.wrong, readers.wrong[:5]
    connects = sum(w.connections for w in wires) - before
    seconds = time.monotonic() - start
    # And one that each worker may have had left over from before.
    limit = (CONNECTS * seconds + 1) * WORKERS * len(wires)
    assert connects <= limit, f"{connects} connections in {seconds:.1f} s"
    return connects / seconds / WORKERS


def flap(file, right, wires, config, steps):
    """The whole test: steps take the servers away and back."""
    with service.Service({"workers": WORKERS, **config}, files=[file]) as live:
        live.image_id("s.tiff")
        with Flapping(steps) as flapping:
            rate = check_no_storm(live, wires, right)
            with Readers(live, right, True) as readers:
                invalidations = Invalidations(live, readers)
                invalidations.run()
        assert not readers.wrong, readers.wrong[:5]
        print(
            f"{rate:.1f} connects/s/worker, flaps {flapping.done}, {readers.kinds}, "
            f"acknowledged {invalidations.acknowledged}, refused {invalidations.refused}"
        )
        assert flapping.done >= 2 and invalidations.acknowledged >= 3
        assert set(readers.kinds) > {"BYPASS"}, f"no cache was used: {readers.kinds}"
        check_recovery(live, readers)


def check_recovery(live, readers):
    def hits():
        return all([live.fcgi.get(t).x_cache == "HIT" for t in TARGETS])

    service.wait_for(hits, "hits", RECOVERY_S)
    for target in TARGETS * WORKERS:
        readers.ask(target)
    assert not readers.wrong, readers.wrong[:5]


def steps_of(server, how):
    """Away, and back."""
    if how == "stopped":
        return [server.pause, server.resume]
    if how == "empty":
        return [server.kill, lambda: (server.forget(), server.start())]
    saved = server.save()
    return [server.kill, lambda: server.start_from(saved)]


@pytest.mark.parametrize(
    "kind, how",
    [
        ("redis", "stopped"),
        ("redis", "empty"),
        ("redis", "old snapshot"),
        ("memcached", "stopped"),
        ("memcached", "empty"),
    ],
)
def test_server_comes_and_goes(file, right, kind, how):
    with servers.KINDS[kind]() as server, relay.Relay(server) as wire:
        config = servers.kept(wire, versions=wire)
        if how == "old snapshot":
            remember(file, config)
        flap(file, right, [wire], config, steps_of(server, how))


def remember(file, config):
    """Fills the server with versions and entries, for a snapshot to keep."""
    with service.Service(config, files=[file]) as live:
        live.image_id("s.tiff")
        for target in TARGETS * 2:
            assert live.fcgi.get(target).status == 200


def test_one_of_three_memcacheds_comes_back_with_its_old_content(file, right):
    """Each in turn is cut off, and misses what is changed meanwhile."""
    with contextlib.ExitStack() as stack:
        three = [stack.enter_context(servers.Memcached()) for _ in range(3)]
        wires = [stack.enter_context(relay.Relay(s, tcp=True)) for s in three]
        location = ",".join(w.location() for w in wires)
        where = {"backend": "memcached", "location": location}
        config = {"caches": {"tiles_cache": where, "default": where}, "versions": where}
        steps = [step for w in wires for step in (w.refuse, w.listen)]
        flap(file, right, wires, config, steps)
