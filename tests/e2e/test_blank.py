# SPDX-License-Identifier: MIT
"""Tiles of one colour: kept as a few bytes, sent as the very bytes that were rendered."""

import hashlib
import io
import struct

import numpy
import PIL.Image
import pytest

import servers
import service
import tiff

WIDTH, HEIGHT = 2048, 1536
LEFT, RIGHT = (250, 240, 230), (4, 99, 200)  # of the two plain parts
# Name, column and row on the last level, size and colour. The middle is noise.
BLANK = {
    "corner": (0, 0, (255, 255), LEFT),
    "side": (0, 2, (255, 256), LEFT),
    "inside": (1, 3, (256, 256), LEFT),
    "bottom": (1, 6, (256, 13), LEFT),
    "end": (8, 6, (17, 13), RIGHT),
}
BUSY = (3, 3)
FORMATS = ["jpeg", "png"]
REFERENCE_MAX = 300  # bytes of a whole entry
SERVERS = {"redis": servers.Redis, "memcached": servers.Memcached}
SECRET = b"sixteen bytes or more"
MAY_DIFFER = {"x-cache", "cache-status", "server-timing", "date"}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    pixels = numpy.empty((HEIGHT, WIDTH, 3), numpy.uint8)
    pixels[:] = RIGHT
    pixels[:, : WIDTH // 4] = LEFT
    noise = numpy.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH // 4, 3), numpy.uint8)
    pixels[:, WIDTH // 4 : WIDTH // 2] = noise
    return tiff.write_slide(tmp_path_factory.mktemp("s") / "s.tiff", [pixels])


def tile(col, row, fmt="jpeg", level=11):
    return f"/images/image/1/1/1/tile_files/{level}/{col}_{row}.{fmt}"


def running(file, config=None):
    live = service.Service({"workers": 1, **(config or {})}, files=[file])
    return live


def get(live, target, expected):
    reply = live.fcgi.get(target)
    assert reply.status == 200 and reply.x_cache == expected, (target, reply)
    return reply


def headers(reply):
    return {k: v for k, v in reply.headers.items() if k not in MAY_DIFFER}


@pytest.fixture(params=["embedded", *SERVERS])
def place(request):
    if request.param == "embedded":
        yield "embedded"
        return
    with SERVERS[request.param]() as server:
        yield server


@pytest.fixture
def redis():
    with servers.Redis() as server:
        yield server


def stored(place, live):
    """Bytes of all that is kept, by the store's own count."""
    if place == "embedded":
        return live.ctl_json("stats")["caches"]["tiles_cache"]["bytes"]
    if place.name == "memcached":
        return int(place.counters()["bytes"])
    return sum(place.command("STRLEN", key) for key in place.keys())


@pytest.mark.parametrize("fmt", FORMATS)
def test_hits_have_the_bytes_of_misses(file, place, fmt):
    with running(file, servers.kept(place)) as live:
        live.image_id("s.tiff")
        for name, (col, row, size, colour) in BLANK.items():
            first = get(live, tile(col, row, fmt), "MISS")
            assert first.headers["content-type"] == f"image/{fmt}"
            picture = PIL.Image.open(io.BytesIO(first.body)).convert("RGB")
            assert picture.size == size, name
            near = numpy.abs(numpy.asarray(picture).astype(int) - colour).max()
            assert near == 0 if fmt == "png" else near <= 2, name
            for _ in range(2):
                again = get(live, tile(col, row, fmt), "HIT")
                assert again.body == first.body
                assert headers(again) == headers(first)
        rendered = live.counter("rendered")
        live.restart()
        for col, row, _, _ in BLANK.values():
            get(live, tile(col, row, fmt), "HIT")
        assert live.counter("rendered") <= rendered


def test_kept_as_a_few_bytes(file, place):
    with running(file, servers.kept(place)) as live:
        live.image_id("s.tiff")
        for col, row, _, _ in BLANK.values():
            before = stored(place, live)
            body = get(live, tile(col, row, "png"), "MISS").body
            # The server's own bookkeeping, or pages, come on top.
            assert stored(place, live) - before < REFERENCE_MAX + 400
            assert len(body) > 50
        before = stored(place, live)
        body = get(live, tile(*BUSY, "png"), "MISS").body
        assert stored(place, live) - before > len(body) > 100_000


def test_size_of_the_entry(file, redis):
    with running(file, servers.kept(redis)) as live:
        live.image_id("s.tiff")
        get(live, tile(0, 0), "MISS")
        (key,) = redis.keys()
        assert redis.command("STRLEN", key) < REFERENCE_MAX
        assert redis.command("GET", key).startswith(b"255x255#faf0e6x-slidecache/blank")


@pytest.mark.parametrize("fmt", FORMATS)
def test_head_and_conditional(file, fmt):
    with running(file) as live:
        live.image_id("s.tiff")
        target = tile(0, 0, fmt)
        first = get(live, target, "MISS")
        head = live.fcgi.head(target)
        assert (head.status, head.x_cache, head.body) == (200, "HIT", b"")
        assert headers(head) == headers(first)
        assert head.headers["content-length"] == str(len(first.body))
        same = live.fcgi.get(target, {"If-None-Match": first.headers["etag"]})
        assert (same.status, same.body) == (304, b"")
        other = live.fcgi.get(target, {"If-None-Match": '"another"'})
        assert (other.status, other.body) == (200, first.body)


@pytest.mark.parametrize("fmt", FORMATS)
def test_turned_off_and_on(file, redis, fmt):
    """What is there is understood whatever is set; what is new is written as it is set. The
    bytes and tags are the same."""
    off = {"deepzoom": {"blank_references": False}}
    corner, side = (tile(*BLANK[name][:2], fmt) for name in ("corner", "side"))
    with running(file, servers.kept(redis)) as live:
        live.image_id("s.tiff")
        first = get(live, corner, "MISS")
        live.reconfigure(off)
        again = get(live, corner, "HIT")
        assert (again.body, headers(again)) == (first.body, headers(first))
        whole = get(live, side, "MISS")
        values = [redis.command("GET", key) for key in redis.keys()]
        assert sorted(b"x-slidecache/blank" in v for v in values) == [False, True]
        assert sum(whole.body in v for v in values) == 1
        assert get(live, side, "HIT").body == whole.body
        live.reconfigure({"deepzoom": {"blank_references": True}})
        for target, expected in ((corner, first), (side, whole)):
            assert get(live, target, "HIT").body == expected.body
        redis.flush()
        assert get(live, side, "MISS").body == whole.body
        assert get(live, side, "HIT").body == whole.body


def test_services_of_different_settings_on_one_server(file, redis):
    """Tiles of another size or quality have other keys: no reference is taken for theirs."""
    others = [{"tile_size": 126}, {"jpeg_quality": 40}, {"overlap": 0}, {"limit_bounds": True}]
    with running(file, servers.kept(redis)) as live:
        live.image_id("s.tiff")
        bodies = {get(live, tile(0, 0), "MISS").body}
        for n, other in enumerate(others):
            with running(file, {**servers.kept(redis), "deepzoom": other}) as second:
                second.image_id("s.tiff")
                body = get(second, tile(0, 0), "MISS").body
                size = other.get("tile_size", 254) + (other.get("overlap", 1))
                assert PIL.Image.open(io.BytesIO(body)).size == (size, size)
                assert get(second, tile(0, 0), "HIT").body == body
            assert len(redis.keys()) == n + 2
            bodies.add(body)
        assert get(live, tile(0, 0), "HIT").body in bodies


def test_explain(file, redis):
    with running(file, servers.kept(redis)) as live:
        live.image_id("s.tiff")
        blank, busy = tile(0, 0), tile(*BUSY)
        sizes = [len(get(live, t, "MISS").body) for t in (blank, busy)]
        told = [live.ctl_json("explain", t)["stored"] for t in (blank, busy)]
        assert told[0].startswith(f"yes: {sizes[0]} bytes, kept as 255x255#faf0e6, since ")
        assert told[1].startswith(f"yes: {sizes[1]} bytes, since ")


def resealed(envelope, value):
    """The same entry of another value, as whoever has the secret would write it."""
    length = struct.unpack_from("<I", envelope, len(envelope) - 48 + 16)[0]
    footer = bytearray(envelope[-48:-16])
    struct.pack_into("<II", footer, 16, len(value), len(value))
    body = value + envelope[length:-48] + footer
    key = hashlib.blake2b(SECRET, digest_size=32).digest()
    return body + hashlib.blake2b(body, key=key, digest_size=16).digest()


@pytest.fixture
def sealed(file, redis, tmp_path):
    """A service whose entries this test can write, and its server."""
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    secret.chmod(0o600)
    config = servers.kept(redis)
    config["caches"]["tiles_cache"]["options"] = {"secret_file": str(secret)}
    with running(file, config) as live:
        live.image_id("s.tiff")
        yield live


def put(redis, value):
    (key,) = redis.keys()
    old = redis.command("GET", key)
    redis.command("SET", key, resealed(old, value))
    return old


def test_an_entry_that_this_test_seals_is_taken(sealed, redis):
    """Otherwise the next test would show nothing."""
    get(sealed, tile(0, 0, "png"), "MISS")
    put(redis, b"255x255#112233")
    body = get(sealed, tile(0, 0, "png"), "HIT").body
    assert PIL.Image.open(io.BytesIO(body)).getpixel((9, 9)) == (0x11, 0x22, 0x33)


@pytest.mark.parametrize(
    "value",
    [b"", b"255x255", b"255x255#faf0eg", b"257x255#faf0e6", b"0x255#faf0e6", b"\xff\xd8\xff\xe0",
     b"30000x30000#faf0e6", b"255x255#faf0e6" * 1000],
    ids=["empty", "cut", "letter", "wide", "zero", "jpeg", "huge", "long"],
)
def test_a_damaged_reference_is_rendered_anew(sealed, redis, value):
    target = tile(0, 0)
    first = get(sealed, target, "MISS")
    good = put(redis, value)
    told = sealed.ctl_json("explain", target)["stored"]
    assert told.startswith("no: "), told
    again = get(sealed, target, "MISS")
    assert (again.body, headers(again)) == (first.body, headers(first))
    (key,) = redis.keys()
    assert len(redis.command("GET", key)) == len(good)
    assert get(sealed, target, "HIT").body == first.body
