# SPDX-License-Identifier: MIT
"""Signed URLs: what a signature opens, on every reading route, and what it does not; whose
signature it may be, and until when; "slidecachectl sign"."""

import json
import os
import re
import subprocess
import time

import pytest

import management
import service
import signing
from signing import CLOSED, EXPIRED, HOUR_S, OTHER, PUBLIC, READING, UNKNOWN, WRONG

WORKERS = 4  # a change is to be seen by each: so many requests and more are sent
REFUSED = (401, 403, 404)


def bad_signatures(image):
    """name -> (signature, words of the sentence)"""
    good = signing.sign(image)
    expires, mac = good.split(".")
    return {
        "expired": (signing.sign(image, -1), EXPIRED),
        "of another image": (signing.sign(image + 1), WRONG),
        "of another key": (signing.sign(image, key=b"x" * 32), WRONG),
        "prolonged": (f"{int(expires) + 1}.{mac}", WRONG),
        "cut": (good[:-1], WRONG),
        "empty": ("", WRONG),
        "no text": ("%ff%fe", WRONG),
        "no escape": ("%zz", WRONG),
    }


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """Only anna may read CLOSED and OTHER; behind lighttpd, below a prefix."""
    config = {"base_path": "/site", "log": {"requests": True}, "workers": WORKERS}
    with signing.start(tmp_path_factory.mktemp("c"), config, web=True) as live:
        yield live


@pytest.fixture(scope="module")
def unlisted(tmp_path_factory):
    """Without access lists."""
    with signing.start(tmp_path_factory.mktemp("o"), acl=False) as live:
        yield live


def get(live, target, headers=None, method="GET"):
    return live.fcgi.request(method, live.base + target, headers)


def target_of(route, image, signature=None):
    target = READING[route].format(image)
    return target if signature is None else signing.with_signature(target, signature)


def check_refused(reply, words):
    assert words in management.detail(reply, 403), reply
    assert reply.headers["cache-control"] == "no-store"
    assert not {"etag", "www-authenticate", "x-cache"} & set(reply.headers), reply


# ----- what it opens ---------------------------------------------------------------------


@pytest.mark.parametrize("route", READING)
def test_good_one_reads(closed, route):
    theirs = get(closed, target_of(route, CLOSED), management.ANNA)
    assert theirs.status == 200, theirs
    assert get(closed, target_of(route, CLOSED)).status in REFUSED
    target = target_of(route, CLOSED, signing.sign(CLOSED))
    reply = get(closed, target)
    assert (reply.status, reply.body) == (200, theirs.body), reply
    assert "public" not in reply.headers["cache-control"]
    assert reply.headers.get("etag") == theirs.headers.get("etag")
    head = get(closed, target, method="HEAD")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("route", READING)
def test_bad_one_says_why(closed, route):
    get(closed, target_of(route, CLOSED), management.ANNA)  # it is in the cache
    for name, (signature, words) in bad_signatures(CLOSED).items():
        for image in (CLOSED, UNKNOWN) if name != "expired" else (CLOSED,):
            reply = get(closed, target_of(route, image, signature))
            check_refused(reply, words)


@pytest.mark.parametrize("route", READING)
def test_bad_one_takes_nothing_away(closed, unlisted, route):
    for live, image, headers in (
        (closed, CLOSED, management.ANNA),
        (closed, PUBLIC, None),
        (unlisted, CLOSED, None),
    ):
        bare = get(live, target_of(route, image), headers)
        for signature in (signing.sign(image), *(s for s, _ in bad_signatures(image).values())):
            reply = get(live, target_of(route, image, signature), headers)
            assert (reply.status, reply.body) == (200, bare.body), (signature, reply)
            assert reply.headers["cache-control"] == bare.headers["cache-control"]
            assert reply.headers.get("etag") == bare.headers.get("etag")


@pytest.mark.parametrize("route", ["tile", "api tile", "dzi", "thumbnail", "information"])
def test_hits_and_304_are_decided_too(closed, route):
    """Of what somebody who may has had cached."""
    get(closed, target_of(route, CLOSED), management.ANNA)
    good = target_of(route, CLOSED, signing.sign(CLOSED))
    hit = get(closed, good)
    assert (hit.status, hit.x_cache) == (200, "HIT")
    unchanged = {"If-None-Match": hit.headers["etag"]}
    assert get(closed, good, unchanged).status == 304
    for signature, words in bad_signatures(CLOSED).values():
        check_refused(get(closed, target_of(route, CLOSED, signature), unchanged), words)


def test_versioned_url_is_kept_by_its_owner_only(closed):
    signature = signing.sign(CLOSED)
    image = json.loads(get(closed, target_of("image", CLOSED, signature)).body)
    target = f"{READING['tile'].format(CLOSED)}?v={image['version']}&sig={signature}"
    assert get(closed, target).headers["cache-control"] == \
        "private, max-age=31536000, immutable"
    check_refused(get(closed, target[:-1]), WRONG)
    target = f"{READING['tile'].format(PUBLIC)}?sig={signing.sign(PUBLIC)}"
    assert get(closed, target).headers["cache-control"].startswith("public")


def test_whoever_asks(closed):
    """A password of last year, which the browser still sends, does not matter."""
    target = target_of("tile", CLOSED, signing.sign(CLOSED))
    for headers in (management.basic("anna", "wrong"), management.basic("nobody", "x"),
                    {"Authorization": "Bearer nothing"}, management.basic("otto", "second")):
        assert get(closed, target, headers).status == 200
    assert get(closed, target_of("tile", CLOSED), management.basic("anna", "x")).status == 401


def test_image_that_is_gone(closed):
    reply = get(closed, target_of("tile", UNKNOWN, signing.sign(UNKNOWN)))
    assert str(UNKNOWN) in management.detail(reply, 404)


def test_the_last_of_two_counts(closed):
    good, bad = signing.sign(CLOSED), signing.sign(OTHER)
    target = target_of("tile", CLOSED, bad)
    assert get(closed, f"{target}&sig={good}").status == 200
    check_refused(get(closed, f"{target_of('tile', CLOSED, good)}&sig={bad}"), WRONG)


# ----- what it does not open -------------------------------------------------------------


def test_nothing_else_is_opened(closed):
    """Nor is it a parameter that any route stumbles over."""
    for image in (CLOSED, UNKNOWN):
        signature = signing.sign(image)
        listed = get(closed, f"/api/v1/images/images/?sig={signature}")
        plain = get(closed, "/api/v1/images/images/")
        assert (listed.status, listed.body) == (plain.status, plain.body)
        assert b"closed.tiff" not in listed.body
        for method, target in (
            ("GET", f"/api/v1/images/images/{CLOSED}/associated/"),
            ("GET", f"/api/v1/images/images/{CLOSED}/associated/label/"),
            ("PATCH", f"/api/v1/images/images/{CLOSED}/update_image_cache/"),
            ("POST", f"/api/v1/cache/versions/image%2F{CLOSED}/invalidate/"),
            ("POST", "/api/v1/cache/invalidate/"),
            ("GET", "/api/v1/cache/stats/"),
            ("GET", "/api/v1/cache/jobs/"),
        ):
            reply = get(closed, f"{target}?sig={signature}", method=method)
            bare = get(closed, target, method=method)
            assert reply.status in (*REFUSED, 400), (target, reply)
            assert (reply.status, reply.body) == (bare.status, bare.body), target


@pytest.mark.parametrize("target", ["/healthz", "/api/v1/cache/versions/",
                                    "/api/v1/cache/stats/", "/api/v1/images/images/"])
def test_it_is_no_unknown_parameter(closed, target):
    bare = get(closed, target, management.ANNA)
    for signature in (signing.sign(CLOSED), "nonsense", ""):
        reply = get(closed, signing.with_signature(target, signature), management.ANNA)
        assert reply.status == bare.status == 200, reply


# ----- the key ---------------------------------------------------------------------------


def many(live, target):
    """Each worker has its turn, more or less."""
    return [get(live, target) for _ in range(4 * WORKERS)]


def test_next_request_after_the_key_changes(closed):
    target = target_of("tile", CLOSED, signing.sign(CLOSED))
    assert {r.status for r in many(closed, target)} == {200}
    try:
        for key in (b"another key of thirty-two bytes!", signing.KEY + b"\n"):
            signing.write_key(closed.key, key)
            for reply in many(closed, target):
                check_refused(reply, WRONG)
            other = target_of("tile", CLOSED, signing.sign(CLOSED, key=key))
            assert {r.status for r in many(closed, other)} == {200}
    finally:
        signing.write_key(closed.key)
    assert {r.status for r in many(closed, target)} == {200}


def break_mode(key):
    signing.write_key(key, mode=0o644)


def break_length(key):
    signing.write_key(key, b"too short")


def take_away(key):
    key.unlink()


@pytest.mark.parametrize("break_key", [break_mode, break_length, take_away])
def test_key_that_is_none(closed, break_key):
    """Nothing is opened, nobody who may is refused, and the log says why."""
    target = target_of("tile", CLOSED, signing.sign(CLOSED))
    try:
        break_key(closed.key)
        for reply in many(closed, target):
            assert "cannot be checked" in management.detail(reply, 503)
            assert "key" not in reply.body.decode()
        assert get(closed, target, management.ANNA).status == 200
        assert get(closed, target_of("tile", PUBLIC, signing.sign(PUBLIC))).status == 200
        assert "access.signing_key_file: " in closed.log_tail(100000)
        assert closed.run_ctl("sign", str(CLOSED)).returncode == 1
    finally:
        signing.write_key(closed.key)
    assert {r.status for r in many(closed, target)} == {200}


def test_no_signature_is_in_the_log(closed):
    """Whoever may read it could use them."""
    signature = signing.sign(CLOSED, 2 * HOUR_S)
    target = f"/images/image/{CLOSED}/1/1/tile/?sig=none&sigh=no&xsig=3&sig={signature}&c=d"
    assert get(closed, target).status == 200
    assert get(closed, target_of("tile", OTHER, signature)).status == 403
    for name in ("%73ig", "s%69%67", "%73%69%67"):
        escaped = target_of("tile", CLOSED) + f"?a=b&{name}={signature}&c"
        assert get(closed, escaped).status == 200
    log = (closed.dir / "slidecached.log").read_text()
    assert "?sig=***&sigh=no&xsig=3&sig=***&c=d 200" in log
    assert "?a=b&%73ig=***&c 200" in log and "&%73%69%67=***&c 200" in log
    assert signature.partition(".")[2] not in log


@pytest.mark.parametrize("break_key,said", [
    (break_mode, "is open to everybody"), (break_length, "must have 32 to 4096 bytes"),
    (take_away, "No such file")])
def test_a_bad_key_is_said_before_anything_starts(tmp_path, break_key, said):
    live = signing.start(tmp_path)
    try:
        break_key(live.key)
        argv = [str(service.BUILD / "slidecached"), "--config", str(live.config_file)]
        for more in (["--check-config"], []):
            done = subprocess.run(argv + more, capture_output=True, text=True, timeout=60,
                                  env={**os.environ, **live.env})
            assert done.returncode in (1, 2), done
            assert f"access.signing_key_file: {said}" in done.stderr
            assert str(live.key) not in done.stderr
    finally:
        live.destroy()


# ----- slidecachectl sign ----------------------------------------------------------------


def test_sign_prints_addresses_that_work(closed):
    viewer, dzi = closed.ctl("sign", str(CLOSED)).splitlines()
    signature = re.fullmatch(rf"/site/viewer/{CLOSED}/\?sig=(\d+\.[\w-]{{22}})", viewer)[1]
    expires, mac = signature.split(".")
    assert mac == signing.mac(signing.KEY, CLOSED, int(expires))
    assert abs(int(expires) - time.time() - HOUR_S) < 60
    assert dzi == f"/site/images/image/{CLOSED}/1/1/tile.dzi?sig={signature}"
    assert closed.web.http.get(viewer).status == 200
    reply = closed.web.http.get(dzi)
    assert reply.status == 200 and b"<Image" in reply.body
    tile = dzi.replace("tile.dzi", "tile_files/9/0_0.jpeg")
    assert closed.web.http.get(tile).status == 200


def test_sign_as_json(closed):
    for image in (CLOSED, signing.FILES[0], f"./{signing.FILES[0]}",
                  closed.root / signing.FILES[0]):
        made = closed.ctl_json("sign", str(image), "--expires", "7d")
        assert (made["image"], made["name"]) == (CLOSED, signing.FILES[0])
        expires, mac = made["signature"].split(".")
        assert mac == signing.mac(signing.KEY, CLOSED, int(expires))
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(expires)))
        assert made["expires_at"] == f"{moment}.000000Z"
        for name in ("viewer", "dzi", "thumbnail"):
            assert made[name].startswith("/site/") and made[name].endswith(made["signature"])
        assert closed.web.http.get(made["thumbnail"]).status == 200


@pytest.mark.parametrize("text,seconds", [
    ("30s", 30), ("15m", 900), ("1h", 3600), ("7d", 7 * 86400), ("366d", 366 * 86400),
    ("8784h", 366 * 86400)])
def test_sign_for_how_long(closed, text, seconds):
    before = int(time.time())
    made = closed.ctl_json("sign", "--expires", text, str(CLOSED))
    expires = int(made["signature"].partition(".")[0])
    assert before + seconds <= expires <= int(time.time()) + seconds


@pytest.mark.parametrize("words,code,said", [
    (["1", "--expires", "367d"], 2, "at most 366d"),
    (["1", "--expires", "31622401s"], 2, "at most 366d"),
    (["1", "--expires", "99999999999999999999d"], 2, "at most 366d"),
    (["1", "--expires", "0s"], 2, "30s, 15m, 1h or 7d"),
    (["1", "--expires", "1"], 2, "not 1"),
    (["1", "--expires", ""], 2, "--expires wants"),
    (["1", "--expires", "-1h"], 2, "--expires wants"),
    (["1", "--expires", "1hh"], 2, "--expires wants"),
    (["1", "--expires", "h"], 2, "--expires wants"),
    (["1", "--expires"], 2, "lacks its value"),
    (["1", "--for", "1h"], 2, "unknown"),
    (["1", "2"], 2, "one image"),
    ([], 2, "missing"),
    (["999"], 1, "no image has the id 999"),
    (["none.tiff"], 1, "no image is called none.tiff"),
])
def test_sign_says_what_is_wrong(closed, words, code, said):
    done = closed.run_ctl("sign", *words)
    assert (done.returncode, done.stdout) == (code, ""), done
    assert said in done.stderr


def test_sign_an_image_that_is_gone_or_not_alone(tmp_path):
    live = signing.start(tmp_path)
    try:
        live.add_file(live.root / "other.tiff", "case/closed.tiff")
        live.add_file(live.root / "other.tiff", "case/twin.tiff")
        live.add_file(live.root / "other.tiff", "more/twin.tiff")
        for name in ("case/closed.tiff", "case/twin.tiff", "more/twin.tiff"):
            live.ctl("images", "add", name)
        assert live.ctl_json("sign", "closed.tiff")["image"] == CLOSED
        assert live.ctl_json("sign", "more/twin.tiff")["image"] == 6
        done = live.run_ctl("sign", "twin.tiff")
        assert done.returncode == 1 and "2 images are called twin.tiff" in done.stderr
        live.ctl("images", "remove", str(OTHER))
        done = live.run_ctl("sign", str(OTHER))
        assert done.returncode == 1 and "image 2 is gone" in done.stderr
    finally:
        live.destroy()


def test_without_a_key(tmp_path):
    """The command says how one is made, and the service that it takes none."""
    with signing.start(tmp_path, {"access": {"signing_key_file": None}}) as live:
        done = live.run_ctl("sign", str(CLOSED))
        assert done.returncode == 1
        assert "access.signing_key_file is not set" in done.stderr
        make = re.search(r"install -m 600 .*", done.stderr)[0]
        assert "head -c 32 /dev/urandom >" in make
        check_refused(get(live, target_of("tile", CLOSED, signing.sign(CLOSED))),
                      "takes no signed URLs")
        assert get(live, target_of("tile", CLOSED)).status in REFUSED


def test_sign_where_anybody_may_read(unlisted):
    done = unlisted.run_ctl("sign", str(CLOSED))
    assert done.returncode == 0 and "anybody may read" in done.stderr
    assert "sig=" in done.stdout


def test_doctor_looks_at_the_key(closed):
    def finding():
        found = json.loads(closed.run_ctl("--json", "doctor").stdout)["findings"]
        [row] = [f for f in found if "signing_key_file" in f["finding"]]
        return row

    assert finding()["result"] == "ok"
    try:
        signing.write_key(closed.key, mode=0o604)
        row = finding()
        assert row["result"] == "failure" and "open to everybody" in row["finding"]
        assert "600" in row["fix"]
        closed.key.unlink()
        assert finding()["result"] == "failure"
    finally:
        signing.write_key(closed.key)
