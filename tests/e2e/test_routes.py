# SPDX-License-Identifier: MIT
"""Every route: bytes, fields, headers, methods; behind lighttpd and spoken to directly."""

import io
import json
import re

import openslide
import PIL.Image
import pytest

import oracle

API = "/api/v1/images/images"
SLIDE = "made.tiff"
IMMUTABLE = "max-age=31536000, immutable"
IMAGE_FIELDS = {
    "id": int,
    "name": str,
    "filename": str,
    "time": str,
    "height": int,
    "width": int,
    "depth": int,
    "frames": int,
    "channels": int,
    "mpp": (int, float),
    "objectivePower": (int, float),
    "FrameDescriptions": list,
    "defaultFrame": int,
    "image_type": int,
    "image_set": int,
    "annotations": list,
    "state": str,
    "reason": str,
    "version": str,
}


@pytest.fixture(scope="module", params=["lighttpd", "fastcgi"])
def client(request, good):
    return good.web.http if request.param == "lighttpd" else good.fcgi


@pytest.fixture(scope="module")
def image(good):
    return good.images()[SLIDE]


@pytest.fixture(scope="module")
def slide(good):
    opened = oracle.Oracle(good.root / SLIDE)
    yield opened
    opened.close()


def document(reply, status=200):
    """The JSON body of a reply that must have this status."""
    assert reply.status == status, reply
    assert reply.headers["content-type"].startswith("application/json"), reply
    assert int(reply.headers["content-length"]) == len(reply.body)
    return json.loads(reply.body)


def detail(reply, status):
    """The sentence of an error."""
    body = document(reply, status)
    assert set(body) == {"detail"} and isinstance(body["detail"], str), body
    assert len(body["detail"]) > 8, body
    return body["detail"]


def dzi_targets(image_id):
    for prefix in ("/images/image", API):
        for slash in ("", "/"):
            yield f"{prefix}/{image_id}/1/1/tile{slash}"


def tile_targets(image_id, level, col, row, fmt):
    for prefix in ("/images/image", API):
        for slash in ("", "/"):
            name = f"{level}/{col}_{row}.{fmt}{slash}"
            yield f"{prefix}/{image_id}/1/1/tile_files/{name}"


def cached_routes(image):
    """(target, content type) of each route whose answer is cached."""
    i = image["id"]
    return [
        (f"/images/image/{i}/1/1/tile/", "application/xml"),
        (f"/images/image/{i}/1/1/tile_files/9/0_0.jpeg", "image/jpeg"),
        (f"/images/image/{i}/1/1/tile_files/9/0_0.png", "image/png"),
        (f"{API}/{i}/thumbnail/", "image/png"),
        (f"{API}/{i}/slide_information/", "application/json"),
    ]


def test_healthz(client):
    for target in ("/healthz", "/healthz/"):
        reply = client.get(target)
        assert reply.status == 200
        assert int(reply.headers["content-length"]) == len(reply.body)


def test_dzi(client, image, slide):
    replies = [client.get(t) for t in dzi_targets(image["id"])]
    for reply in replies:
        assert reply.status == 200, reply
        assert reply.headers["content-type"].split(";")[0] == "application/xml"
        assert reply.body == slide.document()
    assert len({r.headers["etag"] for r in replies}) == 1


@pytest.mark.parametrize("fmt", ["jpeg", "png"])
def test_tile_in_both_families(client, image, fmt):
    targets = list(tile_targets(image["id"], 11, 1, 1, fmt))
    replies = [client.get(t) for t in targets]
    assert [r.status for r in replies] == [200] * 4
    assert {r.headers["content-type"] for r in replies} == {f"image/{fmt}"}
    assert len({r.body for r in replies}) == 1
    assert len({r.headers["etag"] for r in replies}) == 1
    assert oracle.decode(replies[0].body, fmt.upper()).size == (256, 256)


def test_jpeg_is_baseline_420_without_profile(client, image):
    body = client.get(f"/images/image/{image['id']}/1/1/tile_files/10/1_1.jpeg").body
    assert body[:4] == b"\xff\xd8\xff\xe0" and body[6:11] == b"JFIF\0"
    assert b"\xff\xc2" not in body and b"ICC_PROFILE" not in body
    with PIL.Image.open(io.BytesIO(body)) as im:
        assert im.layer[0][1:3] == (2, 2), "luma is sampled 2 x 2"
        assert len(im.quantization) == 2


def check_headers(reply, content_type):
    h = reply.headers
    assert h["content-type"].split(";")[0] == content_type
    assert re.fullmatch(r'"[!#-~]+"', h["etag"]), h["etag"]
    assert "no-cache" in h["cache-control"] and "immutable" not in h["cache-control"]
    assert h["x-cache"] in ("HIT", "MISS", "SHARED")
    assert re.match(r"[A-Za-z0-9_.\"-]+ *; *(hit|fwd=)", h["cache-status"]), h
    assert re.match(r"[a-z]+[a-z0-9_-]* *(;|,|$)", h["server-timing"]), h
    assert h["x-content-type-options"] == "nosniff"
    assert int(h["content-length"]) == len(reply.body)


def test_headers(client, image):
    for target, content_type in cached_routes(image):
        first = client.get(target)
        assert first.status == 200, (target, first)
        check_headers(first, content_type)
        second = client.get(target)
        check_headers(second, content_type)
        assert second.x_cache == "HIT", target
        assert "hit" in second.headers["cache-status"]
        assert second.body == first.body
        assert second.headers["etag"] == first.headers["etag"]


def test_head(client, image):
    patch = f"{API}/{image['id']}/get_patch?x=0&y=0&level=0&width=9&height=9"
    others = [patch, f"{API}/", f"{API}/{image['id']}/", "/healthz"]
    for target in [t for t, _ in cached_routes(image)] + others:
        got, head = client.get(target), client.head(target)
        assert head.status == 200, target
        assert head.body == b"", target
        for name in ("content-type", "content-length", "etag"):
            assert head.headers.get(name) == got.headers.get(name), (target, name)


def test_head_of_errors(client):
    reply = client.head("/images/image/999999/1/1/tile/")
    assert reply.status == 404 and reply.body == b""


def none_matches(etag):
    """Values of If-None-Match that match the tag (weak comparison, RFC 9110)."""
    return [etag, f"W/{etag}", f'"x", {etag}', f'W/"a",W/{etag} , "b"']


def test_not_modified(good, client, image):
    for target, _ in cached_routes(image):
        etag = client.get(target).headers["etag"]
        hits = good.counter("hits")
        for value in none_matches(etag):
            for method in ("GET", "HEAD"):
                reply = client.request(method, target, {"If-None-Match": value})
                assert reply.status == 304, (target, value, reply)
                assert reply.body == b""
                assert reply.headers["etag"] == etag
                assert "cache-control" in reply.headers
                assert "content-length" not in reply.headers
        assert good.counter("hits") == hits, "a 304 touched the cache"


def test_modified(client, image):
    for target, _ in cached_routes(image):
        for value in ('"x"', 'W/"x", "y"', "x", '"', ""):
            reply = client.get(target, {"If-None-Match": value})
            assert reply.status == 200 and reply.body, (target, value)


def test_versioned_url(client, image):
    for target, _ in cached_routes(image):
        fresh = client.get(f"{target}?v={image['version']}")
        assert fresh.status == 200
        assert IMMUTABLE in fresh.headers["cache-control"], (target, fresh)
        assert "public" in fresh.headers["cache-control"]
        for query in ("?v=00000000", "?v=", "?v=%20", "?w=" + image["version"]):
            old = client.get(target + query)
            assert old.status == 200
            assert "no-cache" in old.headers["cache-control"], (target, query)
            assert "immutable" not in old.headers["cache-control"]
            assert old.headers["etag"] == fresh.headers["etag"]


def test_slide_information(client, image, slide):
    for slash in ("", "/"):
        reply = client.get(f"{API}/{image['id']}/slide_information{slash}")
        assert document(reply) == slide.information(image["id"])


def test_thumbnail(client, image, slide):
    for slash in ("", "/"):
        reply = client.get(f"{API}/{image['id']}/thumbnail{slash}")
        assert reply.status == 200
        got = oracle.decode(reply.body, "PNG")
        want = slide.slide.get_thumbnail((128, 128)).convert("RGB")
        assert max(got.size) == 128
        assert all(abs(a - b) <= 1 for a, b in zip(got.size, want.size))
        assert oracle.psnr(got, want.resize(got.size)) >= 30


@pytest.mark.parametrize("slash", ["", "/"])
def test_get_patch(client, image, slide, slash):
    """x and y in pixels of level 0, width and height in pixels of the level asked for."""
    width, height = slide.slide.dimensions
    levels = slide.slide.level_count
    for x, y, level, w, h in [
        (0, 0, 0, 300, 200),
        (513, 1027, 0, 1, 1),
        (width - 64, height - 32, 0, 64, 32),
        (512, 256, 1, 256, 128),
        (0, 0, levels - 1, 40, 30),
        (0, 0, 0, 2048, 3),
    ]:
        query = f"x={x}&y={y}&level={level}&width={w}&height={h}"
        reply = client.get(f"{API}/{image['id']}/get_patch{slash}?{query}")
        assert reply.status == 200, (query, reply)
        assert reply.headers["content-type"] == "image/png"
        got = oracle.decode(reply.body, "PNG")
        want = slide.composite(slide.slide.read_region((x, y), level, (w, h)))
        assert got.size == (w, h)
        assert oracle.psnr(got, want) == float("inf"), query


def test_get_patch_defaults(good, client):
    """Without parameters the whole of level 0, when that is allowed."""
    file = oracle_small(good)
    image_id = good.image_id(file)
    with openslide.OpenSlide(str(good.root / file)) as s:
        size = s.dimensions
    reply = client.get(f"{API}/{image_id}/get_patch")
    if max(size) > 2048:
        detail(reply, 400)
    else:
        assert oracle.decode(reply.body, "PNG").size == size


def oracle_small(good):
    images = good.images()
    return min(images, key=lambda name: images[name]["width"])


def test_get_patch_is_cut_at_the_edge(client, image, slide):
    width, height = slide.slide.dimensions
    query = f"x={width - 10}&y={height - 5}&level=0&width=100&height=50"
    reply = client.get(f"{API}/{image['id']}/get_patch?{query}")
    assert reply.status == 200, reply
    assert oracle.decode(reply.body, "PNG").size == (10, 5)


def test_one_image(client, good, image, slide):
    for slash in ("", "/"):
        got = document(client.get(f"{API}/{image['id']}{slash}"))
        assert got == image
    assert (got["width"], got["height"]) == slide.slide.dimensions
    assert got["name"] == got["filename"] == SLIDE
    assert got["state"] == "ok" and got["reason"] == ""


def test_image_fields(good):
    for name, got in good.images().items():
        assert set(got) == set(IMAGE_FIELDS), name
        for field, kind in IMAGE_FIELDS.items():
            value = got[field]
            assert isinstance(value, kind) and not isinstance(value, bool), (name, field)
        stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"
        assert re.fullmatch(stamp, got["time"]), got["time"]
        assert (got["depth"], got["frames"], got["channels"]) == (1, 1, 3)
        assert (got["FrameDescriptions"], got["annotations"]) == ([], [])
        assert (got["defaultFrame"], got["image_type"]) == (0, 0)


def test_image_facts_are_the_slides(good):
    for name, got in good.images().items():
        with openslide.OpenSlide(str(good.root / name)) as s:
            assert (got["width"], got["height"]) == s.dimensions, name
            mpp = [float(s.properties.get(f"openslide.mpp-{a}", 0)) for a in "xy"]
            assert got["mpp"] == pytest.approx(sum(mpp) / 2), name
            power = float(s.properties.get("openslide.objective-power", 1))
            assert got["objectivePower"] == pytest.approx(power), name


def test_list(client, good, good_files):
    for slash in ("", "/"):
        page = document(client.get(API + slash))
        assert set(page) == {"count", "next", "previous", "results"}
        assert page["count"] == len(good_files) == len(page["results"])
        assert page["next"] is None and page["previous"] is None
        ids = [im["id"] for im in page["results"]]
        assert ids == sorted(ids)


def address(client):
    port = getattr(client, "port", None)
    return f"http://127.0.0.1:{port}" if port else "http://localhost"


def test_pages(client, good_files):
    """EXACT-Sync follows "next" by the limit and offset that stand in it."""
    base, count = address(client) + API, len(good_files)
    page = document(client.get(f"{API}/?limit=2&omit=annotations"))
    assert page["next"] == f"{base}/?limit=2&offset=2&omit=annotations"
    assert page["previous"] is None and len(page["results"]) == 2
    page = document(client.get(f"{API}/?omit=annotations&offset=1&limit=1"))
    assert page["next"] == f"{base}/?limit=1&offset=2&omit=annotations"
    assert page["previous"] == f"{base}/?limit=1&omit=annotations"
    page = document(client.get(f"{API}/?limit=2&offset={count - 1}"))
    assert page["next"] is None and len(page["results"]) == 1
    page = document(client.get(f"{API}/?offset={count + 5}"))
    assert page["results"] == [] and page["count"] == count


def test_pages_together_are_the_list(client):
    whole = document(client.get(f"{API}/"))["results"]
    got, target = [], f"{API}/?limit=2"
    while target:
        page = document(client.get(target))
        got += page["results"]
        target = page["next"] and page["next"].removeprefix(address(client))
    assert got == whole


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "offset=-1", "offset=x"])
def test_bad_page_parameters_are_the_defaults(client, good_files, query):
    page = document(client.get(f"{API}/?{query}"))
    assert len(page["results"]) == len(good_files)


def filters(images):
    """(query, names that it must give)."""
    one = images[SLIDE]
    names = sorted(images)
    pair = sorted(names)[:2]
    ids = ",".join(str(images[n]["id"]) for n in pair)
    wide = {n for n in names if images[n]["width"] == one["width"]}
    high = {n for n in names if 1000 <= images[n]["height"] <= 4000}
    return [
        (f"id={one['id']}", {SLIDE}),
        (f"id__in={ids}", set(pair)),
        ("id=999999", set()),
        (f"name={SLIDE}", {SLIDE}),
        ("name=made", set()),
        ("name__contains=ade", {n for n in names if "ade" in n}),
        ("name__contains=%61de", {n for n in names if "ade" in n}),
        (f"name__in={','.join(pair)}", set(pair)),
        (f"filename={SLIDE}", {SLIDE}),
        ("filename__contains=.t", {n for n in names if ".t" in n}),
        (f"filename__in={','.join(pair)},x", set(pair)),
        (f"width={one['width']}", wide),
        ("height__range=1000,4000", high),
        ("objective_power=20&verified=1&no_such_filter=1", set(names)),
        (f"id={one['id']}&name=x", set()),
    ]


def test_filters(client, good):
    for query, want in filters(good.images()):
        page = document(client.get(f"{API}/?{query}"))
        assert {im["name"] for im in page["results"]} == want, query
        assert page["count"] == len(want), query


def test_fields_and_omit(client, image):
    page = document(client.get(f"{API}/?fields=id,name"))
    assert {frozenset(im) for im in page["results"]} == {frozenset(("id", "name"))}
    page = document(client.get(f"{API}/?omit=annotations,mpp"))
    for im in page["results"]:
        assert set(im) == set(IMAGE_FIELDS) - {"annotations", "mpp"}
    one = document(client.get(f"{API}/{image['id']}/?fields=filename"))
    assert one == {"filename": SLIDE}
    one = document(client.get(f"{API}/{image['id']}/?omit=annotations"))
    assert set(one) == set(IMAGE_FIELDS) - {"annotations"}


def test_headers_of_exact_sync(client, image):
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": "Swagger-Codegen/1.0.0/python",
        "Accept-Encoding": "identity",
        "Authorization": "Basic ZXhhY3Q6ZXhhY3Q=",
    }
    for target, _ in cached_routes(image):
        reply = client.get(target, headers)
        assert reply.status == 200 and "content-encoding" not in reply.headers, target


MANAGING = [
    ("PATCH", API + "/{id}/update_image_cache/", b"{}"),
    ("PATCH", API + "/{id}/update_image_cache", b'{"mem_size_mb": 5}'),
    ("POST", "/api/v1/cache/invalidate/", b'{"all": true}'),
    ("POST", "/api/v1/cache/versions/tiles/invalidate/", b""),
    ("PUT", "/api/v1/cache/versions/my_cache/", b""),
    ("DELETE", "/api/v1/cache/versions/tiles/", b""),
    ("POST", "/api/v1/cache/jobs/", b"{}"),
    ("DELETE", "/api/v1/cache/jobs/1/", b""),
]


@pytest.mark.parametrize("method,target,body", MANAGING)
def test_managing_is_refused(client, good, image, method, target, body):
    before = good.ctl("versions")
    headers = {"Content-Type": "application/json"}
    reply = client.request(method, target.format(id=image["id"]), headers, body)
    assert "manag" in detail(reply, 403)
    assert good.ctl("versions") == before


READ_ONLY = [
    "/images/image/{id}/1/1/tile/",
    "/images/image/{id}/1/1/tile_files/9/0_0.jpeg",
    API + "/{id}/thumbnail/",
    API + "/{id}/slide_information/",
    API + "/{id}/get_patch/",
    API + "/",
    API + "/{id}/",
    "/healthz",
]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_wrong_method(client, image, method):
    for target in READ_ONLY:
        reply = client.request(method, target.format(id=image["id"]))
        detail(reply, 405)
        assert reply.headers["allow"].replace(" ", "") == "GET,HEAD", (target, reply)


def test_unknown_method(good, image):
    for method in ("BREW", "get", "OPTIONS", "TRACE"):
        detail(good.fcgi.request(method, f"{API}/{image['id']}/"), 405)


def test_two_slides_never_share_a_tag(client, good):
    images = [im for im in good.images().values() if im["width"] > 256]
    tags = set()
    for im in images:
        for fmt in ("png", "jpeg"):
            target = f"/images/image/{im['id']}/1/1/tile_files/8/0_0.{fmt}"
            tags.add(client.get(target).headers["etag"])
    assert len(tags) == 2 * len(images)
