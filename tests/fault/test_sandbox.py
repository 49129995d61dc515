# SPDX-License-Identifier: MIT
"""The sandbox around a running service: every process that reads slides is in it, with each
backend; what such a process needs from outside comes and goes while the service goes on.
test_sandbox.c and test_sandbox_calls.c have what is refused."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal

import pytest

import servers
import tiff
from service import Service, child_pids, merge, process_name, wait_for

LINK_NAME = "slidecache-link"
TILE = 9


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    return tiff.write_noise(tmp_path_factory.mktemp("slides") / "noise.tiff", 1, 1600, 1200)


class Named(servers.Redis):
    """By a name that has to be resolved."""

    def location(self, user="", db=0):
        return super().location(user, db).replace("127.0.0.1", "localhost")


KINDS = {
    "embedded": lambda: contextlib.nullcontext("embedded"),
    "redis": servers.Redis,
    "redis, TCP": lambda: servers.Redis(tcp=True),
    "redis, a name": lambda: Named(tcp=True),
    "memcached": servers.Memcached,
    "memcached, TCP": lambda: servers.Memcached(tcp=True),
}


def status_of(pid):
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def is_confined(pid):
    """Not yet, while it begins."""
    status = status_of(pid)
    return status.get("NoNewPrivs") == "1" and status.get("Seccomp") == "2"


def limit_of(pid, name):
    text = pathlib.Path(f"/proc/{pid}/limits").read_text()
    return re.search(rf"^{name} +(\S+) +(\S+)", text, re.M).groups()


def readers(live):
    return live.worker_pids() + live.warmer_pids()


def links(live):
    """The processes that connect, by the one that each belongs to."""
    return {pid: [c for c in child_pids(pid) if process_name(c) == LINK_NAME]
            for pid in readers(live)}


def is_hit(live, image):
    return live.tile(image, TILE).x_cache == "HIT"


def wait_hit(live, image):
    wait_for(lambda: is_hit(live, image), "the tile is in the cache")


def said(live, text):
    return live.program.output().count(text)


@pytest.mark.parametrize("kind", KINDS)
def test_every_process_that_reads_slides_is_confined(noise, kind):
    with KINDS[kind]() as place, Service(servers.kept(place, versions=place),
                                         files=[noise]) as live:
        wait_hit(live, live.image_id(noise.name))
        found = readers(live)
        assert len(found) == 4 + 1
        wait_for(lambda: all(map(is_confined, found)), "they are confined")
        for pid in found:
            assert limit_of(pid, "Max core file size") == ("0", "0")
            soft, hard = limit_of(pid, "Max open files")
            assert soft == hard
        inner = links(live)
        wanted = 0 if kind == "embedded" else 1
        assert all(len(pids) == wanted for pids in inner.values()), inner
        for [pid] in filter(None, inner.values()):
            wait_for(lambda pid=pid: is_confined(pid), "who connects is confined, too")
        lines = re.findall("sandbox: .*", live.program.output())
        assert not [x for x in lines if "this kernel has" not in x], lines


def test_the_master_waits_for_what_workers_leave(noise):
    """A worker that is killed leaves who connects for it: it ends, and is no zombie."""
    with servers.Redis() as redis, Service(servers.kept(redis), files=[noise]) as live:
        wait_for(lambda: all(links(live).values()), "each has one that connects")
        old = links(live)
        victim = live.worker_pids()[0]
        os.kill(victim, signal.SIGKILL)
        [link] = old[victim]
        wait_for(lambda: not pathlib.Path(f"/proc/{link}").exists(), "it is gone")


def test_off_says_so(noise):
    with Service({"sandbox": "off"}, files=[noise]) as live:
        wait_hit(live, live.image_id(noise.name))
        assert not any(map(is_confined, readers(live)))
        assert said(live, "sandbox: off") == 1


def test_a_link_that_dies_costs_no_request(noise):
    with servers.Redis(tcp=True) as redis, Service(servers.kept(redis, versions=redis),
                                                   files=[noise]) as live:
        image = live.image_id(noise.name)
        wait_hit(live, image)
        wait_for(lambda: all(links(live).values()), "each has one that connects")
        old = links(live)
        for [pid] in old.values():
            os.kill(pid, signal.SIGKILL)
        redis.restart()  # they have to connect anew, and cannot
        while set(readers(live)) & set(old):
            assert live.tile(image, TILE).status == 200
        wait_for(lambda: all(links(live).values()), "the new ones have each their own")
        wait_hit(live, image)
        assert live.counter("worker_deaths") == 0


def reconfigure(live, over):
    """As a reload."""
    live.config = merge(live.config, over)
    live.config_file.write_text(json.dumps(live.config))
    before = said(live, "configuration taken")
    os.kill(live.program.pid, signal.SIGHUP)
    wait_for(lambda: said(live, "configuration taken") > before, "it is taken", 30)


def test_a_reload_takes_other_servers(noise):
    with servers.Redis(tcp=True) as first, servers.Redis(tcp=True) as second:
        with Service(servers.kept(first), files=[noise]) as live:
            image = live.image_id(noise.name)
            wait_hit(live, image)
            assert not second.keys()
            reconfigure(live, servers.kept(second))
            first.kill()
            wait_for(lambda: is_hit(live, image) and second.keys(), "it is in the other one")
            reconfigure(live, {"sandbox": "off"})
            wait_for(lambda: not any(map(is_confined, readers(live))), "they are replaced", 30)
            assert said(live, "sandbox: off") == 1


def test_slides_that_are_mounted_anew_are_seen_at_once(noise):
    """A folder of the same name is another one to Landlock: who knows the old one ends."""
    with Service(files=[noise], config={"slides": {"scan": False}}) as live:
        catalogue = pathlib.Path(live.config["state_dir"]) / "images.json"
        live.ctl("images", "scan")
        image = live.image_id(noise.name)
        away = live.dir / "away"
        for _ in range(3):
            live.root.rename(away)
            shutil.copytree(away, live.root)
            shutil.rmtree(away)
            assert live.tile(image, TILE, fmt="jpeg").status == 200
        assert catalogue.exists()
        assert live.counter("worker_deaths") == 0


def test_a_folder_of_the_cache_that_is_removed_comes_back(noise):
    with Service(files=[noise]) as live:
        image = live.image_id(noise.name)
        wait_hit(live, image)
        shutil.rmtree(live.config["cache_dir"])
        assert live.tile(image, TILE).status == 200
        pathlib.Path(live.config["cache_dir"]).mkdir()
        wait_hit(live, image)


def test_a_setting_between_other_files_is_told(noise, tmp_path):
    """It alone can be read then, not what replaces it."""
    name = pathlib.Path("/tmp") / f"slidecache-{os.getpid()}.htpasswd"
    name.write_text("")
    try:
        with Service({"access": {"htpasswd_file": str(name)}}, files=[noise]) as live:
            assert said(live, "access.htpasswd_file: /tmp holds other files, too") == 1
            wait_hit(live, live.image_id(noise.name))
    finally:
        name.unlink()
