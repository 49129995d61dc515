# SPDX-License-Identifier: MIT
"""More at once than the workers can do: one cold tile for everybody is rendered once; the
queue holds what max_waiting says, and who is over it gets the service's own 503 with
Retry-After, never the 500 or 502 of a web server whose connection was refused.
"""

import os
import pathlib
import select
import signal
import threading
import time

import pytest

import fcgi
import load
import service
import tiff

LONG = service.LONG
SECONDS = 60 if LONG else 3
CLIENTS = 1000 if service.SLOW == 1 else 300
WORKERS = 4
WEBS = ("lighttpd", "nginx", "apache")
SIDE, TILE = 1600, 48
LEVEL = 11  # the largest of SIDE pixels
NULL = {name: {"backend": "null"} for name in ("default", "tiles_cache")}


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    return tiff.write_noise(tmp_path_factory.mktemp("s") / "s.tiff", 18, SIDE, SIDE)


def start(slide, max_waiting, web="lighttpd", **config):
    config = {"workers": WORKERS, "max_waiting": max_waiting, **config}
    return service.Service(config, files=[slide], web=web)


def tile_targets(live, n):
    """n tiles, each another one."""
    image = live.image_id("s.tiff")
    base = f"/images/image/{image}/1/1/tile_files/{LEVEL}"
    side = -(-SIDE // TILE)
    assert n <= side * side
    return [f"{base}/{i % side}_{i // side}.jpeg" for i in range(n)]


def large_targets(live):
    base = f"/images/image/{live.image_id('s.tiff')}/1/1/tile_files/{LEVEL}"
    whole = range(SIDE // 1024)
    return [f"{base}/{c}_{r}.{kind}" for kind in ("jpeg", "png") for c in whole for r in whole]


SMALL = {"deepzoom": {"tile_size": TILE, "overlap": 0}}


def only_ours(done, answers):
    """Each got a right 200 or a 503 of the service's own."""
    assert not done.errors, (done.summary(), done.errors[:5])
    assert done.statuses[200] + done.shed == answers, done.summary()


class Gauges:
    """The highest values of some gauges, seen from the side."""

    def __init__(self, live, *names):
        self.live = live
        self.most = dict.fromkeys(names, 0)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self):
        while not self.over.wait(0.1):
            now = self.live.ctl_json("stats")
            for name, most in self.most.items():
                self.most[name] = max(most, now[name])

    def __enter__(self):
        self.thread.start()
        return self.most

    def __exit__(self, kind, value, trace):
        self.over.set()
        self.thread.join()


# ---- T18 ----


def test_one_cold_tile_for_everybody_is_rendered_once(slide):
    with start(slide, 1024, **SMALL) as live:
        target = tile_targets(live, 1)
        done = load.Load(live.web.http.port, target).run(CLIENTS, requests=1)
        only_ours(done, CLIENTS)
        assert done.statuses == {200: CLIENTS}
        assert live.counter("rendered") == 1
        assert live.counter("shed") == 0


@pytest.mark.parametrize("max_waiting", [1024, 100])
def test_a_cold_tile_each(slide, max_waiting):
    """Each is rendered once, by one worker; nobody hears of it but from the service."""
    with start(slide, max_waiting, **SMALL) as live:
        targets = tile_targets(live, CLIENTS)
        done = load.Load(live.web.http.port, targets).run(CLIENTS, requests=1)
        only_ours(done, CLIENTS)
        assert live.counter("rendered") == done.statuses[200]
        assert live.counter("shed") == done.shed
        assert (done.shed > 0) == (max_waiting < CLIENTS)


def files_of(pid):
    """What a process has open: (number, what it is)."""
    for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            yield fd.name, os.readlink(fd)
        except FileNotFoundError:
            continue  # closed meanwhile


def sockets_of(pid):
    return sum(target.startswith("socket:") for _, target in files_of(pid))


def holds_flight(pid):
    """Whether it renders, and has the lock of a tile."""
    for fd, target in files_of(pid):
        if target.endswith("/flight.lock"):
            return "OFDLCK" in pathlib.Path(f"/proc/{pid}/fdinfo/{fd}").read_text()
    return False


def is_stopped(pid):
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "T"


def stop_all(pids):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    service.wait_for(lambda: all(is_stopped(pid) for pid in pids), "they are stopped")


def go_on(pids):
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def stop_a_holder(live, targets):
    """Stops a worker in the middle of a render; returns it, the target, and who waits for
    it, who will get nothing."""
    pids = live.worker_pids()
    for target in targets:
        asked = fcgi.connect(live.socket, 30)
        asked.sendall(fcgi.encode_request(fcgi.cgi_params("GET", target, {}, b"")))
        while not select.select([asked], [], [], 0)[0]:
            found = [pid for pid in pids if holds_flight(pid)]
            stop_all(found)
            if found and holds_flight(found[0]):
                return found[0], target, asked
            go_on(found)
        asked.close()
    raise AssertionError("no worker was met while it rendered")


def test_a_killed_leader_is_followed_at_once(slide):
    """Everybody else waits for the tile of a worker that is stopped, and then killed. Tiles
    are large, so that one is met while it is rendered."""
    with start(slide, 1024, deepzoom={"tile_size": 1024, "overlap": 0}) as live:
        pids = live.worker_pids()
        idle = {pid: sockets_of(pid) for pid in pids}
        holder, target, asked = stop_a_holder(live, large_targets(live))
        others = [pid for pid in pids if pid != holder]
        done = load.Load(live.web.http.port, [target])
        crowd = threading.Thread(target=done.run, args=(20, 1))
        crowd.start()
        service.wait_for(
            lambda: all(sockets_of(pid) > idle[pid] for pid in others), "the others wait"
        )
        killed = time.monotonic()
        os.kill(holder, signal.SIGKILL)
        crowd.join()
        took = time.monotonic() - killed
        asked.close()
        only_ours(done, 20)
        assert done.statuses == {200: 20}
        assert took <= 1 * service.SLOW, took
        assert live.counter("worker_deaths") == 1


def count_answers(done):
    return sum(done.statuses.values())


def test_a_pool_that_does_nothing_keeps_its_queue(slide):
    """150 ask a pool that is stopped: 50 wait, 100 are told at once, and the 50 get what they
    asked for when the workers go on."""
    with start(slide, 50) as live:
        image = live.image_id("s.tiff")
        target = f"/images/image/{image}/1/1/tile_files/{LEVEL}/0_0.jpeg"
        pids = live.worker_pids()
        stop_all(pids)
        done = load.Load(live.web.http.port, [target])
        crowd = threading.Thread(target=done.run, args=(150, 1))
        crowd.start()
        try:
            service.wait_for(lambda: count_answers(done) == 100, "100 are told")
            service.wait_for(lambda: live.counter("waiting") == 50, "50 wait")
            assert (done.shed, count_answers(done)) == (100, 100), done.summary()
        finally:
            go_on(pids)
            crowd.join()
        only_ours(done, 150)
        assert done.statuses == {200: 50, 503: 100}
        assert done.shed_s[-1] <= 1 * service.SLOW, done.shed_s[-1]
        assert live.counter("shed") == 100


# ---- T26 ----


@pytest.mark.parametrize("web", WEBS)
@pytest.mark.parametrize("max_waiting", [1024, 200])
def test_a_crowd_is_served_or_told(slide, web, max_waiting):
    """Nothing is cached, so the queue is long all the time."""
    with start(slide, max_waiting, web, caches=NULL) as live:
        image = live.image_id("s.tiff")
        base = f"/images/image/{image}/1/1/tile_files/{LEVEL}"
        targets = [f"{base}/{i % 6}_{i // 6}.jpeg" for i in range(36)]
        right = {t: live.fcgi.get(t).body for t in targets}
        with Gauges(live, "waiting", "workers_busy") as most:
            done = load.Load(live.web.http.port, targets, right)
            done.run(CLIENTS, seconds=SECONDS)
        print(f"{web}, {max_waiting} may wait: {done.summary()}, {most['waiting']} waited")
        only_ours(done, sum(done.statuses.values()))
        assert live.counter("shed") == done.shed
        assert (done.shed > 0) == (max_waiting < CLIENTS)
        assert most["waiting"] > min(max_waiting, CLIENTS) / 2
        assert 0 < most["workers_busy"] <= WORKERS
