# SPDX-License-Identifier: MIT
"""Slides that workers die of: two deaths, and nobody reads them any more, until the file
changes, somebody releases them, or an hour is over. All else goes on.
"""

import contextlib
import json
import os
import pathlib
import signal
import threading
import time

import pytest

import fcgi
import service
import tiff

WORKERS = 3
QUICK_S = 1 * service.SLOW
HOUR_S = 3600
IMAGES = "/api/v1/images/images"
SENTENCE = "the slide is in quarantine until 20"
# What of an image needs its file.
ITEMS = (
    "/images/image/{}/1/1/tile/",
    "/images/image/{}/1/1/tile_files/10/0_0.jpeg",
    IMAGES + "/{}/thumbnail/",
    IMAGES + "/{}/slide_information/",
    IMAGES + "/{}/get_patch/?x=0&y=0&level=0&width=20&height=20",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("s")
    tiff.write_fatal(made / "fatal.tiff")
    tiff.write_noise(made / "victim.tiff", 1)
    tiff.write_noise(made / "other.tiff", 2, levels=2)
    tiff.write_noise(made / "large.tiff", 3, 7000, 7000)  # no small level: takes a while
    return made


def serve(folder, *names, **config):
    live = service.Service({"workers": WORKERS, **config}, [folder / name for name in names])
    live.expect_deaths()
    if live.env:
        live.env["ASAN_OPTIONS"] += ":handle_sigfpe=0"
    return live


def ask(live, target):
    """The reply; None when the worker died of it."""
    try:
        return live.fcgi.get(target)
    except fcgi.Gone:
        return None


def die_of(live, image, strikes):
    """One request that ends its worker; the death is on record afterwards."""
    assert ask(live, ITEMS[1].format(image)) is None
    service.wait_for(lambda: live.counter("strikes") == strikes, f"{strikes} strikes", 10)


def listed(live):
    return live.ctl_json("images", "quarantine")


def is_full(live):
    service.wait_for(lambda: len(live.worker_pids()) == live.config["workers"], "a full pool", 10)


def check_refused(live, target):
    begun = time.monotonic()
    reply = live.fcgi.get(target)
    assert reply.status == 503, reply
    assert time.monotonic() - begun < QUICK_S
    assert json.loads(reply.body)["detail"].startswith(SENTENCE), reply
    assert str(live.dir) not in reply.body.decode()
    assert reply.headers["cache-control"] == "no-store"
    assert HOUR_S - 600 < int(reply.headers["retry-after"]) <= HOUR_S
    return reply


@contextlib.contextmanager
def others_read(live, image):
    """Somebody looks at another slide meanwhile, and gets all of it."""
    over, wrong = threading.Event(), []

    def read():
        client = fcgi.Client(live.socket, 30 * service.SLOW)
        while not over.is_set():
            for level in range(11):
                target = f"/images/image/{image}/1/1/tile_files/{level}/0_0.png"
                try:
                    status = client.get(target).status
                except fcgi.Gone:
                    status = "gone"
                if status != 200:
                    wrong.append((level, status))

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not wrong, wrong[:5]


def test_two_deaths_shut_a_slide_out(folder):
    with serve(folder, "victim.tiff", "other.tiff") as live:
        image = live.image_id("victim.tiff")
        assert live.tile(image, 10).status == 200
        live.add_file(folder / "fatal.tiff", "victim.tiff")
        with others_read(live, live.image_id("other.tiff")):
            die_of(live, image, 1)
            assert [(x["strikes"], x["until"]) for x in listed(live)] == [(1, None)]
            die_of(live, image, 2)
            reply = check_refused(live, ITEMS[1].format(image))
            assert b"signal 8" in reply.body, reply
            for item in ITEMS:
                check_refused(live, item.format(image))
        is_full(live)
        assert (live.counter("strikes"), live.counter("quarantined")) == (2, 1)
        check_it_is_shown(live, image)
        check_warming_fails(live, image)
        assert live.counter("worker_deaths") == 2


def check_it_is_shown(live, image):
    assert live.images()["victim.tiff"]["reason"].startswith(SENTENCE)
    assert live.images()["other.tiff"]["reason"] == ""
    one = json.loads(live.fcgi.get(f"{IMAGES}/{image}/").body)
    assert one["reason"].startswith(SENTENCE)
    by_ctl = {x["file"]: x["reason"] for x in live.ctl_json("images", "list")}
    assert by_ctl["victim.tiff"].startswith(SENTENCE)
    assert by_ctl["other.tiff"] == ""
    assert SENTENCE in live.ctl("images", "list")
    (row,) = listed(live)
    assert (row["image"], row["file"], row["strikes"]) == (image, "victim.tiff", 2)
    assert "signal 8" in row["reason"] and row["until"] > row["last"]
    assert row["until"] in live.ctl("images", "quarantine")


def check_warming_fails(live, image):
    done = live.run_ctl("warm", str(image))
    assert done.returncode == 1
    assert SENTENCE in done.stdout + done.stderr, done
    live.ctl("warm", str(image), "--background")
    assert SENTENCE in failed_job(live)["reason"]


def failed_job(live):
    def look():
        (job,) = live.ctl_json("jobs", "list")["jobs"]
        return job if job["state"] == "failed" else None

    return service.wait_for(look, "the job fails", 20)


def test_a_job_that_kills_its_warmers_fails(folder):
    with serve(folder, "victim.tiff") as live:
        image = live.image_id("victim.tiff")
        live.add_file(folder / "fatal.tiff", "victim.tiff")
        live.ctl("warm", str(image), "--background")
        assert SENTENCE in failed_job(live)["reason"]
        assert (live.counter("strikes"), live.counter("quarantined")) == (2, 1)
        check_refused(live, ITEMS[0].format(image))


def test_it_lasts_over_a_restart_and_ends_with_the_file(folder):
    with serve(folder, "victim.tiff", "other.tiff") as live:
        image = live.image_id("victim.tiff")
        live.add_file(folder / "fatal.tiff", "victim.tiff")
        die_of(live, image, 1)
        die_of(live, image, 2)
        live.restart()
        check_refused(live, ITEMS[0].format(image))
        assert live.counter("worker_deaths") == 0
        live.add_file(folder / "other.tiff", "victim.tiff")
        assert live.tile(image, 10).status == 200
        assert listed(live) == []
        assert live.images()["victim.tiff"]["reason"].find("quarantine") == -1


def test_release(folder):
    with serve(folder, "victim.tiff", "other.tiff") as live:
        image, other = live.image_id("victim.tiff"), live.image_id("other.tiff")
        live.add_file(folder / "fatal.tiff", "victim.tiff")
        release = ("images", "quarantine", "release")
        strikes = 0
        for words in (["victim.tiff"], [str(live.root / "victim.tiff")], [str(image)], ["--all"]):
            for _ in range(2):
                strikes += 1
                die_of(live, image, strikes)
            check_refused(live, ITEMS[0].format(image))
            assert live.ctl(*release, *words) == "victim.tiff: released\n"
            assert listed(live) == []
        # Forgotten: it takes two again.
        die_of(live, image, strikes + 1)
        assert live.run_ctl(*release, "victim.tiff", "other.tiff").returncode == 1
        assert len(listed(live)) == 1
        assert live.ctl_json(*release, "victim.tiff") == ["victim.tiff"]
        for words in (["no.tiff"], ["victim.tiff"], [str(image)], [str(other)], ["999"]):
            assert live.run_ctl(*release, *words).returncode == 1, words
        assert live.ctl(*release, "--all") == ""
        for words in ([], ["--all", "victim.tiff"], ["--force"]):
            assert live.run_ctl(*release, *words).returncode == 2, words
        assert live.run_ctl("images", "quarantine", "nonsense").returncode == 2


def has_open(pid, path):
    with contextlib.suppress(OSError):
        for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if os.readlink(fd) == str(path):
                    return True
    return False


def kill_while_it_reads(live, image, sig):
    """The one worker, in the middle of the large slide's thumbnail."""
    (pid,) = live.worker_pids()
    replies = []
    target = ITEMS[2].format(image)
    thread = threading.Thread(target=lambda: replies.append(ask(live, target)))
    thread.start()
    path = live.root / "large.tiff"
    service.wait_for(lambda: has_open(pid, path), "the worker reads the slide", 10)
    os.kill(pid, sig)
    thread.join()
    assert replies == [None]
    service.wait_for(lambda: live.worker_pids() not in ([], [pid]), "another worker", 10)


def test_cached_tiles_go_on_and_kill_9_is_nobody_s_strike(folder):
    with serve(folder, "large.tiff", workers=1) as live:
        image = live.image_id("large.tiff")
        assert live.tile(image, 13, 3, 3).status == 200
        live.restart()  # so that nobody has it open
        for _ in range(3):
            kill_while_it_reads(live, image, signal.SIGKILL)
        assert listed(live) == []
        for strikes in (1, 2):
            kill_while_it_reads(live, image, signal.SIGSEGV)
            service.wait_for(lambda n=strikes: live.counter("strikes") == n, "a strike", 10)
        assert live.counter("quarantined") == 1
        for _ in range(3):
            reply = live.tile(image, 13, 3, 3)
            assert (reply.status, reply.x_cache) == (200, "HIT")
        check_refused(live, ITEMS[2].format(image))
        reply = live.tile(image, 13, 4, 4)
        assert reply.status == 503, reply


def test_a_damaged_file_of_records_is_said_and_written_anew(folder):
    with serve(folder, "victim.tiff") as live:
        image = live.image_id("victim.tiff")
        live.add_file(folder / "fatal.tiff", "victim.tiff")
        records = live.dir / "state" / "quarantine.json"
        records.write_bytes(b'{"quarantine": [{"key": 7' + b"[" * 5000)
        die_of(live, image, 1)
        assert "counts as empty" in (live.dir / "slidecached.log").read_text()
        die_of(live, image, 2)
        check_refused(live, ITEMS[0].format(image))
        assert json.loads(records.read_text())["quarantine"][0]["file"] == "victim.tiff"
