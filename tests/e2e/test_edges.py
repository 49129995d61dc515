# SPDX-License-Identifier: MIT
"""Edges where a cache, a list or a command could say something that is not so."""

import json
import os
import subprocess
import threading

import pytest

import service
import tiff

NULL = {"caches": {name: {"backend": "null"} for name in ("default", "tiles_cache")}}


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    return tiff.write_noise(tmp_path_factory.mktemp("n") / "noise.tiff", 1, 1600, 1200)


@pytest.fixture(scope="module")
def live(noise):
    with service.Service(files=[noise]) as running:
        running.image_id("noise.tiff")
        yield running


def tile(image, level=10, col=1, row=1):
    return f"/images/image/{image}/1/1/tile_files/{level}/{col}_{row}.jpeg"


@pytest.mark.parametrize("tags", ["*", " *", ",*", ", ,*"])
def test_star_does_not_make_a_tile(live, tags):
    target = tile(live.image_id("noise.tiff"), level=30)
    assert live.fcgi.get(target, {"If-None-Match": tags}).status == 404


def test_a_cold_tile_is_one_miss(live):
    target = tile(live.image_id("noise.tiff"), col=2)

    def counters():
        stats = live.ctl_json("stats")["caches"]["tiles_cache"]
        return stats["misses"], stats["stores"], stats["hits"]

    before = counters()
    assert live.fcgi.get(target).x_cache == "MISS"
    assert live.fcgi.get(target).x_cache == "HIT"
    assert [b - a for a, b in zip(before, counters())] == [1, 1, 1]


def test_a_cache_that_keeps_nothing_is_no_cache(noise):
    with service.Service(NULL, files=[noise]) as live:
        target = tile(live.image_id("noise.tiff"))
        for _ in range(2):
            reply = live.fcgi.get(target)
            assert (reply.status, reply.x_cache) == (200, "BYPASS")
            assert "stored" not in reply.headers["cache-status"]


def test_many_parameters_cost_nothing(live):
    """Memory of a request is bounded by its size, and given back."""

    def peak_kb():
        texts = [open(f"/proc/{pid}/status").read() for pid in live.worker_pids()]
        return max(int(t.split("VmHWM:")[1].split()[0]) for t in texts)

    target = "/api/v1/images/images/?limit=1" + "&a" * 3900
    for _ in range(4 * len(live.worker_pids())):
        assert live.fcgi.get(target).status == 200
    before = peak_kb()
    for _ in range(8 * len(live.worker_pids())):
        assert live.fcgi.get(target).status == 200
    assert peak_kb() - before < 4096 * service.SLOW


@pytest.mark.parametrize(
    "query, status",
    [
        ("id__in=" + ",".join(["1"] * 1024), 200),
        ("id__in=" + ",".join(["1"] * 1025), 400),
        ("id__in=1,,2", 400),
        ("width__range=1", 400),
        ("width__range=1,99999", 200),
        ("width=abc", 400),
        ("name__contains=", 200),
        ("verified=true&objective_power=20", 200),
    ],
)
def test_filters(live, query, status):
    reply = live.fcgi.get(f"/api/v1/images/images/?{query}")
    assert reply.status == status, reply


def test_token_names_the_size_of_a_whole_patch(noise):
    """get_patch without a size takes the catalogue's; so the token must, too."""
    with service.Service(files=[noise]) as live:
        image = live.image_id("noise.tiff")
        version = live.images()["noise.tiff"]["version"]
        reply = live.fcgi.get(tile(image) + f"?v={version}")
        assert "immutable" in reply.headers["cache-control"]
        live.ctl("invalidate", "thumbnails")
        reply = live.fcgi.get(tile(image) + f"?v={version}")
        assert reply.headers["cache-control"] == "public, no-cache"
        assert live.images()["noise.tiff"]["version"] != version


def test_a_lock_file_that_cannot_be_used(noise):
    live = service.Service(files=[noise])
    (live.dir / "cache" / "flight.lock").mkdir(parents=True)
    with live:
        target = tile(live.image_id("noise.tiff"))
        assert live.fcgi.get(target).x_cache == "MISS"
        assert live.fcgi.get(target).x_cache == "HIT"


def test_a_damaged_catalogue_stops_nobody(noise):
    with service.Service({"slides": {"scan": False}}, files=[noise]) as live:
        live.ctl("images", "scan")
        image = live.image_id("noise.tiff")
        good = (live.dir / "state" / "images.json").read_bytes()
        (live.dir / "state" / "images.json").write_bytes(good[: len(good) // 2])
        assert live.fcgi.get(tile(image)).status == 200, "what was known stays known"
        live.restart()
        assert live.fcgi.get("/healthz").status == 200
        assert live.fcgi.get(tile(image)).status == 404
        assert "catalogue" in live.log_tail(100_000)
        (live.dir / "state" / "images.json").write_bytes(good)
        assert live.fcgi.get(tile(image)).status == 200


def test_versions_do_not_tell_where_they_are_kept(noise):
    with service.Service(files=[noise]) as live:
        live.image_id("noise.tiff")
        live.stop()
        where = live.dir / "state" / "versions"
        subprocess.run(["rm", "-rf", where], check=True)
        where.write_text("no folder")
        live.start()
        reply = live.fcgi.get("/api/v1/cache/versions/")
        assert reply.status == 503
        assert str(live.dir) not in reply.body.decode()
        reply = live.fcgi.get(tile(1))
        assert (reply.status, reply.x_cache) == (200, "BYPASS")


def test_a_reader_that_leaves_frees_its_worker(tmp_path):
    """Waiting for another worker's tile ends when nobody waits for the answer."""
    slow = tiff.write_noise(tmp_path / "slow.tiff", 3, 6000, 6000)
    with service.Service({"workers": 3}, files=[slow]) as live:
        image = live.image_id("slow.tiff")
        first = threading.Thread(target=live.fcgi.get, args=(tile(image, 0, 0, 0),))
        first.start()
        for _ in range(2):
            live.fcgi.abandon(tile(image, 0, 0, 0))
        # All three workers are taken, but only one of them for as long as the render lasts.
        assert live.fcgi.get("/healthz").status == 200
        rendering = first.is_alive()
        first.join()
        assert rendering, "a worker waited for a reader that had left"


# slidecachectl


def test_a_state_that_is_not_there_is_not_made(live, tmp_path):
    nowhere = tmp_path / "nowhere"
    for command in (["versions"], ["images", "list"], ["invalidate", "tiles"]):
        argv = [service.BUILD / "slidecachectl", "--state-dir", nowhere, *command]
        done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, **live.env})
        assert done.returncode == 1, done
        assert "no slidecache state" in done.stderr
    assert not nowhere.exists()


def test_json_may_stand_behind_the_command(live):
    assert json.loads(live.ctl("versions", "--json"))["tiles"]["version"]
    assert json.loads(live.ctl("images", "list", "--json"))[0]["file"] == "noise.tiff"


def test_explain_is_one_object(live):
    target = tile(live.image_id("noise.tiff"), col=3)
    live.fcgi.get(target)
    facts = json.loads(live.ctl("--json", "explain", target))
    assert facts["stored"].startswith("yes")
    assert facts["version"].startswith("tiles is ")
    assert facts["image_version"].startswith("image/1 is ")
    assert facts["key"].startswith("exact:")


def test_an_image_that_is_not_there_is_not_invalidated(live):
    done = live.run_ctl("invalidate", "--image", "999")
    assert done.returncode == 1
    assert "999" in done.stderr


@pytest.mark.parametrize("spelling", ["noise.tiff", "./noise.tiff", "{root}/noise.tiff"])
def test_a_slide_is_added_as_the_shell_spells_it(live, spelling):
    image = live.image_id("noise.tiff")
    done = live.ctl("images", "add", spelling.format(root=live.root))
    assert int(done) == image


def test_a_slide_outside_is_not_added(live, noise):
    assert live.run_ctl("images", "add", noise).returncode != 0
    assert live.run_ctl("images", "add", "../slides/noise.tiff").returncode != 0
