# SPDX-License-Identifier: MIT
"""A worker that was taken over writes whatever it likes to the memory that it shares with the
master: which may cost it its life, and nobody else anything. (What it could write to the
stores is tests/fault/test_cache_damage.c's.)
"""

import contextlib
import os
import pathlib
import random
import re
import struct
import subprocess

import pytest

import fcgi
import service
import tiff

LONG = service.LONG
ROUNDS = 100_000 if LONG else 2000
LOOK_EACH = 100  # rounds
WORKERS = 4
CANARIES = 8
NEAR = 8192  # bytes from the beginning, where there is something in use
SHARED = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) rw-s \S+ \S+ \S+ *(.*)$", re.M)
TILES = [(11, c, r) for c in range(6) for r in range(4)]
# What a number may be that somebody trusts.
BOUNDS = [0, 1, -1, 2**31 - 1, -(2**31), 2**32, 2**62, 2**63 - 1, -(2**63)]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tiff.write_noise(tmp_path_factory.mktemp("hostile") / "s.tiff", 1, 1700, 1100)


@contextlib.contextmanager
def canaries():
    """Processes whose numbers are near those of the workers: nobody's to signal."""
    made = [subprocess.Popen(["sleep", "3600"]) for _ in range(CANARIES)]
    try:
        yield made
    finally:
        for process in made:
            process.kill()
            process.wait()


def is_store(name, live):
    folders = (live.dir / "cache", live.dir / "state" / "versions")
    return any(name.startswith(str(folder)) for folder in folders) or name.endswith(".mdb")


def mappings(live, pid):
    """(begin, end, name) of what the worker and others can write, without the stores."""
    text = pathlib.Path(f"/proc/{pid}/maps").read_text()
    found = [(int(a, 16), int(b, 16), name) for a, b, name in SHARED.findall(text)]
    return [m for m in found if not is_store(m[2], live)]


def bytes_to_write(pick, pids):
    """Noise, or a number that somebody could follow."""
    kind = pick.randrange(4)
    if kind == 0:
        return pick.randbytes(pick.choice((1, 8, 64, 300, NEAR)))
    if kind == 1:
        return struct.pack("<q", pick.choice(BOUNDS))
    if kind == 2:
        return struct.pack("<i", pick.choice(pids)) * pick.choice((1, 16, 1000))
    return struct.pack("<q", pick.choice(pids)) * pick.choice((1, 8, 1000))


def damage(live, pick, pids):
    """One write into one worker; whether there was one to write into."""
    workers = live.worker_pids()
    if not workers:
        return None
    pid = pick.choice(workers)
    try:
        begin, end, name = pick.choice(mappings(live, pid))
        data = bytes_to_write(pick, pids)
        with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
            reach = end - begin if pick.random() < 0.3 else min(NEAR, end - begin)
            at = begin + pick.randrange(0, reach, 4)
            memory.seek(at)
            memory.write(data[: end - at])
        return name
    except (OSError, IndexError):
        return None  # it has just ended


def ask(live, right, at):
    try:
        reply = live.tile(live.image, *at)
    except fcgi.Gone:
        return False
    assert reply.status != 200 or reply.body == right[at], f"wrong bytes of {at}"
    return reply.status == 200


def test_noise_in_shared_memory(file):
    config = {"workers": WORKERS, "request_timeout_s": 5, "log": {"level": "error"}}
    pick, written = random.Random(21), {}
    with service.Service(config, files=[file]) as live, canaries() as watched:
        live.image = live.image_id("s.tiff")
        right = {at: live.tile(live.image, *at).body for at in TILES}
        master, pids = live.program.pid, [process.pid for process in watched]
        pids += [live.program.pid, 1, -1, os.getpid()]
        for i in range(ROUNDS):
            name = damage(live, pick, pids)
            written[name] = written.get(name, 0) + 1
            if i % LOOK_EACH == 0:
                look = lambda: ask(live, right, pick.choice(TILES))  # noqa: E731
                service.wait_for(look, f"an answer after {i} rounds", 30)
                assert live.program.exit_code() is None, "the master died"
                assert all(process.poll() is None for process in watched), "a foreign signal"
        assert sum(n for name, n in written.items() if name is not None) > ROUNDS / 2, written
        service.wait_for(lambda: len(live.worker_pids()) == WORKERS, "a full pool", 30)
        service.wait_for(lambda: all(ask(live, right, at) for at in TILES), "all tiles", 30)
        assert live.program.pid == master and live.program.exit_code() is None
        assert all(process.poll() is None for process in watched), "a foreign signal"
        names = {pathlib.Path(name or "nobody there").name: n for name, n in written.items()}
        killed = live.log_tail(1 << 24).count("its slot was damaged")
        print(f"{ROUNDS} writes to {names}: {killed} workers killed for their slots")
