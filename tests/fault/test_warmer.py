# SPDX-License-Identifier: MIT
"""Warmers and their jobs while everything around them ends: kill -9 of the warmer and of
the master, restarts of the service and of servers, a store that is away. A job goes on and
ends with every tile there; one that everybody dies of ends, and the next one runs. What a
scan finds is warmed.
"""

import os
import signal
import time

import pytest

import servers
import service
import tiff
from management import USERS
from warming import Warmer, paused, signal_all, tile, tiles_of, total

LONG = service.LONG
# A job of it takes about a second, and is more than a warmer may keep of a slide.
WIDTH, HEIGHT = (5000, 4000) if LONG or service.SLOW == 1 else (2300, 1800)
STEP = 20 if LONG else 5  # tiles between two faults
KILLS = 6 if LONG else 4
RESTARTS = 4 if LONG else 2
BUDGET_MB = 500
ENDED_MAX = ACTIVE_MAX = 64
STARTS_MAX = 3
BLOCK = 64  # tiles at once
# That a warmer may have more between two jobs than before the first; sanitizers keep what
# was freed for a while.
MEMORY_MB = 16 if service.SLOW == 1 else 400


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    return tiff.write_noise(tmp_path_factory.mktemp("s") / "big.tiff", 1, WIDTH, HEIGHT)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return tiff.write_noise(tmp_path_factory.mktemp("s") / "small.tiff", 2, 700, 500)


@pytest.fixture
def users(tmp_path):
    (tmp_path / "users").write_text(USERS)
    return {"access": {"htpasswd_file": str(tmp_path / "users")}}


def start(users, files, config=None):
    """One thread, so that there is a middle to be met."""
    base = service.merge({**users, "warm": {"threads": 1}}, config)
    return service.Service(base, files=files)


def queue(live, name, body=None):
    anna = Warmer(live.fcgi)
    body = {"mem_size_mb": BUDGET_MB} if body is None else body
    return anna.queue(live.image_id(name), body)["id"]


def job(live, number):
    return Warmer(live.fcgi).job(number)


def is_active(found):
    return found["state"] in ("queued", "running")


def wait_for_tiles(live, number, more=1, deadline_s=60):
    """Until the job has so many tiles more than now, or ended."""
    goal = job(live, number)["tiles"]["done"] + more

    def look():
        now = job(live, number)
        return now if now["tiles"]["done"] >= goal or not is_active(now) else None

    return service.wait_for(look, f"{more} tiles more", deadline_s)


def wait_for_job(live, number):
    jobs = Warmer(live.fcgi).jobs
    service.wait_for(lambda: number in [j["id"] for j in jobs()], "the job", 60)


def kill_warmer(live):
    pids = live.warmer_pids()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    service.wait_for(lambda: not set(pids) & set(live.warmer_pids()), "it is dead")


def expect_done(live, number, name, deadline_s=90):
    found = Warmer(live.fcgi).ended(number, deadline_s)
    assert (found["state"], found["reason"]) == ("done", ""), found
    image = live.images()[name]["id"]
    missing = [at for at in tiles_of(live, image) if tile(live, image, at).x_cache != "HIT"]
    assert not missing, missing[:5]
    return found


def expect_complete(live, found, name):
    """Counted once each, whoever stored them."""
    tiles = len(list(tiles_of(live, live.images()[name]["id"])))
    assert found["tiles"]["done"] + found["skipped_tiles"] == tiles
    assert total(found["result"]) == tiles


def test_the_warmer_is_killed_again_and_again(users, big):
    with start(users, [big]) as live:
        number = queue(live, "big.tiff")
        kills = 0
        while kills < KILLS and is_active(wait_for_tiles(live, number, STEP)):
            kill_warmer(live)
            kills += 1
        assert kills >= KILLS - 2, "hardly a kill"
        found = expect_done(live, number, "big.tiff")
        expect_complete(live, found, "big.tiff")
        assert f"job {number}: goes on with image" in live.program.output()
        assert "warmer 1: ended by signal 9" in live.program.output()


def test_the_master_is_killed(users, big):
    with start(users, [big]) as live:
        number = queue(live, "big.tiff")
        for _ in range(2):
            assert is_active(wait_for_tiles(live, number, STEP))
            session = live.kill_master()
            service.wait_for(lambda s=session: not service.session_pids(s), "all are dead")
            live.start()
        found = expect_done(live, number, "big.tiff")
        expect_complete(live, found, "big.tiff")


def test_the_service_is_restarted(users, big):
    with start(users, [big]) as live:
        number = queue(live, "big.tiff")
        for _ in range(RESTARTS):
            assert is_active(wait_for_tiles(live, number, 5))
            begun = time.monotonic()
            program = live.program
            live.stop()
            assert time.monotonic() - begun < 3 * service.SLOW
            assert f"job {number}: goes on after the restart" in program.output()
            live.start()
        found = expect_done(live, number, "big.tiff")
        expect_complete(live, found, "big.tiff")


def test_a_job_waits_for_the_service(users, big):
    """What was queued before a stop is begun after it."""
    with start(users, [big]) as live:
        with paused(live):
            number = queue(live, "big.tiff", {"mem_size_mb": 1})
            session = live.kill_master()
            signal_all(service.session_pids(session), signal.SIGKILL)
        service.wait_for(lambda: not service.session_pids(session), "all are dead")
        live.start()
        found = Warmer(live.fcgi).ended(number)
        assert found["state"] == "done" and found["bytes"]["done"] > 0.9 * 2**20


@pytest.fixture(params=["redis", "memcached"])
def server(request):
    with servers.KINDS[request.param](options=memory(request.param)) as started:
        yield started


def memory(kind):
    return ["-m", "256"] if kind == "memcached" else []


def test_the_server_is_restarted(users, big, server):
    """It comes back with nothing: what was stored before is stored again."""
    with start(users, [big], servers.kept(server, "embedded")) as live:
        number = queue(live, "big.tiff")
        for _ in range(2):
            assert is_active(wait_for_tiles(live, number, STEP))
            server.kill()
            service.wait_for(lambda: job(live, number)["waiting"], "it waits", 60)
            assert job(live, number)["state"] == "running"
            server.forget()
            server.start()
        expect_done(live, number, "big.tiff")


def test_the_version_store_is_away(users, small):
    with servers.Redis() as redis:
        with start(users, [small], servers.kept(versions=redis)) as live:
            image = live.image_id("small.tiff")
            redis.kill()
            number = Warmer(live.fcgi).queue(image)["id"]
            service.wait_for(lambda: job(live, number)["waiting"], "it waits", 60)
            redis.start()
            live.ctl("migrate")
            expect_done(live, number, "small.tiff")


def test_what_everybody_dies_of(users, big, small):
    """No process gets on with it: the third one was the last."""
    with servers.Redis() as redis:
        with start(users, [big, small], servers.kept(redis, "embedded")) as live:
            redis.kill()
            number = queue(live, "big.tiff")
            after = queue(live, "small.tiff")
            for _ in range(STARTS_MAX):
                service.wait_for(lambda: job(live, number)["waiting"]
                                 and job(live, number)["state"] == "running", "it runs", 60)
                kill_warmer(live)
            found = Warmer(live.fcgi).ended(number, 10)
            assert found["state"] == "failed"
            assert found["reason"] == f"{STARTS_MAX} processes in a row died of it"
            redis.start()
            expect_done(live, after, "small.tiff")


def test_restarts_are_no_deaths(users, big):
    with servers.Redis() as redis:
        with start(users, [big], servers.kept(redis, "embedded")) as live:
            redis.kill()
            number = queue(live, "big.tiff", {"mem_size_mb": 1})
            for _ in range(STARTS_MAX + 1):
                service.wait_for(lambda: job(live, number)["waiting"]
                                 and job(live, number)["state"] == "running", "it runs", 60)
                live.restart()
            redis.start()
            assert Warmer(live.fcgi).ended(number)["state"] == "done"


def test_strays_are_no_deaths(users, big):
    """What somebody sends to all of our processes at once, and a kill, are no fault of the
    slide."""
    with start(users, [big]) as live:
        number = queue(live, "big.tiff")
        wait_for_tiles(live, number)
        [pid] = live.warmer_pids()
        for sig in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(pid, sig)
        wait_for_tiles(live, number)
        assert live.warmer_pids() == [pid]
        os.kill(pid, signal.SIGQUIT)
        # At idle priority: others may keep it from dying for long.
        service.wait_for(lambda: pid not in live.warmer_pids(), "it is dead", 60)
        expect_done(live, number, "big.tiff")
        assert "warmer 1: ended by signal 3" in live.program.output()
        assert live.ctl_json("images", "quarantine") == []
        assert live.counter("strikes") == 0


def test_cancelling(users, big):
    with start(users, [big]) as live:
        number = queue(live, "big.tiff")
        assert is_active(wait_for_tiles(live, number, BLOCK + 1))
        Warmer(live.fcgi).cancel(number)
        found = Warmer(live.fcgi).ended(number, 1)
        assert found["state"] == "cancelled"
        again = queue(live, "big.tiff")
        skipped = expect_done(live, again, "big.tiff")["skipped_tiles"]
        assert skipped == found["tiles"]["done"]


def test_two_warmers_two_jobs(users, small, tmp_path):
    names = [f"s{i}.tiff" for i in range(6)]
    files = [tiff.write_noise(tmp_path / n, i, 1000, 1000) for i, n in enumerate(names)]
    with start(users, files, {"warmers": 2}) as live:
        numbers = [queue(live, name) for name in names]
        together = set()

        def look():
            found = Warmer(live.fcgi).jobs()
            together.add(sum(j["state"] == "running" for j in found))
            return not any(map(is_active, found))

        service.wait_for(look, "all end", 60)
        assert len(live.warmer_pids()) == 2
        assert max(together) == 2, together
        for number, name in zip(numbers, names):
            expect_complete(live, expect_done(live, number, name), name)
            assert live.program.output().count(f"job {number}: warms") == 1
            assert live.program.output().count(f"job {number}: done") == 1


def anonymous_mb(pid):
    lines = open(f"/proc/{pid}/status").read().splitlines()
    return next(int(l.split()[1]) for l in lines if l.startswith("RssAnon")) / 1024


def test_memory_is_given_back(users, big):
    with start(users, [big]) as live:
        service.wait_for(live.warmer_pids, "the warmer runs")
        [pid] = live.warmer_pids()
        before = anonymous_mb(pid)
        found = Warmer(live.fcgi).ended(queue(live, "big.tiff"))
        assert found["state"] == "done", found
        # It closes what it opened after it has said that the job ended.
        service.wait_for(lambda: anonymous_mb(pid) < before + MEMORY_MB, "it is small again", 10)
        assert live.warmer_pids() == [pid]


def test_what_a_scan_finds(users, big, small):
    over = {"warm": {"on_scan_mb": BUDGET_MB}, "slides": {"scan_interval_s": 0}}
    with start(users, [small], over) as live:
        anna = Warmer(live.fcgi)
        wait_for_job(live, 1)
        expect_done(live, 1, "small.tiff")
        assert job(live, 1)["by"] == "scan"
        assert job(live, 1)["mem_size_mb"] == BUDGET_MB
        # A new one, and one that is another by now. Somebody kills who warms it.
        live.add_file(big)
        live.add_file(big, "small.tiff")
        os.kill(live.program.pid, signal.SIGHUP)
        service.wait_for(lambda: any(map(is_active, anna.jobs())), "a job", 60)
        kill_warmer(live)
        for number, name in ((2, "small.tiff"), (3, "big.tiff")):
            wait_for_job(live, number)
            expect_done(live, number, name)
        # What did not change is not found again.
        os.kill(live.program.pid, signal.SIGHUP)
        live.restart()
        assert [j["id"] for j in anna.jobs()] == [1, 2, 3]


def test_a_scan_finds_more_than_there_is_room_for(users, tmp_path):
    count = ACTIVE_MAX + 16
    file = tiff.write_noise(tmp_path / "a.tiff", 3, 60, 40)
    over = {"warm": {"on_scan_mb": 1}, "warmers": 2}
    live = start(users, [], over)
    for i in range(count):
        live.add_file(file, f"{i:03}.tiff")
    with live:
        anna = Warmer(live.fcgi)

        def look():
            found = anna.jobs()
            assert sum(map(is_active, found)) <= ACTIVE_MAX
            assert sum(not is_active(j) for j in found) <= ENDED_MAX
            return found and found[-1]["id"] == count and not is_active(found[-1])

        service.wait_for(look, "all are warmed", 90)
        service.wait_for(lambda: not anna.active(), "all have ended")
        images = live.images()
        assert len(images) == count
        for image in images.values():
            assert all(tile(live, image["id"], at).x_cache == "HIT"
                       for at in tiles_of(live, image["id"]))
