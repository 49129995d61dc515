# SPDX-License-Identifier: MIT
"""A random worker is killed, again and again, behind nginx and under load: each death costs at
most the request that it had, and the pool is full again at once.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

import service
import tiff
from asking import Asking, quantile

LONG = service.LONG
SECONDS = 60 if LONG else 5
PAUSE_S = 0.2
WORKERS = 8
CONNECTIONS = 64
FULL_MS = 100.0
BUSY_MS = 500.0  # the same once, on a machine that has much else to do
THINK_S = 0.1  # a client, between two requests: the machine is not to be full
HITS = 0.8  # of what is asked for; patches, which no cache keeps here, are the rest
TILE = "/images/image/{}/1/1/tile_files/11/{}_{}.jpeg"
PATCH = "/api/v1/images/images/{}/get_patch/?x={}&y={}&level=0&width=254&height=254"
CONFIG = {
    "workers": WORKERS,
    "log": {"level": "warning"},
    "caches": {"default": {"backend": "null"}},
}


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    file = tiff.write_noise(tmp_path_factory.mktemp("murder") / "s.tiff", 1, 1700, 1100)
    with service.Service(CONFIG, files=[file], web="nginx") as running:
        running.image = running.image_id("s.tiff")
        yield running


def right_bytes(live):
    tiles = [TILE.format(live.image, c, r) for c in range(6) for r in range(4)]
    patches = [PATCH.format(live.image, 40 * n, 30 * n) for n in range(24)]
    right = {}
    for target in tiles + patches:
        reply = live.fcgi.get(target)
        assert reply.status == 200, reply
        right[target] = reply.body
    assert live.fcgi.get(tiles[0]).x_cache == "HIT"
    assert live.fcgi.get(patches[0]).x_cache != "HIT"
    weights = [HITS / len(tiles)] * len(tiles) + [(1 - HITS) / len(patches)] * len(patches)
    return right, weights


def descriptors(pid):
    """What they are: sorted, without their numbers."""
    folder = pathlib.Path(f"/proc/{pid}/fd")
    return sorted(os.readlink(folder / name).split(":")[0] for name in os.listdir(folder))


def zombies(pid):
    def is_zombie(child):
        stat = pathlib.Path(f"/proc/{child}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "Z"

    return [child for child in service.child_pids(pid) if is_zombie(child)]


def murder(live):
    program = service.REPO / "tests" / "lib" / "murder.py"
    words = [live.program.pid, service.WORKER_NAME, SECONDS, PAUSE_S]
    argv = [sys.executable, "-B", program, *words]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_workers_are_killed_under_load(live):
    right, weights = right_bytes(live)
    master = live.program.pid
    before, deaths = descriptors(master), live.counter("worker_deaths")
    load = Asking(live.web.http.get, right, CONNECTIONS, THINK_S, weights=weights)
    with load:
        load.wait_good(2 * CONNECTIONS)
        times = murder(live)
        load.wait_good(2 * CONNECTIONS)
    answers, failed = load.all(), load.faults()
    known = [t for t in times if t is not None]
    usual, most = quantile(known, 0.5), max(known, default=0)
    print(
        f"{len(times)} kills under {len(answers)} answers to {CONNECTIONS} connections: "
        f"{len(failed)} failed, {load.count('wrong')} wrong; full again after "
        f"{usual:.1f} ms (median), {most:.1f} ms (most)"
    )
    assert load.count("wrong") == 0
    assert len(failed) <= len(times), failed[:5]
    assert len(known) == len(times), "the pool was not full again"
    assert usual <= FULL_MS * service.SLOW and most <= BUSY_MS * service.SLOW
    service.wait_for(lambda: not zombies(master), "no zombie", 2)
    service.wait_for(lambda: descriptors(master) == before, "no descriptor lost", 2)
    assert live.counter("worker_deaths") >= deaths + len(times)
    assert "died of signal 9" in live.log_tail()
