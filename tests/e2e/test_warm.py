# SPDX-License-Identifier: MIT
"""Active caching over HTTP: what each call answers and does, who may, what is refused, and
that jobs cost what they may cost and no more."""

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import struct
import threading
import time

import pytest

import fcgi
import servers
import service
import slides
import tiff
import warming
from management import ANNA, API, PASSWORDS, PLACES, USERS, basic, detail, document, encode
from warming import IMAGES, Warmer, levels, paused, tile, tiles_of, total

MADE, SMALL, STACK, BAD = "made.tiff", "small.tiff", "stack.tiff", "no-slide.svs"
PLANES = [(z, frame) for z in (1, 2) for frame in (1, 2, 3)]
UNKNOWN = 999999
MIB = 1 << 20
JOB_FIELDS = {
    *("id", "image", "z_dimension", "frame", "mem_size_mb", "state", "reason", "by"),
    *("created_at", "started_at", "ended_at", "level", "levels", "tiles", "bytes"),
    *("skipped_tiles", "failed_tiles", "failure", "waiting", "tiles_per_s"),
    *("seconds_left", "result", "total_tiles"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """By name below the root."""
    tmp = tmp_path_factory.mktemp("files")
    found = {
        MADE: slides.make_slide(tmp, MADE),
        SMALL: tiff.write_smooth(tmp / SMALL, 5, 1100, 700),
        STACK: tiff.write_noise(tmp / STACK, 9, 700, 500),
        BAD: tmp / BAD,
    }
    (tmp / BAD).write_bytes(b"no slide")
    for z, frame in PLANES:
        name = f"stack/{z}_{frame}_{STACK}"
        (tmp / "stack").mkdir(exist_ok=True)
        found[name] = tiff.write_noise(tmp / name, 10 * z + frame, 700, 500)
    return found


def start(tmp, files, config=None, **options):
    """A service with users and these slides, and one that is none; not started yet."""
    (tmp / "users").write_text(USERS)
    base = {"access": {"htpasswd_file": str(tmp / "users")}, "slides": {"scan": False}}
    live = service.Service(service.merge(base, config), **options)
    for name, file in files.items():
        live.add_file(file, name)
    live.ctl("images", "scan")
    return live


@pytest.fixture(scope="module")
def live(tmp_path_factory, files):
    with start(tmp_path_factory.mktemp("w"), files, web=True) as running:
        yield running


@pytest.fixture(scope="module", params=["lighttpd", "fastcgi"])
def client(request, live):
    return live.web.http if request.param == "lighttpd" else live.fcgi


@pytest.fixture
def anna(client):
    warmer = Warmer(client)
    yield warmer
    warmer.clear()


@pytest.fixture
def made(live):
    image = live.images()[MADE]["id"]
    forget(live, image)
    return image


@pytest.fixture
def small(live):
    image = live.images()[SMALL]["id"]
    forget(live, image)
    return image


@pytest.fixture
def stack(live):
    image = live.images()[STACK]["id"]
    forget(live, image)
    return image


@pytest.fixture
def bad(live):
    return live.images()[BAD]["id"]


def forget(live, image):
    live.ctl("invalidate", "--image", str(image))


class Asking:
    """A call in a thread of its own."""

    def __init__(self, call, *args, **kwargs):
        self.began = time.monotonic()
        self.reply = self.took = None
        self.thread = threading.Thread(target=self.run, args=(call, args, kwargs), daemon=True)
        self.thread.start()

    def run(self, call, args, kwargs):
        """Of several passwords at once only some are looked at: the others ask again."""
        reply = None
        while reply is None or b"password" in reply.body:
            self.began = time.monotonic()
            reply = call(*args, **kwargs)
        self.took = time.monotonic() - self.began
        self.reply = reply

    def result(self):
        self.thread.join(60 * service.SLOW)
        assert self.reply is not None, "no answer"
        return self.reply


# ----- what it answers and what the cache holds ------------------------------------------


def check_shape(found, information, upto=None):
    """EXACT's object: levels from 0 up, cumulative sums."""
    shown = levels(found)
    assert list(found)[: len(shown)] == [str(i) for i in range(len(shown))]
    assert set(found) - {str(i) for i in range(len(shown))} <= {"job"}
    assert len(shown) == (upto or len(information["level_tiles"]))
    sums = {"Total": 0, "Size_MB": 0}
    for level, of in enumerate(shown):
        assert list(of) == ["Level", "Size_MB", "Tiles", "Total", "Sec."]
        assert of["Level"] == level
        assert of["Tiles"] == information["level_tiles"][level]
        assert all(of[name] >= sums[name] for name in sums)
        assert of["Sec."] >= 0
        sums = {name: of[name] for name in sums}


def information(live, image):
    return document(live.fcgi.get(f"{IMAGES}/{image}/slide_information/"))


def stored(server, image):
    """Of a Redis: bytes of key and value of each tile of an image, by level."""
    found = {}
    for key in server.keys():
        pattern = rf"exact:\w+:tile/{image}/(\d+)/(\d+)/(\d+)/(\d+_\d+)\.jpeg~"
        match = re.match(pattern, key.decode())
        if match:
            size = len(key) + server.command("STRLEN", key)
            found.setdefault(int(match[3]), []).append(size)
    return found


def test_the_answer_is_what_the_cache_holds(tmp_path, files):
    with servers.Redis() as server:
        with start(tmp_path, files, servers.kept(server)) as live:
            image = live.images()[MADE]["id"]
            found = document(Warmer(live.fcgi).warm(image, {"mem_size_mb": 100}))
            held = stored(server, image)
            check_shape(found, information(live, image))
            tiles, size = 0, 0
            for level, of in enumerate(levels(found)):
                tiles += len(held[level])
                size += sum(held[level])
                assert of["Total"] == tiles
                assert of["Size_MB"] * MIB == pytest.approx(size, rel=1e-9)
            assert tiles == len(list(tiles_of(live, image)))


def test_everything_is_a_hit_then(live, anna, made):
    all_tiles = list(tiles_of(live, made))
    assert tile(live, made, all_tiles[-1]).x_cache == "MISS"
    found = document(anna.warm(made))
    assert total(found) == len(all_tiles) - 1, "one was there"
    assert {tile(live, made, at).x_cache for at in all_tiles} == {"HIT"}


def test_what_is_there_is_skipped(live, anna, small):
    all_tiles = list(tiles_of(live, small))
    for at in all_tiles[::2]:
        assert tile(live, small, at).x_cache == "MISS"
    found = document(anna.warm(small, {}))
    assert total(found) == len(all_tiles) - len(all_tiles[::2])
    again = document(anna.warm(small, {}))
    check_shape(again, information(live, small))
    assert total(again) == 0 and levels(again)[-1]["Size_MB"] == 0
    last = anna.jobs()[-1]
    assert last["state"] == "done" and last["skipped_tiles"] == len(all_tiles)


def test_planes_are_the_planes_asked_for(live, anna, stack, tmp_path, files):
    """Bytes of a second service that rendered them for a viewer."""
    with start(tmp_path, files) as other:
        twin = other.images()[STACK]["id"]
        seen = set()
        for z, frame in PLANES:
            all_tiles = list(tiles_of(live, stack))
            found = document(anna.warm(stack, {"z_dimension": z, "frame": frame}))
            assert total(found) == len(all_tiles), (z, frame)
            for at in all_tiles:
                mine = tile(live, stack, at, (z, frame))
                theirs = tile(other, twin, at, (z, frame))
                assert (mine.x_cache, theirs.x_cache) == ("HIT", "MISS"), (z, frame, at)
                assert mine.body == theirs.body, (z, frame, at)
            seen.add(mine.body)
        assert len(seen) == len(PLANES), "planes differ"


@pytest.mark.parametrize("mb", [1e-9, 0.001, 0.02, 0.1, 0.25, 0.5])
def test_small_budgets(live, anna, made, mb):
    found = document(anna.warm(made, {"mem_size_mb": mb}))
    size = levels(found)[-1]["Size_MB"] if levels(found) else 0
    assert size <= mb
    job = anna.jobs()[-1]
    assert job["state"] == "done" and job["bytes"]["done"] <= max(1, mb * MIB)
    assert job["tiles"]["done"] == total(found)
    hits = sum(1 for at in tiles_of(live, made) if tile(live, made, at).x_cache == "HIT")
    assert hits == total(found)
    assert total(found) > 0 or mb < 0.001


# ----- bodies ----------------------------------------------------------------------------


FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary="


def parts(fields, boundary="x-y"):
    head = 'Content-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    out = "".join(f"--{boundary}\r\n" + head.format(*f) for f in fields.items())
    return (out + f"--{boundary}--\r\n").encode()


# (type, body, plane and MiB that it means)
BODIES = [
    (None, b"", (1, 1, 5)),
    ("application/json", b"", (1, 1, 5)),
    ("application/json", b"{}", (1, 1, 5)),
    ("application/json; charset=utf-8", b'{"mem_size_mb": 20}', (1, 1, 20)),
    ("application/json", b'{"mem_size_mb": 0.5, "z_dimension": 2, "frame": 3}', (2, 3, 0.5)),
    ("application/json", b'{"mem_size_mb": "7", "z_dimension": "2"}', (2, 1, 7)),
    (FORM, b"", (1, 1, 5)),
    (FORM, b"mem_size_mb=20", (1, 1, 20)),
    (FORM + "; charset=UTF-8", b"mem_size_mb=2.5&z_dimension=2&frame=%33", (2, 3, 2.5)),
    (PARTS + "x-y", parts({}), (1, 1, 5)),
    (PARTS + "x-y", parts({"mem_size_mb": 20, "frame": 2}), (1, 2, 20)),
    (PARTS + '"x y"', parts({"z_dimension": 2}, "x y"), (2, 1, 5)),
]


@pytest.mark.parametrize("kind,body,meant", BODIES, ids=str)
def test_bodies(live, anna, stack, kind, body, meant):
    headers = {"Content_Type": kind} if kind else {}
    with paused(live):
        job = anna.queue(stack, body, **headers)
        assert (job["z_dimension"], job["frame"], job["mem_size_mb"]) == meant
        assert (job["image"], job["by"]) == (stack, "anna (http)")
        anna.cancel(job["id"])
    assert total(document(anna.warm(stack, body, **headers))) > 0


JSON = "application/json"
REFUSED = [
    (JSON, b'{"mem_size_mb": 0}', 422, "mem_size_mb"),
    (JSON, b'{"mem_size_mb": -1}', 422, "mem_size_mb"),
    (JSON, b'{"mem_size_mb": null}', 422, "mem_size_mb"),
    (JSON, b'{"mem_size_mb": true}', 422, "mem_size_mb"),
    (JSON, b'{"mem_size_mb": "x"}', 422, "mem_size_mb"),
    (JSON, b'{"mem_size_mb": [5]}', 422, "mem_size_mb"),
    (JSON, b'{"mem_size_mb": 65537}', 422, "mem_size_mb"),
    (JSON, b'{"mem_size_mb": 1e300}', 422, "mem_size_mb"),
    (JSON, b'{"mem_size_mb": 1e309}', 422, "mem_size_mb"),
    (JSON, b'{"mem_size_mb": 1, "frame": 99999999999999999999}', 422, "frame"),
    (JSON, b'{"mem_size_mb": NaN}', 400, "JSON"),
    (JSON, b'{"mem_size_mb": "nan"}', 422, "mem_size_mb"),
    (JSON, b'{"z_dimension": 0}', 422, "z_dimension"),
    (JSON, b'{"z_dimension": 1.5}', 422, "z_dimension"),
    (JSON, b'{"frame": "0"}', 422, "frame"),
    (JSON, b'{"frame": ""}', 422, "frame"),
    (JSON, b'{"mem_size": 5}', 422, "mem_size"),
    (JSON, b'{"image": 5}', 422, "image"),
    (JSON, b'{"z_dimension": 3}', 404, ""),
    (JSON, b'{"frame": 4}', 404, ""),
    (JSON, b'{"frame": 9007199254740992}', 404, ""),
    (JSON, b"[]", 400, "object"),
    (JSON, b"mem_size_mb=5", 400, "JSON"),
    (JSON, b'{"frame": 1, "frame": 1}', 400, "JSON"),
    (FORM, b"mem_size_mb=0", 422, "mem_size_mb"),
    (FORM, b"mem_size=5", 422, "mem_size"),
    (FORM, b"frame=1&frame=1", 400, "frame"),
    (FORM, b"frame", 400, "form"),
    (FORM, b"frame=%zz", 400, "form"),
    (FORM, b'{"frame": 1}', 400, "form"),
    (FORM, b"&".join(b"f%d=1" % i for i in range(17)), 400, "16"),
    (PARTS + "x-y", parts({"frame": 0}), 422, "frame"),
    (PARTS + "x-y", parts({"frame": 1})[:-4], 400, "form"),
    (PARTS + "z", parts({"frame": 1}), 400, "boundary"),
    (PARTS, parts({"frame": 1}), 400, "boundary"),
    (PARTS + "x-y", parts({'frame"; filename="f': 1}), 400, "form"),
    ("text/plain", b"{}", 415, "multipart/form-data"),
    ("text/plain", b"", 415, "multipart/form-data"),
    ("multipart/mixed; boundary=x-y", parts({"frame": 1}), 415, "multipart/form-data"),
    (None, b"{}", 415, "application/json"),
    (FORM, b"frame=" + b"1" * 65536, 413, ""),
    (PARTS + "x-y", parts({"frame": "1" * 65536}), 413, ""),
]


@pytest.mark.parametrize("kind,body,status,word", REFUSED, ids=lambda v: str(v)[:40])
def test_nothing_of_a_bad_request_happens(live, anna, stack, kind, body, status, word):
    headers = {"Content_Type": kind} if kind else {"Accept": "*/*"}
    request = {n.replace("_", "-"): v for n, v in headers.items()}
    target = f"{IMAGES}/{stack}/update_image_cache/"
    reply = anna.client.request("PATCH", target, {**ANNA, **request}, body)
    if status == 413 and anna.client is not live.fcgi:
        assert reply.status == 413  # lighttpd's own
    else:
        assert word in detail(reply, status)
    assert anna.jobs() == []


def test_images_that_cannot_be_warmed(live, anna, bad):
    assert str(UNKNOWN) in detail(anna.warm(UNKNOWN), 404)
    assert str(UNKNOWN) in detail(anna.add({"image": UNKNOWN}), 404)
    reason = live.images()[BAD]["reason"]
    assert reason and reason in detail(anna.warm(bad), 422)
    assert reason in detail(anna.add({"image": bad}), 422)
    assert anna.jobs() == []


def test_forms_are_for_this_route_alone(anna, made):
    for kind, body in ((FORM, b"image=%d" % made), (PARTS + "x-y", parts({"image": made}))):
        assert "json" in detail(anna.add(body, Content_Type=kind), 415)
    assert anna.jobs() == []


def test_pages_of_other_sites(anna, made):
    for headers in ({"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}):
        for kind, body in ((JSON, b"{}"), (FORM, b"frame=1")):
            assert "site" in detail(anna.warm(made, body, Content_Type=kind, **headers), 403)
        assert "site" in detail(anna.add({"image": made}, **headers), 403)
    assert anna.jobs() == []


# ----- who may ---------------------------------------------------------------------------


# (method, path, body, status for who may)
ROUTES = [
    ("PATCH", IMAGES + "/{image}/update_image_cache{slash}", {}, 200),
    ("PATCH", IMAGES + "/999999/update_image_cache{slash}", {}, 404),
    ("PATCH", IMAGES + "/{image}/update_image_cache{slash}", {"nope": 1}, 422),
    ("GET", API + "/jobs{slash}", None, 200),
    ("HEAD", API + "/jobs{slash}", None, 200),
    ("GET", API + "/jobs/999999{slash}", None, 404),
    ("POST", API + "/jobs{slash}", {"image": UNKNOWN}, 404),
    ("POST", API + "/jobs{slash}", b"{", 400),
    ("DELETE", API + "/jobs/999999{slash}", None, 404),
]
STRANGERS = [
    {},
    basic("anna", "wrong"),
    basic("nobody", PASSWORDS["anna"]),
    basic("exact", "exact"),
    {"Authorization": ANNA["Authorization"].replace("Basic", "Bearer")},
]


def ask_all(client, headers, image):
    for method, path, body, status in ROUTES:
        for slash in ("/", ""):
            raw = b"" if body is None else body if isinstance(body, bytes) else encode(body)
            sent = {**headers, **({"Content-Type": JSON} if raw else {})}
            yield client.request(method, path.format(image=image, slash=slash), sent, raw), status


@pytest.fixture
def wandering(anna):
    """A client that comes from another address each time: ten wrong credentials from one
    are looked at."""
    home = anna.client.source

    class Wanderer:
        def request(self, *args):
            anna.client.source = next(PLACES)
            return anna.client.request(*args)

    yield Wanderer()
    anna.client.source = home


def test_who_is_configured_may(anna, made):
    for reply, status in ask_all(anna.client, ANNA, made):
        assert reply.status == status, reply


@pytest.mark.parametrize("headers", STRANGERS, ids=str)
def test_nobody_else_may(anna, wandering, made, headers):
    for reply, _ in ask_all(wandering, headers, made):
        assert reply.status == 401 and "www-authenticate" in reply.headers
    assert anna.jobs() == []


def test_nobody_is_configured(tmp_path, files):
    with start(tmp_path, files, {"access": {"htpasswd_file": None}}) as bare:
        image = bare.images()[SMALL]["id"]
        for headers in ({}, ANNA):
            for reply, _ in ask_all(bare.fcgi, headers, image):
                assert reply.status == 403
                assert not reply.body or b"access.htpasswd_file" in reply.body


def test_methods(anna, made):
    for path, allowed in (
        (f"{IMAGES}/{made}/update_image_cache/", "PATCH"),
        (f"{API}/jobs/", "GET, HEAD, POST"),
        (f"{API}/jobs/1/", "GET, HEAD, DELETE"),
    ):
        reply = anna.client.request("PUT", path, ANNA)
        detail(reply, 405)
        assert reply.headers["allow"] == allowed


# ----- at once, or a job -----------------------------------------------------------------


@pytest.mark.parametrize(
    "prefer,applied",
    [
        ("respond-async", True),
        ("Respond-Async", True),
        ("wait=10, respond-async; x=1", True),
        ('foo="a, b", respond-async', True),
        ("respond-asynchronously", False),
        ("wait=10", False),
        ("foo=respond-async", False),
    ],
)
def test_prefer(anna, small, prefer, applied):
    reply = anna.warm(small, {}, Prefer=prefer)
    if not applied:
        assert "job" not in document(reply) and "preference-applied" not in reply.headers
        return
    job = document(reply, 202)
    assert set(job) == JOB_FIELDS
    assert reply.headers["preference-applied"] == "respond-async"
    assert reply.headers["location"] == f"{API}/jobs/{job['id']}/"
    done = anna.ended(job["id"])
    assert (done["state"], done["reason"]) == ("done", "")
    assert anna.client.get(reply.headers["location"], ANNA).status == 200


def test_a_jobs_object(live, anna, small):
    job = anna.ended(anna.queue(small)["id"])
    count = len(list(tiles_of(live, small)))
    assert set(job) == JOB_FIELDS
    assert (job["image"], job["z_dimension"], job["frame"]) == (small, 1, 1)
    assert (job["mem_size_mb"], job["by"], job["state"]) == (5, "anna (http)", "done")
    assert job["tiles"] == {"done": count, "planned": count}
    assert job["bytes"]["done"] == job["bytes"]["planned"] > 0
    assert (job["skipped_tiles"], job["failed_tiles"], job["failure"]) == (0, 0, "")
    assert job["created_at"] <= job["started_at"] <= job["ended_at"]
    assert all(job[n].endswith("Z") for n in ("created_at", "started_at", "ended_at"))
    check_shape(job["result"], information(live, small))
    assert levels(job["result"])[-1]["Size_MB"] * MIB == pytest.approx(job["bytes"]["done"])
    assert job["seconds_left"] == 0


def test_posted_jobs(live, anna, made, small, stack):
    reply = anna.add({"image": made})
    [job] = document(reply, 202)["jobs"]
    assert (job["image"], job["mem_size_mb"]) == (made, 5)
    assert reply.headers["location"] == f"{API}/jobs/{job['id']}/"
    assert anna.ended(job["id"])["state"] == "done"
    body = {"images": [stack, small], "mem_size_mb": 1.5, "z_dimension": 1, "frame": 1}
    reply = anna.add(body)
    both = document(reply, 202)["jobs"]
    assert [j["image"] for j in both] == [stack, small]
    assert {j["mem_size_mb"] for j in both} == {1.5}
    assert reply.headers["location"] == f"{API}/jobs/"
    assert job["id"] < both[0]["id"] < both[1]["id"]
    for one in both:
        assert anna.ended(one["id"])["state"] == "done"
    assert [j["id"] for j in anna.jobs()] == [job["id"], both[0]["id"], both[1]["id"]]
    assert anna.jobs() == [anna.job(j["id"]) for j in anna.jobs()]


@pytest.mark.parametrize(
    "body,status,word",
    [
        ({}, 422, "image"),
        ({"image": None}, 422, "image"),
        ({"image": "MADE"}, 422, "image"),
        ({"image": 0}, 422, "image"),
        ({"image": -1}, 422, "image"),
        ({"image": 1.0}, 422, "image"),
        ({"image": True}, 422, "image"),
        ({"image": [1]}, 422, "image"),
        ({"images": []}, 422, "images"),
        ({"images": 1}, 422, "images"),
        ({"images": {"1": 1}}, 422, "images"),
        ({"images": [1, "2"]}, 422, "images"),
        ({"images": [1, 2, 1]}, 422, "twice"),
        ({"images": list(range(1, 66))}, 422, "64"),
        ({"image": 1, "images": [2]}, 422, "image"),
        ({"image": 1, "mem_size_mb": 0}, 422, "mem_size_mb"),
        ({"image": 1, "nope": 0}, 422, "nope"),
        ({"image": 1, "z_dimension": 2}, 404, ""),
        ({"images": [1, UNKNOWN]}, 404, str(UNKNOWN)),
        ([1], 400, "object"),
        (None, 422, "image"),
    ],
    ids=str,
)
def test_bad_jobs(anna, made, body, status, word):
    assert made == 1, "the first by name"
    assert word in detail(anna.add(body), status)
    assert anna.jobs() == []


def test_jobs_that_are_not_there(anna):
    for job in (1 << 40, (1 << 63) - 1):
        assert str(job) in detail(anna.get(f"/jobs/{job}/"), 404)
        assert str(job) in detail(anna.cancel(job), 404)
    for job in ("0", "-1", "x", "1e3", 1 << 63):
        assert anna.get(f"/jobs/{job}/").status == 404
        assert anna.cancel(job).status == 404


def test_jobs_are_cancelled_and_forgotten(live, anna, small):
    with paused(live):
        job = anna.queue(small)["id"]
        assert anna.job(job)["state"] == "queued"
        assert "nope" in detail(anna.cancel(job, {"nope": 1}), 422)
        reply = anna.cancel(job)
        assert (reply.status, reply.body) == (204, b"")
        assert anna.job(job)["state"] == "cancelled"
    assert anna.cancel(job).status == 204
    detail(anna.get(f"/jobs/{job}/"), 404)
    detail(anna.cancel(job), 404)
    assert anna.queue(small)["id"] > job


def test_one_job_an_image(live, anna, stack, small):
    with paused(live):
        first = anna.queue(stack, {"mem_size_mb": 1})
        assert anna.queue(stack, {"mem_size_mb": 1})["id"] == first["id"], "the same"
        for body in ({}, {"mem_size_mb": 1, "frame": 2}, {"mem_size_mb": 1, "z_dimension": 2}):
            for prefer in ({}, {"Prefer": "respond-async"}):
                reply = anna.warm(stack, body, **prefer)
                assert detail(reply, 429) == f"image {stack}: job {first['id']} waits or runs"
                assert int(reply.headers["retry-after"]) >= 1
                assert reply.headers["location"] == f"{API}/jobs/{first['id']}/"
        for body in ({"image": stack, "mem_size_mb": 1}, {"images": [small, stack]}):
            reply = anna.add(body)
            assert detail(reply, 429) == f"image {stack}: job {first['id']} waits or runs"
            assert int(reply.headers["retry-after"]) >= 1
            assert reply.headers["location"] == f"{API}/jobs/{first['id']}/"
        assert [j["id"] for j in anna.active()] == [first["id"]], "all or none"
    assert anna.ended(first["id"])["state"] == "done"
    assert anna.ended(anna.queue(stack)["id"])["state"] == "done"


# ----- waiting ---------------------------------------------------------------------------


LIMIT = 2 * service.SLOW
SOON = 1.5 * service.SLOW


@pytest.fixture(scope="module")
def patient(tmp_path_factory, files):
    """Eight workers, so two may wait, for a little while. Several images."""
    config = {"workers": 8, "warm": {"sync_limit_s": LIMIT}}
    many = {f"{i}.tiff": files[SMALL] for i in range(4)}
    with start(tmp_path_factory.mktemp("p"), many, config) as running:
        yield running


def images_of(live):
    return sorted(im["id"] for im in live.images().values())


def test_who_waits_too_long_gets_what_there_is(patient):
    anna = Warmer(patient.fcgi)
    anna.clear()
    image = images_of(patient)[0]
    with paused(patient):
        began = time.monotonic()
        reply = anna.warm(image)
        took = time.monotonic() - began
        found = document(reply)
        assert LIMIT - 0.2 <= took < LIMIT + SOON
        assert levels(found) == [] and anna.job(found["job"])["state"] == "queued"
        assert "location" not in reply.headers, "to CGI that would be a redirect"
        asking = Asking(anna.warm, image)
    again = document(asking.result())
    assert "job" not in again and total(again) > 0, "the same job, which went on"
    assert [j["id"] for j in anna.jobs()] == [found["job"]]


def test_only_some_wait(patient):
    """The kernel gives their places back, and the others are there for viewers."""
    anna = Warmer(patient.fcgi)
    for _ in range(2):
        anna.clear()
        with paused(patient):
            asking = [Asking(anna.warm, image) for image in images_of(patient)]
            found = [document(a.result()) for a in asking]
        assert all("job" in f for f in found)
        waited = sorted(a.took for a in asking)
        assert waited[0] < SOON and waited[1] < SOON, waited
        assert waited[2] > LIMIT - 0.2 and waited[3] > LIMIT - 0.2, waited


def places_taken(live):
    """By those who wait: each holds a byte of the file."""
    path = live.dir / "state" / "warm.lock"
    if not path.exists():
        return 0
    return sum(warming.is_locked(path, at) for at in range(live.config["workers"]))


@pytest.mark.parametrize("how", ["away", "killed"])
def test_the_place_of_who_is_gone_is_free(live, small, how):
    """Whether the client went away or the worker died; the job is done all the same."""
    anna = Warmer(live.fcgi)
    anna.clear()
    body = b"{}"
    target = f"{IMAGES}/{small}/update_image_cache/"
    params = fcgi.cgi_params("PATCH", target, {**ANNA, "Content-Type": JSON}, body)
    with paused(live):
        with fcgi.connect(live.socket, 10) as sock:
            sock.sendall(fcgi.encode_request(params, body))
            service.wait_for(lambda: places_taken(live) == 1, "somebody waits")
            assert "job" in document(anna.warm(small)), "nobody else may"
            if how == "killed":
                for pid in live.worker_pids():
                    os.kill(pid, signal.SIGKILL)
            else:
                sock.close()
            service.wait_for(lambda: places_taken(live) == 0, "the place is free", 5)
        [job] = service.wait_for(lambda: answered(anna), "the service answers")
    assert anna.ended(job["id"])["state"] == "done"


def answered(anna):
    try:
        return anna.jobs()
    except fcgi.Gone:
        return None


def has_job(anna, image):
    return [j for j in anna.jobs() if j["image"] == image]


def test_a_single_worker_waits_for_nobody(tmp_path, files):
    """There is no other one for viewers."""
    with start(tmp_path, {SMALL: files[SMALL]}, {"workers": 1}) as live:
        anna = Warmer(live.fcgi)
        image = images_of(live)[0]
        with paused(live):
            began = time.monotonic()
            found = document(anna.warm(image))
            assert tile(live, image, (0, 0, 0)).status == 200
            assert time.monotonic() - began < SOON
        assert levels(found) == []
        assert anna.ended(found["job"])["state"] == "done"


def test_a_job_that_is_cancelled_while_somebody_waits(patient):
    anna = Warmer(patient.fcgi)
    anna.clear()
    image = images_of(patient)[0]
    forget(patient, image)
    with paused(patient):
        asking = Asking(anna.warm, image)
        [job] = service.wait_for(lambda: has_job(anna, image), "it is queued")
        assert anna.cancel(job["id"]).status == 204
        found = document(asking.result())
    assert found["job"] == job["id"] and asking.took < LIMIT - 0.2


def test_the_requests_own_time(tmp_path, files):
    """It is over before the master would kill the worker."""
    config = {"request_timeout_s": 3, "warm": {"sync_limit_s": 3600}}
    with start(tmp_path, {SMALL: files[SMALL]}, config) as live:
        anna = Warmer(live.fcgi)
        with paused(live):
            began = time.monotonic()
            assert "job" in document(anna.warm(images_of(live)[0]))
            assert time.monotonic() - began < 2


def test_a_service_that_stops(tmp_path, files):
    """Who waits gets an answer, and the job goes on after the next start."""
    with start(tmp_path, {SMALL: files[SMALL]}) as live:
        anna = Warmer(live.fcgi)
        image = images_of(live)[0]
        with paused(live):
            asking = Asking(anna.warm, image)
            service.wait_for(lambda: has_job(anna, image), "it is queued")
            stopping = threading.Thread(target=live.stop)
            stopping.start()
            found = document(asking.result())
            assert asking.took < 10
        stopping.join()
        live.start()
        assert anna.ended(found["job"])["state"] == "done"


def test_base_path(tmp_path, files):
    with start(tmp_path, {SMALL: files[SMALL]}, {"base_path": "/slides"}) as live:
        client = live.fcgi
        image = images_of(live)[0]
        target = f"/slides{IMAGES}/{image}/update_image_cache"
        sent = {**ANNA, "Content-Type": JSON, "Prefer": "respond-async"}
        reply = client.request("PATCH", target, sent, b"{}")
        job = document(reply, 202)
        assert reply.headers["location"] == f"/slides{API}/jobs/{job['id']}/"
        assert client.get(reply.headers["location"], ANNA).status == 200


# ----- what goes wrong -------------------------------------------------------------------


def test_a_slide_that_is_no_slide_any_more(tmp_path, files):
    with start(tmp_path, {SMALL: files[SMALL]}) as live:
        anna = Warmer(live.fcgi)
        image = images_of(live)[0]
        (live.root / SMALL).write_bytes(b"II*\0" + b"\xff" * 1000)
        sentence = detail(anna.warm(image), 422)
        assert str(live.dir) not in sentence
        job = anna.jobs()[-1]
        assert job["state"] == "failed" and job["reason"] in sentence
        (live.root / SMALL).unlink()
        detail(anna.warm(image), 404)
        assert len(anna.jobs()) == 1


OUT_OF_REACH = "the slides are out of reach"


def test_slides_that_are_out_of_reach(tmp_path, files):
    """Whoever asks learns no path; when they are back nothing has to be started again."""
    with start(tmp_path, {SMALL: files[SMALL]}) as live:
        anna = Warmer(live.fcgi)
        image = images_of(live)[0]
        away = live.dir / "away"
        routes = [
            f"/images/image/{image}/1/1/tile_files/0/0_0.jpeg",
            f"/images/image/{image}/1/1/tile/",
            f"{IMAGES}/{image}/slide_information/",
            f"{IMAGES}/{image}/thumbnail/",
        ]
        assert [live.fcgi.get(route).status for route in routes] == [200] * len(routes)
        shutil.copytree(live.root, away)
        shutil.rmtree(live.root)
        replies = [anna.warm(image), anna.add({"image": image})]
        for reply in [*replies, *map(live.fcgi.get, routes)]:
            sentence = detail(reply, 503)
            assert sentence.startswith(OUT_OF_REACH) and "/" not in sentence
            assert int(reply.headers["retry-after"]) >= 1
        assert anna.jobs() == []
        assert f"slides.root {live.root}: {OUT_OF_REACH}" in live.program.output()
        away.rename(live.root)
        assert [live.fcgi.get(route).status for route in routes] == [200] * len(routes)
        assert total(document(anna.warm(image))) > 0


def test_a_cache_that_keeps_nothing(tmp_path, files):
    config = {"caches": {"tiles_cache": {"backend": "null"}}}
    with start(tmp_path, {SMALL: files[SMALL]}, config) as live:
        anna = Warmer(live.fcgi)
        image = images_of(live)[0]
        for reply in (anna.warm(image), anna.add({"image": image})):
            detail(reply, 503)
            assert int(reply.headers["retry-after"]) >= 1
        assert anna.jobs() == []


def test_a_table_that_is_out_of_reach(tmp_path, files):
    live = start(tmp_path, {SMALL: files[SMALL]}, {"workers": 1})
    table = live.dir / "state" / "jobs"
    table.symlink_to("jobs")
    with live:
        anna = Warmer(live.fcgi)
        image = images_of(live)[0]
        for reply in (
            anna.warm(image),
            anna.add({"image": image}),
            anna.get("/jobs/"),
            anna.get("/jobs/1/"),
            anna.cancel(1),
        ):
            sentence = detail(reply, 503)
            assert "jobs" in sentence and str(live.dir) not in sentence
        assert tile(live, image, (0, 0, 0)).status == 200
        table.unlink()
        service.wait_for(lambda: anna.get("/jobs/").status == 200, "the table is there")
        assert anna.ended(anna.queue(image)["id"], 90)["state"] == "done"


@contextlib.contextmanager
def locked(live):
    """Somebody stands still with the lock of the table."""
    whole = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, warming.TABLE_LOCK, 1, 0)
    with open(live.dir / "state" / "jobs", "rb+") as table:
        service.wait_for(lambda: has_lock(table, whole), "the table is locked")
        yield


def has_lock(file, whole):
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, whole)
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("opened", [True, False], ids=["open", "not open"])
def test_a_table_that_is_locked(tmp_path, files, opened):
    """One request a second waits for it, the others do not."""
    with start(tmp_path, {SMALL: files[SMALL]}, {"workers": 1}) as live:
        anna = Warmer(live.fcgi)
        service.wait_for((live.dir / "state" / "jobs").exists, "the warmer made it")
        if opened:
            assert anna.jobs() == []
        with locked(live):
            began = time.monotonic()
            for _ in range(10):
                detail(anna.get("/jobs/"), 503)
            most = 2 + int(time.monotonic() - began)
        [worker] = live.worker_pids()
        tries = re.findall(rf"error \[{worker}\] jobs: ", live.program.output())
        assert 1 <= len(tries) <= most
        service.wait_for(lambda: anna.get("/jobs/").status == 200, "the table is there")


# ----- what it costs ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """More images than there may be jobs, and a big one among them. Of thousands of requests
    passwords would take the most time: the web server names who asks."""
    tmp = tmp_path_factory.mktemp("crowd")
    tiny = tiff.write_flat(tmp / "tiny.tiff", (200, 150, 100), 40, 30, 16)
    big = slides.make_slide(tmp, "big.tiff", 8000, 6000)
    many = {"big.tiff": big, **{f"{i:03}.tiff": tiny for i in range(80)}}
    with start(tmp, many, {"access": {"trust_remote_user": True}}) as running:
        yield running


POSTS = 10000 if service.LONG else 2000


def resident_kb(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s*(\d+)", status.read())[1])


def test_thousands_of_jobs(crowded):
    """Of which 64 are taken, while the warmer is busy with one of them."""
    anna = Warmer(crowded.fcgi, {}, {"REMOTE_USER": "anna"})
    anna.clear()
    big = crowded.images()["big.tiff"]["id"]
    others = [i for i in images_of(crowded) if i != big]
    forget(crowded, big)
    with paused(crowded):
        first = anna.queue(big, {"mem_size_mb": 1000})["id"]
        before = {pid: resident_kb(pid) for pid in crowded.worker_pids()}
        replies = [anna.add({"image": others[i % len(others)]}) for i in range(POSTS)]
        taken = [r for r in replies if r.status == 202]
        assert len(taken) == 63 and len(anna.active()) == 64
        refused = [r for r in replies if r.status != 202]
        assert {r.status for r in refused} == {429}
        assert all(int(r.headers["retry-after"]) >= 1 for r in refused)
        after = {pid: resident_kb(pid) for pid in crowded.worker_pids()}
        assert set(before) == set(after), "no worker died"
        grown = max(after[pid] - before[pid] for pid in before)
        # The address sanitizer keeps what was freed.
        assert grown < 16 * 1024 or service.is_sanitized(), grown
        assert "64" in detail(anna.add({"images": others[-2:]}), 429)
    anna.cancel(first)
    for reply in taken:
        [job] = json.loads(reply.body)["jobs"]
        assert anna.ended(job["id"], 90)["state"] == "done"


def entries(live):
    return live.ctl_json("stats")["caches"]["tiles_cache"]["entries"]


def test_a_running_job_is_cancelled_at_once(crowded):
    anna = Warmer(crowded.fcgi)
    anna.clear()
    big = crowded.images()["big.tiff"]["id"]
    forget(crowded, big)
    job = anna.queue(big, {"mem_size_mb": 1000})["id"]
    service.wait_for(lambda: anna.job(job)["tiles"]["done"] > 100, "it runs", 60)
    began = time.monotonic()
    assert anna.cancel(job).status == 204
    done = service.wait_for(
        lambda: anna.job(job) if anna.job(job)["state"] == "cancelled" else None, "it stopped", 5
    )
    assert time.monotonic() - began < 1 * service.SLOW
    assert 100 < done["tiles"]["done"] < done["tiles"]["planned"]
    held = entries(crowded)
    time.sleep(1)
    assert entries(crowded) == held
    found = levels(document(anna.warm(big, {"mem_size_mb": 0.01})))
    whole = found[: done["level"]]
    assert whole and whole[-1]["Total"] == 0, "what it had stored is there, and skipped"


# ----- what is written down --------------------------------------------------------------


def audit(live):
    return re.findall(r"(?m)^\S+ info \[\d+\] audit: (.*)$", live.program.output())


def test_each_change_is_a_line_of_the_log(live, small, stack):
    anna = Warmer(live.fcgi, params={"REMOTE_ADDR": "192.0.2.7"})
    said = len(audit(live))
    with paused(live):
        one = anna.queue(small, {"mem_size_mb": 2})["id"]
        anna.queue(small, {"mem_size_mb": 2})
        [two] = document(anna.add({"image": stack, "frame": 2}), 202)["jobs"]
        anna.warm(small, {"mem_size_mb": 3})
        anna.warm(small, {"nope": 1})
        anna.cancel(one)
        anna.cancel(one)
        anna.cancel(one)
        anna.cancel(two["id"])
    assert audit(live)[said:] == [
        "anna from 192.0.2.7: " + line
        for line in (
            f"queued job {one}: warm image {small}, plane 1/1, 2097152 bytes",
            f"queued job {two['id']}: warm image {stack}, plane 1/2, 5242880 bytes",
            f"cancelled job {one}: warm image {small}",
            f"forgot job {one}: warm image {small}",
            f"cancelled job {two['id']}: warm image {stack}",
        )
    ]
    anna.clear()
