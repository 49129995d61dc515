# SPDX-License-Identifier: MIT
"""Passive caching and versions: what is a hit, and what ends it."""

import contextlib
import io
import json
import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy
import PIL.Image
import pytest

import oracle
import servers
import service
import tiff

ROUNDS = 200
READERS = 8
STAMPEDE = 64
VERSION = r"[A-Za-z0-9]{8}"


@pytest.fixture
def noise(tmp_path):
    return tiff.write_noise(tmp_path / "noise.tiff", 1, 1600, 1200)


@pytest.fixture
def live(noise):
    with service.Service(files=[noise]) as running:
        running.image_id("noise.tiff")
        yield running


def versions(live):
    """name -> version, as "slidecachectl --json versions" has it."""
    document = live.ctl_json("versions")
    listed = document.get("versions", document) if isinstance(document, dict) else document
    if isinstance(listed, list):
        return {v["name"]: v["version"] for v in listed}
    return {name: v["version"] for name, v in listed.items()}


def everything(image):
    """One target of each kind that is cached, by the versioned cache it belongs to."""
    api = f"/api/v1/images/images/{image}"
    return {
        "tiles": f"/images/image/{image}/1/1/tile_files/10/1_1.jpeg",
        "thumbnails": f"{api}/thumbnail/",
        "slides": f"/images/image/{image}/1/1/tile/",
    }


def x_cache(live, target):
    reply = live.fcgi.get(target)
    assert reply.status == 200, (target, reply)
    return reply.x_cache


def test_second_request_is_a_hit(live):
    image = live.image_id("noise.tiff")
    for target in everything(image).values():
        assert [x_cache(live, target) for _ in range(3)] == ["MISS", "HIT", "HIT"], target


def test_formats_are_cached_apart(live):
    image = live.image_id("noise.tiff")
    assert [live.tile(image, 9, fmt=f).x_cache for f in ("png", "jpeg")] == ["MISS"] * 2
    assert [live.tile(image, 9, fmt=f).x_cache for f in ("png", "jpeg")] == ["HIT"] * 2


def test_hit_survives_a_restart(live):
    image = live.image_id("noise.tiff")
    before = {t: live.fcgi.get(t) for t in everything(image).values()}
    live.restart()
    for target, old in before.items():
        new = live.fcgi.get(target)
        assert new.x_cache == "HIT", target
        assert (new.body, new.headers["etag"]) == (old.body, old.headers["etag"])


@pytest.mark.parametrize("name", ["tiles", "thumbnails", "slides"])
def test_invalidate_one_name(live, name):
    image = live.image_id("noise.tiff")
    targets = everything(image)
    old = {key: live.fcgi.get(t) for key, t in targets.items()}
    before = versions(live)
    live.ctl("invalidate", name)
    after = versions(live)
    assert {n for n in before if after[n] != before[n]} == {name}
    for key, target in targets.items():
        expected = "MISS" if key == name else "HIT"
        reply = live.fcgi.get(target)
        assert reply.x_cache == expected, (key, name)
        assert reply.body == old[key].body
        changed = reply.headers["etag"] != old[key].headers["etag"]
        assert changed == (key == name)


def test_invalidate_several_names(live):
    image = live.image_id("noise.tiff")
    targets = everything(image)
    for target in targets.values():
        x_cache(live, target)
    live.ctl("invalidate", "tiles", "slides")
    got = {key: x_cache(live, target) for key, target in targets.items()}
    assert got == {"tiles": "MISS", "thumbnails": "HIT", "slides": "MISS"}


@pytest.mark.parametrize("command", ["invalidateversionedcaches", "invalidate --all"])
def test_invalidate_all(live, command):
    image = live.image_id("noise.tiff")
    targets = everything(image)
    for target in targets.values():
        x_cache(live, target)
    before = versions(live)
    printed = live.ctl(*command.split())
    if command == "invalidateversionedcaches":
        assert printed == "Invalidated all versioned caches.\n"
    after = versions(live)
    assert all(after[name] != before[name] for name in before)
    assert [x_cache(live, t) for t in targets.values()] == ["MISS"] * 3


def test_invalidate_one_image(live, tmp_path):
    live.add_file(tiff.write_noise(tmp_path / "other.tiff", 2))
    live.ctl("images", "scan")
    mine, other = live.image_id("noise.tiff"), live.image_id("other.tiff")
    for image in (mine, other):
        for target in everything(image).values():
            x_cache(live, target)
    tokens = {name: im["version"] for name, im in live.images().items()}
    live.ctl("invalidate", "--image", str(mine))
    assert [x_cache(live, t) for t in everything(mine).values()] == ["MISS"] * 3
    assert [x_cache(live, t) for t in everything(other).values()] == ["HIT"] * 3
    after = {name: im["version"] for name, im in live.images().items()}
    assert after["noise.tiff"] != tokens["noise.tiff"]
    assert after["other.tiff"] == tokens["other.tiff"]


def test_key_and_tag_name_both_versions(live):
    """Of the kind and of the image: a change of either makes another of both."""
    image = live.image_id("noise.tiff")
    for kind, target in everything(image).items():
        for changed in ([], [kind], ["--image", str(image)]):
            if changed:
                live.ctl("invalidate", *changed)
            reply = live.fcgi.get(target)
            now = versions(live)
            both = now[kind] + now[f"image/{image}"]
            assert (reply.x_cache, reply.headers["etag"][:18]) == ("MISS", f'"{both}-')
            told = json.dumps(live.ctl_json("explain", target))
            assert f"exact:{both}:" in told and reply.headers["etag"].strip('"') in told


def control(live, target, token):
    return live.fcgi.get(f"{target}?v={token}").headers["cache-control"]


def test_old_token_is_not_immutable(live):
    image = live.image_id("noise.tiff")
    target = everything(image)["tiles"]
    old = live.images()["noise.tiff"]["version"]
    assert "immutable" in control(live, target, old)
    live.ctl("invalidate", "--image", str(image))
    new = live.images()["noise.tiff"]["version"]
    assert "immutable" not in control(live, target, old)
    assert "immutable" in control(live, target, new)


def test_old_tag_is_modified_after_an_invalidation(live):
    image = live.image_id("noise.tiff")
    target = everything(image)["tiles"]
    etag = live.fcgi.get(target).headers["etag"]
    assert live.fcgi.get(target, {"If-None-Match": etag}).status == 304
    live.ctl("invalidate", "tiles")
    assert live.fcgi.get(target, {"If-None-Match": etag}).status == 200


def test_unknown_name_changes_nothing(live):
    before = versions(live)
    done = live.run_ctl("invalidate", "tiles", "no_such_cache")
    assert done.returncode == 1 and "no_such_cache" in done.stderr
    assert versions(live) == before


@pytest.mark.parametrize(
    "args", [["invalidate"], ["no-such-command"], ["--no-such-option"], ["explain"], []]
)
def test_usage(live, args):
    done = live.run_ctl(*args)
    assert done.returncode == 2, done
    assert done.stderr and not done.stdout


def test_versions(live):
    got = versions(live)
    assert {"tiles", "thumbnails", "slides", "acl"} <= set(got)
    assert all(re.fullmatch(VERSION, v) for v in got.values()), got
    table = live.ctl("versions")
    assert all(name in table and v in table for name, v in got.items())


def test_versions_are_kept_over_a_restart(live):
    before = versions(live)
    live.restart()
    assert versions(live) == before


def token(live, image):
    """Of the image's versioned URLs."""
    return json.loads(live.fcgi.get(f"/api/v1/images/images/{image}/").body)["version"]


@pytest.fixture(params=["embedded", *sorted(servers.KINDS)])
def kept(request, noise):
    """A service that keeps entries and versions in the same place."""
    with contextlib.ExitStack() as stack:
        config = {}
        if request.param in servers.KINDS:
            server = stack.enter_context(servers.KINDS[request.param]())
            config = servers.kept(server, versions=server)
        live = stack.enter_context(service.Service(config, files=[noise]))
        live.image_id("noise.tiff")
        yield live


def twice(live, targets):
    return {key: [x_cache(live, t) for _ in range(2)] for key, t in targets.items()}


@pytest.mark.parametrize("name", ["tiles", "thumbnails", "slides"])
def test_stop_one_name(kept, name):
    """Its results are not cached; the others are as before. Started again, nothing of
    before is found."""
    image = kept.image_id("noise.tiff")
    targets = everything(image)
    old = {key: kept.fcgi.get(t) for key, t in targets.items()}
    tokens = [token(kept, image)]
    for _ in range(2):
        kept.ctl("stop", name)
        got = twice(kept, targets)
        assert got.pop(name) == ["BYPASS"] * 2
        assert set(map(tuple, got.values())) == {("HIT", "HIT")}
        tokens.append(token(kept, image))
        check_stopped(kept.fcgi, targets, name, old, tokens[-1])
        kept.ctl("start", name)
        got = twice(kept, targets)
        assert got.pop(name) == ["MISS", "HIT"]
        assert set(map(tuple, got.values())) == {("HIT", "HIT")}
        tokens.append(token(kept, image))
        new = kept.fcgi.get(targets[name])
        assert new.headers["etag"] != old[name].headers["etag"]
        assert new.body == old[name].body
    assert all(tokens) and all(a != b for a, b in zip(tokens, tokens[1:])), tokens
    assert len({*tokens[::2]}) == 3, "each start has another one"


def check_stopped(client, targets, name, old, current):
    """What cannot be invalidated has no tag, and is kept by nobody."""
    for key, target in targets.items():
        tagged = {"If-None-Match": old[key].headers["etag"]}
        reply = client.get(f"{target}?v={current}", tagged)
        immutable = "immutable" in reply.headers["cache-control"]
        if key == name:
            assert (reply.status, immutable) == (200, False)
            assert "etag" not in reply.headers and reply.body == old[key].body
        else:
            assert (reply.status, immutable) == (304, True)


def test_explain_of_what_is_not_versioned(live):
    targets = everything(live.image_id("noise.tiff"))
    live.ctl("stop", "thumbnails")
    told = live.ctl_json("explain", targets["thumbnails"])
    assert told["cache"] == ('none now: "thumbnails" is not versioned: slidecachectl '
                             "migrate, or slidecachectl start thumbnails")
    assert not {"etag", "version", "key", "stored"} & set(told)
    told = live.ctl_json("explain", targets["tiles"])
    assert told["etag"] == live.fcgi.get(targets["tiles"]).headers["etag"]
    assert told["stored"].startswith("no: ")


def test_the_log_says_what_is_not_versioned(live):
    log = live.dir / "slidecached.log"
    live.ctl("stop", "tiles")
    target = everything(live.image_id("noise.tiff"))["tiles"]
    assert [x_cache(live, target) for _ in range(20)] == ["BYPASS"] * 20
    lines = [line for line in log.read_text().splitlines() if "is not versioned" in line]
    assert 1 <= len(lines) <= live.config["workers"], lines
    assert all('"tiles" is not versioned: slidecachectl migrate, or slidecachectl start tiles'
               in line for line in lines), lines


def tile_key(image):
    return f"tile/{image}/1/1/10/1_1.jpeg~"


def test_explain(live):
    image = live.image_id("noise.tiff")
    target = everything(image)["tiles"]
    cold = live.ctl("explain", target)
    x_cache(live, target)
    warm = live.ctl("explain", target)
    for said in (cold, warm):
        assert tile_key(image) in said
        assert versions(live)["tiles"] in said
    assert cold != warm, "whether it is cached shows"
    assert tile_key(image) in json.dumps(live.ctl_json("explain", target))
    for bad in ("/nowhere", "/images/image/999/1/1/tile/"):
        assert live.run_ctl("explain", bad).returncode == 1


def test_explain_of_a_server_that_is_away(noise):
    """Nobody knows whether it is stored: that is not "no"."""
    place = {"backend": "memcached", "location": "unix:/nonexistent/m.sock"}
    with service.Service({"caches": {"tiles_cache": place}}, files=[noise]) as live:
        target = everything(live.image_id("noise.tiff"))["tiles"]
        told = live.ctl_json("explain", target)["stored"]
        assert told.startswith("unknown: ") and "/nonexistent/m.sock" in told, told


def test_stats(live):
    image = live.image_id("noise.tiff")
    start = {name: live.counter(name) for name in ("rendered", "hits", "misses", "stores")}
    for _ in range(3):
        live.tile(image, 10, 0, 0)
    grown = {name: live.counter(name) - n for name, n in start.items()}
    assert grown.pop("misses") >= 1
    assert grown == {"rendered": 1, "hits": 2, "stores": 1}
    assert "tiles_cache" in live.ctl("stats")


def test_stampede_renders_once(live):
    """64 clients ask for one cold tile at once."""
    image = live.image_id("noise.tiff")
    for level, col in ((11, 2), (11, 3), (9, 0), (5, 0)):
        barrier = threading.Barrier(STAMPEDE)
        rendered = live.counter("rendered")

        def ask(_):
            barrier.wait()
            return live.tile(image, level, col)

        with ThreadPoolExecutor(STAMPEDE) as pool:
            replies = list(pool.map(ask, range(STAMPEDE)))
        assert {r.status for r in replies} == {200}
        assert len({r.body for r in replies}) == 1
        kinds = [r.x_cache for r in replies]
        assert kinds.count("MISS") == 1, kinds
        assert set(kinds) <= {"MISS", "SHARED", "HIT"}
        assert live.counter("rendered") == rendered + 1


# Files that are replaced.


def colour_of(generation):
    """Colours of neighbouring generations are far apart and never repeat."""
    return (generation * 97 % 256, generation * 41 % 251, generation & 255)


def flat_file(folder, generation, side=512):
    path = folder / f"flat-{generation}.tiff"
    return tiff.write_flat(path, colour_of(generation), side, side)


def generation_of(reply):
    """The one generation that all pixels of a reply belong to."""
    assert reply.status == 200, reply
    with PIL.Image.open(io.BytesIO(reply.body)) as im:
        pixels = numpy.asarray(im.convert("RGB")).reshape(-1, 3)
    colour = tuple(int(v) for v in pixels[0])
    assert (pixels == pixels[0]).all(), f"a mixture: {numpy.unique(pixels, axis=0)}"
    found = [g for g in range(ROUNDS + 2) if colour_of(g) == colour]
    assert len(found) == 1, f"pixels of no file: {colour}"
    return found[0]


def test_replaced_by_another_size(live, tmp_path):
    image = live.image_id("noise.tiff")
    target = f"/images/image/{image}/1/1/tile/"
    assert b'Width="1600" Height="1200"' in live.fcgi.get(target).body
    token = live.images()["noise.tiff"]["version"]
    new = tiff.write_noise(tmp_path / "new.tiff", 5, 700, 900)
    live.add_file(new, "noise.tiff")
    reply = live.fcgi.get(target)
    assert reply.x_cache == "MISS" and b'Width="700" Height="900"' in reply.body
    opened = oracle.Oracle(new)
    got = live.fcgi.get(f"/api/v1/images/images/{image}/slide_information/")
    assert json.loads(got.body) == opened.information(image)
    png = oracle.decode(live.tile(image, 10, 1, 2).body, "PNG")
    assert oracle.psnr(png, opened.tiles(10, 1, 2)[0][0]) == float("inf")
    assert "immutable" not in control(live, target, token)
    opened.close()


def test_removed_and_put_back(live, tmp_path):
    image = live.image_id("noise.tiff")
    before = live.tile(image, 10)
    os.rename(live.root / "noise.tiff", tmp_path / "aside.tiff")
    assert live.tile(image, 10).status == 404
    assert live.tile(image, 10, headers={"If-None-Match": before.headers["etag"]}).status == 404
    os.rename(tmp_path / "aside.tiff", live.root / "noise.tiff")
    after = live.tile(image, 10)
    assert after.status == 200 and after.body == before.body


class Replacer:
    """Which generations a reply may show, while the file is renamed over and over."""

    def __init__(self, live, folder):
        self.live = live
        self.files = [flat_file(folder, g) for g in range(ROUNDS + 1)]
        self.begun = self.done = 0
        self.over = threading.Event()
        self.wrong = []
        self.answers = self.told_to_wait = 0
        live.add_file(self.files[0], "flat.tiff")
        live.ctl("images", "scan")
        self.image = live.image_id("flat.tiff")

    def replace(self, generation):
        self.begun = generation
        os.rename(self.files[generation], self.live.root / "flat.tiff")
        self.done = generation

    def ask(self, level, col, row):
        """Asserts that the reply is of a file that was there while it was made."""
        oldest = self.done
        reply = self.live.tile(self.image, level, col, row)
        if reply.status == 503 and self.done > oldest:
            assert reply.headers["retry-after"]  # replaced several times meanwhile
            self.told_to_wait += 1
            return reply
        generation = generation_of(reply)
        assert oldest <= generation <= self.begun, f"{generation}: stale after {oldest}"
        self.answers += 1
        return reply

    def read(self, seed):
        """What one reader does until the end: tiles that the main thread does not ask."""
        tiles = [(8, 0, 0), (7, 0, 0), (9, 1, 0), (9, 0, 1), (3, 0, 0)]
        try:
            while not self.over.is_set():
                self.ask(*tiles[seed % len(tiles)])
                seed += 1
        except Exception as e:  # reported by the test, with its reader
            self.wrong.append(f"reader {seed}: {e!r}")


def test_replaced_under_load(live, tmp_path):
    """200 rounds: right after the rename a MISS with the new pixels, never older ones."""
    race = Replacer(live, tmp_path)
    readers = [threading.Thread(target=race.read, args=(i,)) for i in range(READERS)]
    for reader in readers:
        reader.start()
    try:
        for generation in range(1, ROUNDS + 1):
            race.replace(generation)
            reply = race.ask(9, 1, 1)
            assert reply.x_cache == "MISS", f"round {generation}: {reply.x_cache}"
            assert not race.wrong, race.wrong
            enough = race.answers + READERS
            service.wait_for(lambda n=enough: race.wrong or race.answers >= n, "readers", 10, 0)
    finally:
        race.over.set()
        for reader in readers:
            reader.join()
    assert not race.wrong, race.wrong
    assert race.answers > READERS * ROUNDS, "there was no load"
    assert race.told_to_wait < race.answers / 20, "too often told to come again"


def test_bounded_store(tmp_path):
    """More entries than allowed: the oldest go, what is used stays, answers stay right."""
    file = tiff.write_noise(tmp_path / "big.tiff", 4, 8000, 8000)
    limits = {"caches": {"tiles_cache": {"options": {"max_entries": 100}}}}
    with service.Service(limits, files=[file]) as live:
        image = live.image_id("big.tiff")
        live.tile(image, 8)
        for n in range(300):
            live.tile(image, 13, n % 30, n // 30, fmt="jpeg")
            if n % 10 == 0:
                live.tile(image, 8)
        assert live.counter("evictions") >= 150
        assert live.tile(image, 8).x_cache == "HIT", "what is used was evicted"
        assert live.tile(image, 13, 29, 9, fmt="jpeg").x_cache == "HIT"


def test_no_cache_at_all(noise):
    null = {"caches": {name: {"backend": "null"} for name in ("default", "tiles_cache")}}
    with service.Service(null, files=[noise]) as live:
        image = live.image_id("noise.tiff")
        replies = [live.tile(image, 10) for _ in range(3)]
        assert {r.status for r in replies} == {200}
        assert all(r.x_cache in ("MISS", "BYPASS") for r in replies), replies
        assert len({r.body for r in replies}) == 1


# The catalogue.


def states(live):
    listed = live.ctl_json("images", "list")
    listed = listed["images"] if isinstance(listed, dict) else listed
    return {im.get("file", im.get("filename")): im for im in listed}


def test_images(live, tmp_path):
    """Ids are given once: also not again to another file."""
    first = live.image_id("noise.tiff")
    live.add_file(tiff.write_flat(tmp_path / "b.tiff", (1, 2, 3)), "case/b.tiff")
    live.add_file(tiff.write_flat(tmp_path / "odd", (4, 5, 6)), "plain.dat")
    live.ctl("images", "scan")
    second = states(live)["case/b.tiff"]["id"]
    assert second != first and live.tile(second, 8).status == 200
    live.ctl("images", "remove", str(second))
    assert live.tile(second, 8).status in (404, 410)
    live.ctl("images", "scan")
    assert live.tile(second, 8).status in (404, 410), "a scan brought it back"
    live.add_file(tiff.write_flat(tmp_path / "c.tiff", (7, 8, 9)))
    live.ctl("images", "add", "c.tiff")
    third = states(live)["c.tiff"]["id"]
    assert third not in (first, second) and live.tile(third, 8).status == 200
    live.ctl("images", "add", "c.tiff")
    assert states(live)["c.tiff"]["id"] == third
    assert states(live)["noise.tiff"]["id"] == first


def test_images_failures(live):
    assert live.run_ctl("images", "add", "no-such-file.svs").returncode == 1
    assert live.run_ctl("images", "add", "../config.json").returncode in (1, 2)
    assert live.run_ctl("images", "remove", "999999").returncode == 1
    assert live.run_ctl("images", "remove", "x").returncode in (1, 2)
    assert live.run_ctl("images", "paint").returncode == 2


def test_gone_file(live):
    image = live.image_id("noise.tiff")
    (live.root / "noise.tiff").unlink()
    live.ctl("images", "scan")
    assert states(live)["noise.tiff"]["state"] == "gone"
    for target in (*everything(image).values(), f"/api/v1/images/images/{image}/"):
        assert live.fcgi.get(target).status in (404, 410), target
    assert "noise.tiff" not in live.images(), "what is gone is not listed"


def test_planes(live, tmp_path):
    """z and frame count from 1; a plane that is not there is 404, not another's pixels."""
    live.add_file(tiff.write_flat(tmp_path / "s.tiff", (9, 9, 9)), "stack.tiff")
    for z, frame in ((1, 1), (2, 1), (1, 2), (2, 2), (3, 1)):
        name = f"stack/{z}_{frame}_stack.tiff"
        live.add_file(tiff.write_flat(tmp_path / "p.tiff", (10 * z, 20 * frame, 0)), name)
    live.ctl("images", "scan")
    image = live.image_id("stack.tiff")
    assert not [n for n in live.images() if "1_1" in n], "a plane is no image"
    one = json.loads(live.fcgi.get(f"/api/v1/images/images/{image}/").body)
    assert (one["depth"], one["frames"]) == (3, 2)
    for z, frame in ((1, 1), (2, 1), (1, 2), (2, 2), (3, 1)):
        reply = live.fcgi.get(f"/images/image/{image}/{z}/{frame}/tile_files/8/0_0.png")
        assert reply.status == 200, (z, frame, reply)
        assert oracle.decode(reply.body, "PNG").getpixel((5, 5)) == (10 * z, 20 * frame, 0)
    for z, frame in ((3, 2), (4, 1), (1, 3), (0, 1), (1, 0), (99999999999999999999, 1)):
        reply = live.fcgi.get(f"/images/image/{image}/{z}/{frame}/tile_files/8/0_0.png")
        assert reply.status == 404, (z, frame)


def test_scan_on_start_finds_new_slides(live, tmp_path):
    ids = {name: im["id"] for name, im in live.images().items()}
    live.stop()
    live.add_file(tiff.write_flat(tmp_path / "a-first.tiff", (1, 1, 1)))
    live.start()
    live.image_id("a-first.tiff")
    assert ids.items() <= {n: im["id"] for n, im in live.images().items()}.items()


def test_cold_tile_needs_less_than_a_second(live):
    image = live.image_id("noise.tiff")
    start = time.monotonic()
    live.tile(image, 0)
    assert time.monotonic() - start < 1 * service.SLOW
