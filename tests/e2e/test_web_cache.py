# SPDX-License-Identifier: MIT
"""A cache of the web server's own in front, as deploy/nginx.conf and deploy/apache.conf have it
in their comments: it keeps what may be kept, asks about the rest, and shows an invalidation."""

import contextlib
import pathlib
import socket
import struct
import tempfile
import threading

import pytest

import fcgi
import service
import slides
import web
from management import ANNA, USERS

PARTS = {"nginx": ("2", "3a"), "apache": ("4",)}
SLIDE = "made.tiff"


@pytest.fixture(scope="module", params=PARTS)
def live(request, tmp_path_factory):
    tmp = tmp_path_factory.mktemp("front")
    (tmp / "users").write_text(USERS)
    config = {"access": {"htpasswd_file": str(tmp / "users")}}
    files = [slides.make_slide(tmp, SLIDE)]
    parts = PARTS[request.param]
    with service.Service(config, files, web=request.param, web_parts=parts) as running:
        running.image_id(SLIDE)
        yield running


@pytest.fixture
def image(live):
    """Nobody asked for any of it yet."""
    live.ctl("invalidate", "--image", str(live.image_id(SLIDE)))
    return live.images()[SLIDE]


def tile(image, name="10/1_1.jpeg", token=None):
    query = f"?v={token}" if token else ""
    return f"/images/image/{image['id']}/1/1/tile_files/{name}{query}"


class Seen:
    """How often, and how, the service itself was asked for a target meanwhile."""

    def __init__(self, live):
        self.live, self.at = live, len(live.program.output())

    def statuses(self, target):
        """The log has a line a request: ADDRESS METHOD TARGET STATUS ..."""
        words = [line.split() for line in self.live.program.output()[self.at:].splitlines()]
        return [w[w.index(target) + 1] for w in words if target in w]


def test_what_never_changes_is_kept(live, image):
    seen, target = Seen(live), tile(image, token=image["version"])
    first = live.web.http.get(target)
    assert first.status == 200 and "immutable" in first.headers["cache-control"]
    for _ in range(5):
        again = live.web.http.get(target)
        assert (again.status, again.body) == (200, first.body)
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["cache-control"] == first.headers["cache-control"]
        assert again.headers["content-type"] == "image/jpeg"
    assert first.body == live.fcgi.get(tile(image)).body
    same = live.web.http.get(target, {"If-None-Match": first.headers["etag"]})
    assert same.status == 304 and not same.body
    assert seen.statuses(target) == ["200"]
    other = live.web.http.get(target, {"If-None-Match": '"x"'})
    assert (other.status, other.body) == (200, first.body)


def test_head_and_get_are_two_things(live, image):
    for number, methods in enumerate((("HEAD", "GET"), ("GET", "HEAD"))):
        target = tile(image, f"10/{number}_0.png", image["version"])
        for method in (*methods, *methods):
            reply = live.web.http.request(method, target)
            assert reply.status == 200
            assert (len(reply.body) > 0) == (method == "GET"), methods


def test_what_may_change_is_asked_about(live, image):
    """Each time: with the tag of what is kept, or for all of it."""
    seen, target = Seen(live), tile(image)
    first = live.web.http.get(target)
    assert "no-cache" in first.headers["cache-control"]
    for _ in range(3):
        again = live.web.http.get(target)
        assert (again.status, again.body) == (200, first.body)
    same = live.web.http.get(target, {"If-None-Match": first.headers["etag"]})
    assert same.status == 304 and not same.body
    assert len(seen.statuses(target)) == 5
    assert set(seen.statuses(target)) <= {"200", "304"}


@pytest.mark.parametrize("what", [("tiles",), ("--all",), ("--image",)])
def test_an_invalidation_shows_at_once(live, image, what):
    """By the tag of the address without a version, and by a new token of the one with it."""
    number = str(image["id"])
    for _ in range(2):
        before = live.web.http.get(tile(image))
        live.web.http.get(tile(image, token=image["version"]))
    live.ctl("invalidate", *what, *([number] if what == ("--image",) else []))
    after = live.web.http.get(tile(image))
    assert after.headers["etag"] != before.headers["etag"] and after.x_cache == "MISS"
    stale = live.web.http.get(tile(image), {"If-None-Match": before.headers["etag"]})
    assert stale.status == 200 and stale.body == after.body
    fresh = live.images()[SLIDE]
    assert fresh["version"] != image["version"]
    seen, target = Seen(live), tile(image, token=fresh["version"])
    assert live.web.http.get(target).headers["etag"] == after.headers["etag"]
    assert seen.statuses(target) == ["200"]


def test_an_old_token_is_kept_by_nobody(live, image):
    seen, target = Seen(live), tile(image, token="00000000")
    for _ in range(3):
        assert "no-cache" in live.web.http.get(target).headers["cache-control"]
    assert len(seen.statuses(target)) == 3


def test_errors_are_not_kept(live, image):
    for name in ("10/99_0.jpeg", "99/0_0.jpeg"):
        seen, target = Seen(live), tile(image, name, image["version"])
        for _ in range(3):
            assert live.web.http.get(target).status == 404
        assert seen.statuses(target) == ["404"] * 3


def test_who_says_a_password_is_answered_by_us(live, image):
    """What was asked with one is not kept, and what is kept is not the answer to it."""
    seen, target = Seen(live), tile(image, "11/2_2.jpeg", image["version"])
    for _ in range(2):
        assert live.web.http.get(target, ANNA).status == 200
    assert len(seen.statuses(target)) == 2
    assert live.web.http.get(target).status == 200
    assert len(seen.statuses(target)) == 3, "what somebody got with a password was kept"
    assert live.web.http.get(target).status == 200
    assert len(seen.statuses(target)) == 3, "what anybody may have was not kept"
    assert live.web.http.get(target, ANNA).status == 200
    assert len(seen.statuses(target)) == 4


def test_managing_passes(live, image):
    target = "/api/v1/cache/versions/tiles/invalidate/"
    versions = [live.web.http.request("POST", target, ANNA, b"").body for _ in range(2)]
    assert versions[0] != versions[1]
    patch = f"/api/v1/images/images/{image['id']}/update_image_cache/?v={image['version']}"
    assert [live.web.http.request("PATCH", patch).status for _ in range(2)] == [401, 401]


# ----- headers that the service has no reason to send yet ----------------------------------------


class Responder:
    """A FastCGI program that says on each request how often it was asked, with these lines
    in its head."""

    def __init__(self, folder, lines):
        self.lines, self.asked = lines, 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / "s"))
        (folder / "s").chmod(0o666)
        self.listener.listen(16)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                with connection, contextlib.suppress(OSError, fcgi.Gone):
                    self.answer(connection)

    def answer(self, connection):
        kind, size = fcgi.BEGIN, 1
        while kind != fcgi.STDIN or size:
            head = fcgi.read_exactly(connection, 8)
            _, kind, _, size, padding = struct.unpack("!BBHHBx", head)
            fcgi.read_exactly(connection, size + padding)
        self.asked += 1
        body = b"%08d" % self.asked
        head = "".join(f"{line}\r\n" for line in self.lines)
        out = f"Status: 200 OK\r\nContent-Length: 8\r\n{head}\r\n".encode() + body
        connection.sendall(fcgi.stream(fcgi.STDOUT, out) + fcgi.record(fcgi.END, bytes(8)))

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@contextlib.contextmanager
def front(server, *lines):
    """(client, responder) of a web server with its cache before such a program."""
    with tempfile.TemporaryDirectory(prefix="sc-") as name:
        folder = pathlib.Path(name)
        responder = Responder(folder, lines)
        made = web.KINDS[server](folder, str(folder / "s"), parts=PARTS[server])
        try:
            made.start()
            yield made.http, responder
            made.stop()
        finally:
            made.destroy()
            responder.close()


TARGET = "/images/image/1/1/1/tile_files/1/0_0.jpeg?v=abcdefgh"


@pytest.mark.parametrize("server", PARTS)
@pytest.mark.parametrize(
    "control,kept",
    [
        ("public, max-age=31536000, immutable", True),
        ("private, max-age=31536000, immutable", False),
        ("private", False),
        ("no-store", False),
        ("public, no-cache", False),
        ("public, max-age=0", False),
    ],
)
def test_what_may_be_kept(server, control, kept):
    with front(server, f"Cache-Control: {control}", 'ETag: "x"') as (client, responder):
        before = responder.asked
        bodies = [client.get(TARGET).body for _ in range(3)]
        assert responder.asked - before == (1 if kept else 3)
        assert len(set(bodies)) == (1 if kept else 3)


@pytest.mark.parametrize("server", PARTS)
def test_what_varies_is_kept_apart(server):
    lines = ("Cache-Control: public, max-age=31536000", 'ETag: "x"', "Vary: Accept")
    with front(server, *lines) as (client, responder):
        def get(accept):
            return client.get(TARGET, {"Accept": accept}).body

        jpeg, webp = get("image/jpeg"), get("image/webp")
        assert jpeg != webp
        assert get("image/webp") == webp
