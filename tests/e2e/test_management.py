# SPDX-License-Identifier: MIT
"""Managing versions over HTTP: what each call does, who may, and what is refused; behind
lighttpd and spoken to directly."""

import base64
import json
import os
import re
import subprocess
import urllib.error
import urllib.request

import pytest

import servers
import service
import tiff
from management import ANNA, API, PASSWORDS, USERS, Manager, basic, detail, document

IDS = (7, 17, 71)
FIELDS = {"version", "changed_at", "changed_by", "orphaned_entries", "orphaned_bytes"}
INITIAL = {"tiles", "thumbnails", "slides", "acl"}
CHALLENGE = 'Basic realm="slidecache", charset="UTF-8"'
UNKNOWN_IMAGE = 170


def add_images(live, file):
    """A catalogue whose ids are IDS, each with a copy of file."""
    catalogue = live.dir / "state" / "images.json"
    images = []
    for image in IDS:
        catalogue.write_text(json.dumps({"next_id": image, "images": images}))
        live.add_file(file, f"{image}.tiff")
        live.ctl("images", "add", f"{image}.tiff")
        images = json.loads(catalogue.read_text())["images"]
    assert [im["id"] for im in images] == list(IDS)


def start(tmp, config=None, **options):
    """A service with users and images; not started yet."""
    users = tmp / "users"
    users.write_text(USERS)
    base = {
        "slides": {"scan": False},
        "migrate_on_start": True,
        "access": {"htpasswd_file": str(users)},
    }
    live = service.Service(service.merge(base, config), **options)
    live.users = users
    add_images(live, tiff.write_noise(tmp / "s.tiff", 1, 700, 500))
    return live


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with start(tmp_path_factory.mktemp("m"), web=True) as running:
        yield running


@pytest.fixture(scope="module", params=["lighttpd", "fastcgi"])
def client(request, live):
    return live.web.http if request.param == "lighttpd" else live.fcgi


@pytest.fixture
def anna(client):
    return Manager(client)


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Nobody is configured."""
    config = {"access": {"htpasswd_file": None}}
    with start(tmp_path_factory.mktemp("b"), config) as running:
        yield running


@pytest.fixture(scope="module")
def trusting(tmp_path_factory):
    """The web server says who asks."""
    config = {"access": {"htpasswd_file": None, "trust_remote_user": True}}
    with start(tmp_path_factory.mktemp("t"), config) as running:
        yield running


def check_object(found, by="anna (http)"):
    assert set(found) == FIELDS, found
    assert re.fullmatch(r"[A-Za-z0-9]{8}", found["version"]), found
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", found["changed_at"]), found
    assert found["changed_by"] == by
    return found["version"]


# ----- what each call does ---------------------------------------------------------------


def test_one_is_what_the_list_says(client):
    everybody = Manager(client, headers={})
    listed = document(everybody.get("/versions/"))["versions"]
    assert INITIAL <= set(listed)
    for name in INITIAL:
        for slash in ("", "/"):
            one = document(everybody.get(f"/versions/{name}{slash}"))
            assert set(one) == FIELDS
            assert one["version"] == listed[name]["version"]


def test_invalidate_one(anna):
    for slash in ("", "/"):
        before = anna.versions()
        reply = anna.post(f"/versions/thumbnails/invalidate{slash}")
        new = check_object(document(reply))
        after = anna.versions()
        assert new == after["thumbnails"] != before["thumbnails"]
        assert {n for n in before if before[n] != after[n]} == {"thumbnails"}


def test_invalidate_several(anna):
    for slash in ("", "/"):
        before = anna.versions()
        body = {"caches": ["tiles", "slides", "tiles"], "images": [7, 7]}
        found = document(anna.post(f"/invalidate{slash}", body))
        assert list(found) == ["versions"]
        assert list(found["versions"]) == ["image/7", "slides", "tiles"]
        after = anna.versions()
        for name, version in found["versions"].items():
            assert check_object(version) == after[name] != before.get(name)
        others = set(before) - set(found["versions"])
        assert {n: before[n] for n in others} == {n: after[n] for n in others}


def test_invalidate_all(anna):
    document(anna.post("/invalidate/", {"images": list(IDS)}))
    before = anna.versions()
    found = document(anna.post("/invalidate/", {"all": True}))["versions"]
    after = anna.versions()
    # Images are forgotten until somebody reads theirs, as the service's sweep may.
    assert set(found) == {n for n in after if not n.startswith("image/")} >= INITIAL
    for name, version in found.items():
        assert check_object(version) == after[name]
    after |= {n: document(anna.get(f"/versions/{n}/"))["version"]
              for n in before if n.startswith("image/")}
    assert set(before) == set(after)
    assert all(before[n] != after[n] for n in before), "images too"


def test_start_and_stop(anna):
    """A PUT that is sent again because its answer was lost is no error."""
    used = set()
    for _ in range(3):
        first = document(anna.put("team/theme"), 201)
        again = document(anna.put("team/theme"), 200)
        check_object(first)
        assert first["version"] == again["version"] == anna.versions()["team/theme"]
        assert again["changed_at"] == first["changed_at"]
        used.add(first["version"])
        used.add(document(anna.invalidate("team/theme"))["version"])
        gone = anna.delete("team/theme")
        assert (gone.status, gone.body) == (204, b"")
        assert "content-length" not in gone.headers
        assert "content-type" not in gone.headers
        detail(anna.delete("team/theme"), 404)
        detail(anna.get("/versions/team/theme/"), 404)
        detail(anna.invalidate("team/theme"), 404)
        assert "team/theme" not in anna.versions()
    assert len(used) == 6


def test_names_that_look_like_routes(anna):
    for name in ("invalidate", "a/invalidate", "versions", "a.b-c_d/0", "x" * 128):
        assert document(anna.put(name), 201)["version"] == anna.versions()[name]
        old = document(anna.get(f"/versions/{name}/"))["version"]
        assert document(anna.invalidate(name))["version"] != old
        assert anna.delete(name).status == 204
        assert name not in anna.versions()


def test_head(anna, client):
    reply = client.request("HEAD", f"{API}/versions/tiles/", {})
    assert reply.status == 200 and reply.body == b""
    assert client.request("HEAD", f"{API}/stats/", {}).status == 401
    assert client.request("HEAD", f"{API}/stats/", ANNA).status == 200


# ----- images ----------------------------------------------------------------------------


def targets(image):
    api = f"/api/v1/images/images/{image}"
    return [
        f"/images/image/{image}/1/1/tile_files/9/0_0.jpeg",
        f"/images/image/{image}/1/1/tile_files/10/1_1.png",
        f"/images/image/{image}/1/1/tile/",
        f"{api}/thumbnail/",
        f"{api}/slide_information/",
    ]


def warm(live):
    for image in IDS:
        for target in targets(image):
            assert live.fcgi.get(target).status == 200
            assert live.fcgi.get(target).x_cache == "HIT", target


def results(live):
    """By image, how its targets are answered now."""
    return {i: {live.fcgi.get(t).x_cache for t in targets(i)} for i in IDS}


def test_one_image_and_no_other(live, anna):
    ways = [
        lambda: anna.post("/invalidate/", {"images": [7]}),
        lambda: anna.invalidate("image/7"),
        lambda: anna.post("/invalidate/", {"caches": ["image/7"]}),
    ]
    for way in ways:
        warm(live)
        assert way().status == 200
        assert results(live) == {7: {"MISS"}, 17: {"HIT"}, 71: {"HIT"}}


def test_image_by_name(anna):
    for image in IDS:
        one = document(anna.get(f"/versions/image/{image}/"))
        assert set(one) == FIELDS
        again = document(anna.get(f"/versions/image/{image}"))
        assert one["version"] == again["version"]


def test_unknown_images(live, anna):
    """Neither reading nor changing makes a version for an image that there is none of."""
    name = f"image/{UNKNOWN_IMAGE}"
    before = anna.versions()
    assert str(UNKNOWN_IMAGE) in detail(anna.get(f"/versions/{name}/"), 404)
    detail(anna.invalidate(name), 404)
    detail(anna.post("/invalidate/", {"images": [UNKNOWN_IMAGE]}), 404)
    detail(anna.post("/invalidate/", {"images": [7, UNKNOWN_IMAGE]}), 404)
    detail(anna.post("/invalidate/", {"caches": ["tiles", name]}), 404)
    detail(anna.post("/invalidate/", {"images": [2**62]}), 404)
    for odd in ("image/07", "image/0", "image/x", "image/7x", "image/7/1"):
        detail(anna.get(f"/versions/{odd}/"), 404)
        detail(anna.invalidate(odd), 404)
    assert anna.versions() == before == anna.versions()
    listed = live.ctl_json("versions")
    assert name not in listed


def test_images_are_not_started_or_stopped(anna):
    before = anna.versions()
    for image in (7, UNKNOWN_IMAGE):
        detail(anna.put(f"image/{image}"), 400)
        detail(anna.delete(f"image/{image}"), 400)
    assert anna.versions() == before


def test_a_kind_that_is_stopped(live, anna):
    """Its results are not cached, the others are; started again, nothing of before is
    found."""
    target = "/api/v1/images/images/7/thumbnail/"
    others = [t for t in targets(7) if t != target]
    warm(live)
    assert anna.delete("thumbnails").status == 204
    assert [live.fcgi.get(target).x_cache for _ in range(2)] == ["BYPASS"] * 2
    assert {live.fcgi.get(t).x_cache for t in others} == {"HIT"}
    document(anna.put("thumbnails"), 201)
    assert [live.fcgi.get(target).x_cache for _ in range(2)] == ["MISS", "HIT"]
    assert {live.fcgi.get(t).x_cache for t in others} == {"HIT"}


# ----- all or nothing, and what is refused -----------------------------------------------


@pytest.mark.parametrize(
    "body,status,word",
    [
        ({"caches": ["tiles", "nope"]}, 404, "nope"),
        ({"caches": ["tiles"], "images": [UNKNOWN_IMAGE]}, 404, str(UNKNOWN_IMAGE)),
        ({"caches": ["nope"], "images": [7]}, 404, "nope"),
        ({"caches": ["tiles", "Tiles"]}, 400, "Tiles"),
        ({"caches": ["tiles", ""]}, 400, "name"),
        ({"caches": ["tiles", "x" * 129]}, 400, "129"),
        ({"caches": ["tiles", "a\r\nb"]}, 400, "name"),
        ({"caches": ["tiles", "#origin"]}, 400, "name"),
        ({"caches": ["tiles"], "cachs": []}, 422, "cachs"),
        ({"caches": "tiles"}, 422, "caches"),
        ({"caches": ["tiles", 7]}, 422, "caches"),
        ({"caches": {"tiles": 1}}, 422, "caches"),
        ({"caches": None}, 422, "caches"),
        ({"images": 7}, 422, "images"),
        ({"images": ["7"]}, 422, "images"),
        ({"images": [7.0]}, 422, "images"),
        ({"images": [True]}, 422, "images"),
        ({"images": [0]}, 422, "images"),
        ({"images": [-7]}, 422, "images"),
        ({"all": True, "caches": ["tiles"]}, 422, "all"),
        ({"all": True, "images": []}, 422, "all"),
        ({"all": False}, 422, "all"),
        ({"all": "true"}, 422, "all"),
        ({"all": None}, 422, "all"),
        ({}, 422, "nothing"),
        ({"caches": []}, 422, "nothing"),
        ({"caches": [], "images": []}, 422, "nothing"),
        ({"caches": ["tiles"] * 1001}, 422, "1001"),
        ({"caches": ["tiles"] * 1000, "images": [7]}, 422, "1001"),
        ([{"all": True}], 400, "object"),
        ("all", 400, "JSON"),
        (b"{", 400, "JSON"),
        (b'{"all": true, "all": true}', 400, "JSON"),
        (b'{"caches": ["tiles\xff"]}', 400, "JSON"),
        (b'{"caches": ' + b"[" * 8 + b"]" * 8 + b"}", 400, "deep"),
        (b'{"x": ' + b"[" * 30000 + b"]" * 30000 + b"}", 400, "deep"),
        (None, 422, "nothing"),
    ],
)
def test_nothing_of_a_bad_request_happens(anna, body, status, word):
    before = anna.versions()
    assert word in detail(anna.post("/invalidate/", body), status)
    assert anna.versions() == before


def test_a_thousand_at_once(anna):
    names = [f"n/{i}" for i in range(997)]
    for name in names:
        assert anna.put(name).status == 201
    before = anna.versions()
    found = document(anna.post("/invalidate/", {"caches": names, "images": list(IDS)}))
    assert len(found["versions"]) == 1000
    assert all(before.get(n) != v["version"] for n, v in found["versions"].items())
    for name in names:
        assert anna.delete(name).status == 204


BAD_NAMES = ["Tiles", "a%20b", "x" * 129, "a:b", "%C3%A9", "a+b", "a,b", "a~b"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names(anna, name):
    before = anna.versions()
    detail(anna.get(f"/versions/{name}/"), 400)
    detail(anna.put(name), 400)
    detail(anna.delete(name), 400)
    detail(anna.invalidate(name), 400)
    assert anna.versions() == before


def test_calls_on_one_name_take_no_fields(anna):
    before = anna.versions()
    for body in ({"all": True}, {"name": "x"}):
        for reply in (
            anna.put("x", body),
            anna.delete("tiles", body),
            anna.post("/versions/tiles/invalidate/", body),
        ):
            assert list(body)[0] in detail(reply, 422)
    assert anna.versions() == before
    assert anna.post("/versions/tiles/invalidate/", {}).status == 200


def test_methods(anna):
    for target, method, allowed in [
        ("/versions/", "POST", "GET, HEAD"),
        ("/versions/tiles/", "POST", "GET, HEAD, PUT, DELETE"),
        ("/versions/tiles/", "PATCH", "GET, HEAD, PUT, DELETE"),
        ("/versions/tiles/invalidate/", "PATCH", "GET, HEAD, POST, PUT, DELETE"),
        ("/invalidate/", "GET", "POST"),
        ("/invalidate/", "DELETE", "POST"),
        ("/stats/", "POST", "GET, HEAD"),
    ]:
        reply = anna.call(method, target)
        detail(reply, 405)
        assert reply.headers["allow"] == allowed, (method, target)


# ----- who may ---------------------------------------------------------------------------


# (method, target, body, status for who may): each managing route, with and without slash.
MANAGING = [
    ("PUT", "/versions/new{}", None, 201),
    ("POST", "/versions/tiles/invalidate{}", None, 200),
    ("POST", "/versions/image/7/invalidate{}", None, 200),
    ("POST", "/invalidate{}", {"caches": ["tiles"]}, 200),
    ("POST", "/invalidate{}", {"all": True}, 200),
    ("GET", "/stats{}", None, 200),
    ("DELETE", "/versions/new{}", None, 204),
    # Of these a stranger is not even told what is wrong.
    ("POST", "/versions/nope/invalidate{}", None, 404),
    ("DELETE", "/versions/nope{}", None, 404),
    ("PUT", "/versions/Nope{}", None, 400),
    ("POST", "/invalidate{}", {"nope": 1}, 422),
    ("POST", "/invalidate{}", b"{", 400),
    ("POST", "/no/such/route{}", None, 404),
]
EACH = [(m, t.format(s), b, ok) for s in ("/", "") for m, t, b, ok in MANAGING]

WRONG = [
    {},
    basic("anna", "wrong"),
    basic("anna", PASSWORDS["otto"]),
    basic("Anna", PASSWORDS["anna"]),
    basic("nobody", PASSWORDS["anna"]),
    basic("anna", ""),
    basic("", PASSWORDS["anna"]),
    {"Authorization": "Basic"},
    {"Authorization": "Basic !!!!"},
    {"Authorization": ANNA["Authorization"].rstrip("=") + "===="},
    {"Authorization": ANNA["Authorization"].replace("Basic", "Bearer")},
    {"Authorization": ANNA["Authorization"].removeprefix("Basic ")},
    {"Authorization": "Basic " + base64.b64encode(b"anna:" + b"x" * 5000).decode()},
    {"Remote-User": "anna"},
    {"X-Remote-User": "anna"},
]


def test_who_is_configured_may(anna):
    for method, target, body, status in EACH:
        reply = anna.call(method, target, body)
        assert reply.status == status, (method, target, reply)


@pytest.mark.parametrize("headers", WRONG, ids=str)
def test_nobody_else_may(client, headers):
    stranger = Manager(client, headers=headers).wandering()
    before = stranger.versions()
    for method, target, body, _ in EACH:
        reply = stranger.call(method, target, body)
        detail(reply, 401)
        assert reply.headers["www-authenticate"] == CHALLENGE
        assert reply.headers["cache-control"] == "no-store"
    assert stranger.versions() == before


def test_all_kinds_of_hashes(client):
    for user, password in PASSWORDS.items():
        reply = Manager(client, basic(user, password)).invalidate("acl")
        check_object(document(reply), f"{user} (http)")


def test_the_web_servers_user_is_not_trusted_unless_told(live):
    stranger = Manager(live.fcgi, headers={}, params={"REMOTE_USER": "anna"})
    for method, target, body, _ in EACH:
        detail(stranger.call(method, target, body), 401)


def test_nobody_is_configured(bare):
    """Whatever is sent: a sentence that says how to set it up."""
    everybody = [
        Manager(bare.fcgi, headers={}),
        Manager(bare.fcgi, headers=ANNA),
        Manager(bare.fcgi, headers={}, params={"REMOTE_USER": "anna"}),
    ]
    before = everybody[0].versions()
    for who in everybody:
        for method, target, body, _ in EACH:
            sentence = detail(who.call(method, target, body), 403)
            for word in ("access.htpasswd_file", "access.trust_remote_user", "slidecachectl"):
                assert word in sentence
    assert everybody[0].versions() == before
    bare.ctl("invalidate", "tiles")
    assert everybody[0].versions()["tiles"] != before["tiles"]


def test_the_web_servers_user_is_trusted_when_told(trusting):
    carla = Manager(trusting.fcgi, headers={}, params={"REMOTE_USER": "carla"})
    for method, target, body, status in EACH:
        assert carla.call(method, target, body).status == status
    check_object(document(carla.invalidate("tiles")), "carla (http)")
    long_name = Manager(trusting.fcgi, headers={}, params={"REMOTE_USER": "x" + "é" * 31})
    check_object(document(long_name.invalidate("tiles")), "x" + "é" * 27 + " (http)")


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", b"\xff"])
def test_users_who_are_none(trusting, name):
    who = Manager(trusting.fcgi, headers=ANNA, params={"REMOTE_USER": name})
    for method, target, body, _ in EACH:
        detail(who.call(method, target, body), 401)


def test_reading_needs_no_credentials(client):
    for headers in WRONG:
        everybody = Manager(client, headers)
        assert everybody.get("/versions/").status == 200
        assert everybody.get("/versions/tiles/").status == 200
        assert everybody.get("/versions/image/7/").status == 200
        for target in targets(17):
            assert client.get(target, headers).status == 200


def test_users_change_while_it_runs(live):
    """With the next request, in each worker."""
    eva = basic("eva", PASSWORDS["otto"])
    line = next(row for row in USERS.splitlines() if row.startswith("otto:"))
    try:
        for _ in range(3):
            live.users.write_text(USERS + line.replace("otto:", "eva:") + "\n")
            for _ in range(12):
                assert Manager(live.fcgi, eva).get("/stats/").status == 200
            live.users.write_text(USERS)
            for _ in range(12):
                assert Manager(live.fcgi, eva).wandering().get("/stats/").status == 401
        live.users.unlink()
        for _ in range(12):
            sentence = detail(Manager(live.fcgi).get("/stats/"), 503)
            assert sentence == "users cannot be checked now"
            assert Manager(live.fcgi, {}).get("/stats/").status == 401
            assert Manager(live.fcgi).get("/versions/").status == 200
    finally:
        live.users.write_text(USERS)
    assert Manager(live.fcgi).get("/stats/").status == 200


# ----- what comes from where -------------------------------------------------------------


def test_types(anna):
    good = ["application/json", "application/json; charset=utf-8", "Application/JSON"]
    bad = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/plain; application/json",
    ]
    body = b'{"caches": ["tiles"]}'
    for kind in good:
        assert anna.post("/invalidate/", body, Content_Type=kind).status == 200
        assert anna.invalidate("tiles").status == 200
    before = anna.versions()
    for kind in bad:
        assert "json" in detail(anna.post("/invalidate/", body, Content_Type=kind), 415)
        detail(anna.post("/versions/tiles/invalidate/", b"", Content_Type=kind), 415)
        detail(anna.put("x", b"", Content_Type=kind), 415)
        detail(anna.delete("tiles", b"", Content_Type=kind), 415)
    detail(anna.client.request("POST", API + "/invalidate/", ANNA, body), 415)
    assert anna.versions() == before


def test_a_stranger_is_not_told_of_types(client):
    stranger = Manager(client, {})
    for headers in ({"Content_Type": "text/plain"}, {"Origin": "http://evil.example"}):
        detail(stranger.post("/invalidate/", b"x", **headers), 401)


def own_origin(client):
    port = getattr(client, "port", None)
    return f"http://127.0.0.1:{port}" if port else "http://localhost"


def test_pages(anna, client):
    own = own_origin(client)
    for headers in (
        {"Origin": own},
        {"Origin": own, "Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "none"},
    ):
        assert anna.post("/invalidate/", {"caches": ["tiles"]}, **headers).status == 200
    before = anna.versions()
    for headers in (
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "cross-site", "Origin": own},
        {"Origin": "null"},
        {"Origin": "http://evil.example"},
        {"Origin": own + ".evil.example"},
        {"Origin": "http://localhost:1"},
    ):
        assert "site" in detail(anna.post("/invalidate/", {"all": True}, **headers), 403)
        detail(anna.put("x", **headers), 403)
        detail(anna.delete("tiles", **headers), 403)
        detail(anna.post("/versions/tiles/invalidate/", **headers), 403)
    assert anna.versions() == before


def test_large_bodies(live):
    before = Manager(live.fcgi).versions()
    body = b'{"caches": ["tiles"], "x": "' + b"x" * 65536 + b'"}'
    detail(Manager(live.fcgi).post("/invalidate/", body), 413)
    assert Manager(live.web.http).post("/invalidate/", body).status == 413
    assert Manager(live.fcgi).versions() == before


# ----- what is written down --------------------------------------------------------------


def audit(live):
    """What was said of changes, without the lines' heads."""
    return re.findall(r"(?m)^\S+ info \[\d+\] audit: (.*)$", live.program.output())


def test_each_change_is_a_line_of_the_log(live):
    anna = Manager(live.fcgi, params={"REMOTE_ADDR": "192.0.2.7"})
    said = len(audit(live))
    anna.put("seen")
    anna.put("seen")
    anna.invalidate("seen")
    anna.post("/invalidate/", {"caches": ["tiles", "acl"], "images": [17]})
    anna.post("/invalidate/", {"all": True})
    anna.delete("seen")
    refused = [
        anna.delete("seen"),
        anna.post("/invalidate/", {"caches": ["tiles", "nope"]}),
        anna.post("/invalidate/", {}),
        Manager(live.fcgi, {}).invalidate("tiles"),
    ]
    assert [r.status for r in refused] == [404, 404, 422, 401]
    assert audit(live)[said:] == [
        "anna from 192.0.2.7: started seen",
        "anna from 192.0.2.7: invalidated seen",
        "anna from 192.0.2.7: invalidated acl, image/17, tiles",
        "anna from 192.0.2.7: invalidated all versioned caches",
        "anna from 192.0.2.7: stopped seen",
    ]


def test_the_log_cannot_be_forged(trusting):
    evil = "192.0.2.7\n2026-01-01T00:00:00.000Z info [1] audit: root from x: y"
    params = {"REMOTE_USER": "é\\", "REMOTE_ADDR": evil}
    said = len(audit(trusting))
    assert Manager(trusting.fcgi, {}, params).invalidate("tiles").status == 200
    assert len(audit(trusting)) == said + 1
    forged = "192.0.2.7%0A2026-01-01T00:00:00.000Z%20info%20%5B1%5D%20audit:%20root%20from%20x:%20y"
    assert audit(trusting)[-1] == f"%C3%A9%5C from {forged}: invalidated tiles"


def test_nothing_secret_is_logged(live):
    Manager(live.fcgi).invalidate("tiles")
    Manager(live.fcgi, basic("anna", "MISTYPED")).invalidate("tiles")
    log = live.program.output()
    for secret in ("MISTYPED", "w\\xc3\\xb6rd", "pass:w", "$2y$", ANNA["Authorization"][6:]):
        assert secret not in log
    assert base64.b64encode(b"anna:MISTYPED").decode() not in log


def test_other_changes_are_not_anybodys(live):
    """A version that comes into being by being read is the service's, also right after a
    change by a user."""
    anna = Manager(live.fcgi)
    live.reconfigure({"workers": 1})
    anna.invalidate("tiles")
    live.add_file(live.root / "7.tiff", "new.tiff")
    live.ctl("images", "add", "new.tiff")
    image = live.image_id("new.tiff")
    found = document(anna.get(f"/versions/image/{image}/"))
    assert found["changed_by"].startswith("slidecached ("), found


# ----- statistics ------------------------------------------------------------------------


def shape(value):
    return {k: shape(v) for k, v in value.items()} if isinstance(value, dict) else None


def test_stats_are_those_of_the_command_line(live, anna):
    warm(live)
    anna.post("/invalidate/", {"images": [7]})
    for slash in ("", "/"):
        found = document(anna.get(f"/stats{slash}"))
        told = live.ctl_json("stats")
        assert shape(found) == shape(told)
        for name in ("default", "tiles_cache"):
            one = found["caches"][name]
            assert (one["state"], one["backend"]) == ("ok", "embedded")
            assert one["entries"] > 0 and one["bytes"] > 0
            assert one["hits"] == told["caches"][name]["hits"]
        assert found["orphaned_entries"] >= len(targets(7))
        assert found["orphaned_bytes"] > 0


def test_stats_of_what_is_away(tmp_path):
    with servers.Memcached() as server:
        with start(tmp_path, servers.kept(server)) as live:
            anna = Manager(live.fcgi)
            assert document(anna.get("/stats/"))["caches"]["tiles_cache"]["state"] == "ok"
            server.kill()
            one = document(anna.get("/stats/"))["caches"]["tiles_cache"]
            assert one["state"] == "unavailable" and one["reason"]
            assert one["entries"] is None and one["bytes"] is None


# ----- the version store is away ---------------------------------------------------------


def test_the_version_store_is_away(tmp_path):
    """Nothing is lost silently: what was not confirmed is answered 503."""
    with servers.Redis() as server:
        # One worker: each finds out for itself that the server is back.
        config = {"workers": 1, **servers.kept(versions=server)}
        with start(tmp_path, config) as live:
            check_away(server, Manager(live.fcgi))


def check_away(server, anna):
    assert anna.put("extra").status == 201
    before = anna.versions()
    server.pause()
    for reply in (
        anna.invalidate("tiles"),
        anna.post("/invalidate/", {"caches": ["tiles", "extra"]}),
        anna.post("/invalidate/", {"all": True}),
        anna.put("another"),
        anna.delete("extra"),
        anna.get("/versions/"),
        anna.get("/versions/tiles/"),
    ):
        assert "store" in detail(reply, 503)
        assert int(reply.headers["retry-after"]) >= 1
    assert anna.post("/invalidate/", {"caches": 7}).status == 422
    server.resume()
    service.wait_for(lambda: anna.get("/versions/tiles/").status == 200, "it answers again")
    new = service.wait_for(lambda: changed(anna, "tiles"), "it takes changes again")
    assert new == anna.versions()["tiles"] != before["tiles"]


def changed(anna, name):
    reply = anna.invalidate(name)
    return document(reply)["version"] if reply.status == 200 else None


# ----- how programs do it ----------------------------------------------------------------


def open_url(opener, url, method, body=None, headers=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers or {}, method=method)
    with opener.open(request, timeout=30 * service.SLOW) as reply:
        text = reply.read()
        return reply.status, json.loads(text) if text else None


def test_a_program_that_waits_for_the_challenge(live):
    """urllib, as curl --anyauth and browsers: asks without, reads the 401, asks again."""
    base = own_origin(live.web.http) + API
    manager = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    manager.add_password("slidecache", base, "anna", PASSWORDS["anna"])
    handler = urllib.request.HTTPBasicAuthHandler(manager)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)
    sent = {"Content-Type": "application/json"}
    status, found = open_url(opener, f"{base}/invalidate/", "POST", {"images": [7]}, sent)
    assert status == 200 and set(found["versions"]) == {"image/7"}
    assert open_url(opener, f"{base}/versions/mine/", "PUT")[0] == 201
    assert open_url(opener, f"{base}/versions/mine/invalidate/", "POST")[0] == 200
    assert open_url(opener, f"{base}/versions/mine/", "DELETE") == (204, None)
    with pytest.raises(urllib.error.HTTPError) as error:
        open_url(opener, f"{base}/versions/mine/", "DELETE")
    assert error.value.code == 404


def test_a_program_that_sends_them_at_once(live):
    """As EXACT's client and requests with auth=(user, password) do, on every call."""
    base = own_origin(live.web.http) + API
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    headers = {
        **ANNA,
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": "Swagger-Codegen/1.0.0/python",
        "Accept-Encoding": "identity",
    }
    for method, path, body, status in [
        ("GET", "/versions/", None, 200),
        ("POST", "/invalidate/", {"caches": ["tiles"]}, 200),
        ("POST", "/versions/tiles/invalidate/", {}, 200),
        ("PUT", "/versions/mine/", None, 201),
        ("DELETE", "/versions/mine/", None, 204),
        ("GET", "/stats/", None, 200),
    ]:
        assert open_url(opener, base + path, method, body, headers)[0] == status


# ----- the option ------------------------------------------------------------------------


def check_config(live, users):
    argv = [service.BUILD / "slidecached", "--config", live.config_file, "--check-config"]
    argv += ["--set", f"access.htpasswd_file={users}"]
    return subprocess.run(
        [str(a) for a in argv],
        capture_output=True,
        text=True,
        env={**os.environ, **live.env},
        timeout=60 * service.SLOW,
    )


def test_the_file_is_checked_at_start(live, tmp_path):
    good = check_config(live, live.users)
    assert (good.returncode, good.stderr) == (0, "")
    large = tmp_path / "large"
    large.write_text("#" * ((1 << 20) + 1))
    for bad in (tmp_path / "none", tmp_path, large):
        done = check_config(live, bad)
        assert done.returncode == 1
        assert "access.htpasswd_file: " in done.stderr
    odd = tmp_path / "odd"
    odd.write_text(USERS + "otto:plain SECRET\n")
    done = check_config(live, odd)
    assert done.returncode == 0
    assert "line 6" in done.stderr and "SECRET" not in done.stderr
