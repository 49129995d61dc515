# SPDX-License-Identifier: MIT
"""Hostile requests and hostile files: each has its status and a sentence, names no path,
and leaves the pool alive.
"""

import json
import os
import socket
import time

import pytest

import fcgi
import service
import slides
import tiff

API = "/api/v1/images/images"
# The dearest good file takes 5 s on a quiet machine, and five times that on a busy one.
ANSWER_S, TIMEOUT_S = 100, 120
TILES = "/images/image/{id}/1/1/tile_files"
PATCH = API + "/{id}/get_patch/?x=0&y=0&level=0&width=9&height=9"

TARGETS = [
    # what there is not
    ("/", 404),
    ("/nowhere", 404),
    ("/images", 404),
    ("/images/image/999999/1/1/tile/", 404),
    ("/images/image/0/1/1/tile/", 404),
    ("/images/image/-1/1/1/tile/", 404),
    ("/images/image/+{id}/1/1/tile/", 404),
    ("/images/image/abc/1/1/tile/", 404),
    ("/images/image/1e0/1/1/tile/", 404),
    ("/images/image/99999999999999999999/1/1/tile/", 404),
    ("/images/image/9223372036854775807/1/1/tile/", 404),
    ("/images/image/{id}/2/1/tile/", 404),
    ("/images/image/{id}/1/2/tile/", 404),
    ("/images/image/{id}/0/1/tile/", 404),
    ("/images/image/{id}/1/1/tile/more", 404),
    (API + "/999999/", 404),
    (API + "/999999/thumbnail/", 404),
    (API + "/999999/slide_information/", 404),
    (API + "/999999/get_patch/?x=0&y=0&level=0&width=9&height=9", 404),
    (API + "/x/", 404),
    # tiles outside
    (TILES + "/99/0_0.jpeg", 404),
    (TILES + "/9/2_0.jpeg", 404),
    (TILES + "/9/0_2.jpeg", 404),
    (TILES + "/9/-1_0.jpeg", 404),
    (TILES + "/9/0_99999999999999999999.jpeg", 404),
    (TILES + "/9223372036854775807/0_0.jpeg", 404),
    (TILES + "/9/9223372036854775807_9223372036854775807.jpeg", 404),
    # formats
    (TILES + "/9/0_0.gif", 404),
    (TILES + "/9/0_0.JPEG", 404),
    (TILES + "/9/0_0.jpeg2", 404),
    (TILES + "/9/0_0.", 404),
    (TILES + "/9/0_0", 404),
    (TILES + "/9/0_0.jpeg%20", 404),
    (TILES + "/9/0_0.jpeg;x", 404),
    # escapes and paths
    ("/images/image/%zz/1/1/tile/", 400),
    ("/images/image/{id}/1/1/tile%", 400),
    ("/images/image/{id}/1/1/tile%2", 400),
    ("/images/image/{id}%00/1/1/tile/", 400),
    ("/images/image/{id}/1/1/tile%0d%0aX-A:%20b", 400),
    ("/images/image/{id}/1/1/tile%7f", 400),
    ("/images/../images/image/{id}/1/1/tile/", 400),
    ("/images/image/{id}/1/1/tile/..", 400),
    ("/images/image/{id}/./1/1/tile/", 400),
    ("/images/%2e%2e/%2e%2e/etc/passwd", 400),
    ("/..%2f..%2fetc/passwd", 400),
    ("/images%2fimage/{id}/1/1/tile/", 400),
    ("/images/image/..%5c..%5cetc/1/1/tile/", 400),
    ("/images\\image/{id}/1/1/tile/", 400),
    ("//images/image/{id}/1/1/tile/", 400),
    ("/images/image/{id}//1/1/tile/", 400),
    ("/images/image/{id}/1/1/tile//", 400),
    (b"/images/image/\xff\xfe/1/1/tile/", 400),
    ("/images/image/%c3%28/1/1/tile/", 400),
    ("/images/image/%ed%a0%80/1/1/tile/", 400),
    ("/images/image/%252e%252e/1/1/tile/", 404),
    ("/images/" + "a" * 9000, 414),
    ("/images/image/{id}/1/1/tile/?" + "a" * 9000, 414),
    # patches
    (PATCH.replace("width=9", "width=0"), 400),
    (PATCH.replace("height=9", "height=0"), 400),
    (PATCH.replace("width=9", "width=2049"), 400),
    (PATCH.replace("height=9", "height=2049"), 400),
    (PATCH.replace("width=9", "width=-9"), 400),
    (PATCH.replace("width=9", "width=9.5"), 400),
    (PATCH.replace("width=9", "width="), 400),
    (PATCH.replace("width=9", "width=x"), 400),
    (PATCH.replace("width=9", "width=99999999999999999999"), 400),
    (PATCH.replace("x=0", "x=-1"), 400),
    (PATCH.replace("x=0", "x=700"), 400),
    (PATCH.replace("y=0", "y=600"), 400),
    (PATCH.replace("x=0", "x=2147483648"), 400),
    (PATCH.replace("x=0", "x=9223372036854775807"), 400),
    (PATCH.replace("y=0", "y=%zz"), 400),
    (PATCH.replace("level=0", "level=1"), 400),
    (PATCH.replace("level=0", "level=-1"), 400),
    (PATCH.replace("level=0", "level=64"), 400),
    (PATCH.replace("level=0", "level=zero"), 400),
]


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    file = tiff.write_noise(tmp_path_factory.mktemp("s") / "plain.tiff", 1, 500, 400)
    with service.Service(files=[file], web=True) as running:
        running.image_id("plain.tiff")
        yield running


@pytest.fixture
def pool(live):
    """No worker dies, and all of them answer afterwards."""
    image, deaths = live.image_id("plain.tiff"), live.counter("worker_deaths")
    yield image
    for _ in range(2 * live.config["workers"]):
        assert live.tile(image, 9).status == 200
    assert live.counter("worker_deaths") == deaths


def check_no_path(reply, *paths):
    everything = reply.head_text + reply.body.decode("latin-1")
    for path in (*paths, "/slides", ".c:"):
        assert str(path) not in everything, f"{path} is told: {everything}"


def check_sentence(reply, status, live):
    assert reply.status == status, reply
    check_no_path(reply, live.dir)
    assert reply.headers["content-type"].startswith("application/json"), reply
    assert int(reply.headers["content-length"]) == len(reply.body)
    body = json.loads(reply.body)
    assert set(body) == {"detail"} and len(body["detail"]) > 8, body


def fill(target, image):
    if isinstance(target, bytes):
        return target
    return target.replace("{id}", str(image))


@pytest.mark.parametrize("target,status", TARGETS, ids=[str(t)[:60] for t, _ in TARGETS])
def test_target(live, pool, target, status):
    check_sentence(live.fcgi.get(fill(target, pool)), status, live)


@pytest.mark.parametrize("target", [b"", b"*", b"images/image/1/1/1/tile/", b"?", b"\0", b"\n"])
def test_target_that_is_no_path(live, pool, target):
    reply = live.fcgi.get(target)
    assert 400 <= reply.status < 500, reply


def test_absolute_target_is_no_proxy(live, pool):
    reply = live.fcgi.get(f"http://elsewhere.example/images/image/{pool}/1/1/tile/")
    assert reply.status in (400, 404)


def test_targets_through_lighttpd(live, pool):
    """lighttpd may refuse or rewrite some of them; what it lets through is answered."""
    for target, status in TARGETS:
        if target == "/":
            continue  # a page of lighttpd's own
        try:
            reply = live.web.http.get(fill(target, pool))
        except fcgi.Gone:
            assert isinstance(target, bytes), target  # lighttpd's way with such bytes
            continue
        assert reply.status in {status, 400, 404, 414, 431}, (target, reply)
        check_no_path(reply, live.dir)


def test_wrong_methods(live, pool):
    target = f"/images/image/{pool}/1/1/tile/"
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "X" * 3000):
        check_sentence(live.fcgi.request(method, target), 405, live)
    check_sentence(live.fcgi.request("G\0T", target), 400, live)


@pytest.mark.parametrize(
    "name,value",
    [
        ("If-None-Match", '"' * 5000),
        ("If-None-Match", "W/" * 3000),
        ("If-None-Match", b"\xff\0\r\nX: y"),
        ("Range", "bytes=0-" + "9" * 400),
        ("Accept", "image/png"),
        ("Accept-Encoding", "gzip;q=-1"),
        ("Cookie", "a=" + "b" * 20000),
        ("Host", "evil\r\nX-Injected: 1"),
        ("Host", "a" * 5000),
        ("X-Forwarded-For", "../../etc/passwd"),
        ("Content-Length", "-1"),
    ],
)
def test_headers(live, pool, name, value):
    for target in (f"/images/image/{pool}/1/1/tile/", f"{API}/?limit=1"):
        reply = live.fcgi.get(target, {name: value})
        assert reply.status in (200, 400, 431), reply
        assert "x-injected" not in reply.headers and "x" not in reply.headers


def test_many_parameters(live, pool):
    params = {f"HTTP_X_{n}": "v" * 300 for n in range(2000)}
    try:
        reply = live.fcgi.request("GET", "/healthz", params=params)
        assert reply.status in (200, 400, 431)
    except fcgi.Gone:
        pass


@pytest.mark.parametrize("length", ["-1", "x", "99999999999", "", "10"])
def test_body_of_another_length(live, pool, length):
    for method in ("GET", "POST"):
        target = f"/images/image/{pool}/1/1/tile/"
        params = {"CONTENT_LENGTH": length}
        try:
            reply = live.fcgi.request(method, target, body=b"abc", params=params)
            assert reply.status in (200, 400, 405, 413), reply
        except fcgi.Gone:
            pass


HALF = fcgi.encode_request(fcgi.cgi_params("GET", "/healthz", {}, b""))
NOT_FASTCGI = [
    b"",
    b"\x01",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    HALF[:8],
    HALF[: len(HALF) // 2],
    HALF[:-8],
    fcgi.record(fcgi.BEGIN, b"\0\x01\0\0\0\0\0\0") + fcgi.record(fcgi.ABORT, b""),
    bytes(range(256)) * 8,
]


@pytest.mark.parametrize("data", NOT_FASTCGI, ids=range(len(NOT_FASTCGI)))
def test_not_fastcgi(live, pool, data):
    for _ in range(8):
        with fcgi.connect(live.socket, 5) as sock:
            sock.sendall(data)


def test_client_that_goes_away(live, pool):
    """Full requests whose client does not wait for the reply."""
    target = f"/images/image/{pool}/1/1/tile_files/9/0_0.png"
    request = fcgi.encode_request(fcgi.cgi_params("GET", target, {}, b""))
    for _ in range(50):
        with fcgi.connect(live.socket, 5) as sock:
            sock.sendall(request)


def test_silent_connections(tmp_path):
    """More of them than there are workers hold nobody up for long."""
    with service.Service({"workers": 2, "request_timeout_s": 3}) as live:
        silent = [fcgi.connect(live.socket, 30) for _ in range(6)]
        for sock in silent[::2]:
            sock.sendall(b"\x01")
        start = time.monotonic()
        assert live.fcgi.get("/healthz").status == 200
        assert time.monotonic() - start < 15 * service.SLOW
        for sock in silent:
            sock.close()


def test_response_of_a_listing_has_no_injection(live, pool):
    reply = live.fcgi.get(f"{API}/?limit=1&x=%22%3e%3cscript%3e", {"Host": '"><b>'})
    assert reply.status in (200, 400) and b"<" not in reply.body


# Hostile files.


def hostile_files():
    return slides.shared("broken", "unsupported")


@pytest.fixture(scope="module")
def hostile():
    """Every broken and unsupported file beside a good one, each with an id."""
    files = hostile_files()
    with service.Service({"request_timeout_s": TIMEOUT_S}, files=files) as running:
        running.fcgi.timeout = TIMEOUT_S
        tiff.write_bomb(running.root / "bomb.tiff")
        tiff.write_noise(running.root / "good.tiff", 1, 500, 400)
        running.ctl("images", "scan")
        known = running.images()
        for name in (p.name for p in running.root.iterdir()):
            if name not in known:
                running.ctl("images", "add", name)
        running.ids = {name: im["id"] for name, im in running.images().items()}
        yield running


def hostile_names():
    return [p.name for p in hostile_files()] + ["bomb.tiff"]


def targets_of(image, width, height):
    top = max(width, height, 1)
    last = (top - 1).bit_length()
    yield f"/images/image/{image}/1/1/tile/"
    for level in sorted({0, last // 2, last}):
        yield f"/images/image/{image}/1/1/tile_files/{level}/0_0.jpeg"
    yield f"{API}/{image}/thumbnail/"
    yield f"{API}/{image}/slide_information/"


@pytest.mark.parametrize("name", hostile_names())
def test_hostile_file(hostile, name):
    image = hostile.images()[name]
    opens = slides.opens(hostile.root / name)
    for target in targets_of(image["id"], image["width"], image["height"]):
        start = time.monotonic()
        reply = hostile.fcgi.get(target)
        took = time.monotonic() - start
        assert took < ANSWER_S * service.SLOW, f"{target}: {took:.1f} s"
        assert reply.status in ((200, 422) if opens else (422,)), (target, reply)
        check_no_path(reply, hostile.dir)
        if reply.status != 200:
            check_sentence(reply, 422, hostile)
    assert hostile.tile(hostile.ids["good.tiff"], 9).status == 200
    assert hostile.counter("worker_deaths") == 0


def test_state_says_why(hostile):
    for name, im in hostile.images().items():
        if not slides.opens(hostile.root / name):
            assert im["state"] == "unreadable", name
            assert len(im["reason"]) > 8 and "/" not in im["reason"], im
    assert hostile.images()["good.tiff"]["state"] == "ok"


def test_bomb_is_refused_at_once(hostile):
    image = hostile.ids["bomb.tiff"]
    start = time.monotonic()
    assert hostile.tile(image, 16).status == 422
    assert time.monotonic() - start < 1 * service.SLOW


def test_good_file_becomes_bad_and_good(live, pool, tmp_path):
    file = tiff.write_noise(tmp_path / "turn.tiff", 2, 500, 400)
    live.add_file(file)
    live.ctl("images", "scan")
    image = live.image_id("turn.tiff")
    good = live.tile(image, 9)
    assert good.status == 200
    for damage in (b"", b"II*\0", file.read_bytes()[:2000], os.urandom(5000)):
        bad = tmp_path / "bad"
        bad.write_bytes(damage)
        live.add_file(bad, "turn.tiff")
        check_sentence(live.tile(image, 9), 422, live)
    live.add_file(file)
    again = live.tile(image, 9)
    assert again.status == 200 and again.body == good.body
    live.ctl("images", "remove", str(image))
    (live.root / "turn.tiff").unlink()


def test_special_files(tmp_path):
    """Nothing hangs on a FIFO, nothing follows a link out of the root."""
    outside = tiff.write_flat(tmp_path / "outside.tiff", (1, 2, 3))
    with service.Service() as live:
        os.mkfifo(live.root / "fifo.svs")
        (live.root / "folder.svs").mkdir()
        (live.root / "link.tiff").symlink_to(outside)
        (live.root / "passwd.svs").symlink_to("/etc/passwd")
        (live.root / "loop.svs").symlink_to("loop.svs")
        (live.root / "up").symlink_to("..")
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(str(live.root / "socket.svs"))
        (live.root / ".hidden.svs").write_bytes(b"II*\0")
        live.ctl("images", "scan")
        for image in live.images().values():
            assert live.tile(image["id"], 8).status in (404, 422), image
        for name in ("link.tiff", "../outside.tiff", str(outside), "up/config.json"):
            assert live.run_ctl("images", "add", name).returncode in (1, 2), name
        assert ".hidden.svs" not in live.images()
