# SPDX-License-Identifier: MIT
"""Label, macro and what else a slide has beside its pyramid: what is listed, its pixels by
openslide-python, who may see it, that nobody keeps it, and what hostile files get."""

import contextlib
import json
import struct

import openslide
import PIL.Image
import pytest

import management
import oracle
import service
import signing
import slides
import tiff

MADE, BARE, OTHER = "made.svs", "bare.tiff", "other.svs"
API = "/api/v1/images/images"
ON = {"slides": {"associated_images": True}}

RULES = {
    "rules": [
        {"who": ["user:anna"], "images": ["all"], "rights": ["read", "label"]},
        {"who": ["user:otto"], "images": ["all"], "rights": ["read"]},
    ],
}
OTTO = management.basic("otto", management.PASSWORDS["otto"])
IDA = management.basic("ida", management.PASSWORDS["ida"])

WIDTH, HEIGHT, COMPRESSION, STRIPS = 256, 257, 259, 273
LZW = 5
PIXELS_MAX = 64 << 20


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return [
        slides.make_slide(folder, MADE),
        tiff.write_noise(folder / BARE, 1, 300, 200),
        slides.make_slide(folder, OTHER, 1500, 1000, seed=8),
        *(f for f in slides.shared("") if slides.opens(f)),
    ]


@contextlib.contextmanager
def started(tmp, files, config, acl=True):
    """With access lists, or without: then who is known may see labels."""
    (tmp / "users").write_text(management.USERS)
    (tmp / "acl.json").write_text(json.dumps(RULES))
    signing.write_key(tmp / "key")
    access = {
        "htpasswd_file": str(tmp / "users"),
        "acl_file": str(tmp / "acl.json") if acl else None,
        "signing_key_file": str(tmp / "key"),
    }
    base = {"slides": {"scan": False}, "access": access}
    with service.Service(service.merge(base, config)) as live:
        live.ids = {}
        for file in files:
            live.add_file(file)
            live.ids[file.name] = int(live.ctl("images", "add", file.name))
        yield live


@pytest.fixture(scope="module")
def live(files, tmp_path_factory):
    with started(tmp_path_factory.mktemp("on"), files, ON) as running:
        yield running


def path(live, file, name=None):
    base = f"{API}/{live.ids[file]}/associated/"
    return base if name is None else f"{base}{name}/"


def get(live, target, headers=management.ANNA):
    return live.fcgi.get(target, headers)


def listed(live, file):
    return management.document(get(live, path(live, file)))


def truth(file):
    """name -> RGB pixels over white."""
    with openslide.OpenSlide(str(file)) as slide:
        images = {}
        for name, rgba in slide.associated_images.items():
            white = PIL.Image.new("RGB", rgba.size, "#ffffff")
            images[name] = PIL.Image.composite(rgba, white, rgba).convert("RGB")
        return images


def names_of(live, file):
    return [im["name"] for im in listed(live, file)["associated"]]


# ----- what there is ---------------------------------------------------------------------


def test_lists_and_pixels_are_those_of_openslide(live, files):
    for file in files:
        images = truth(file)
        wanted = [{"name": name, "width": images[name].width, "height": images[name].height}
                  for name in sorted(images)]
        assert listed(live, file.name) == {"associated": wanted}
        for name, pixels in images.items():
            reply = get(live, path(live, file.name, name))
            assert reply.status == 200, reply
            assert reply.headers["content-type"] == "image/png"
            shown = oracle.decode(reply.body, "PNG")
            assert shown.size == pixels.size and shown.tobytes() == pixels.tobytes(), name
    assert names_of(live, MADE) == ["label", "macro", "thumbnail"]
    assert names_of(live, BARE) == []


def test_with_and_without_the_slash_and_head(live):
    for target in (path(live, MADE), path(live, MADE, "label")):
        reply = get(live, target)
        assert get(live, target[:-1]).body == reply.body
        head = live.fcgi.head(target, management.ANNA)
        assert (head.status, head.body) == (200, b"")
        assert int(head.headers["content-length"]) == len(reply.body)


@pytest.mark.parametrize("name", [
    "Label", "label%20", "label.png", "labe", "labels", "x" * 64, "x" * 65, "x" * 4000,
    "%c3%a4", "..%00", "%2e%2e", "..", ".", "label%2f..", "label/macro", "%25", "'", '"', "<b>",
    "openslide.vendor", "*"])
def test_other_names_are_not_there(live, name):
    """Whatever is asked for is only compared with the slide's own names."""
    reply = get(live, f"{path(live, MADE)}{name}/")
    assert reply.status in (400, 404), reply
    assert "root" not in management.detail(reply, reply.status)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_else_can_be_done(live, method):
    for target in (path(live, MADE), path(live, MADE, "label")):
        reply = live.fcgi.request(method, target, management.ANNA)
        assert reply.status == 405 and reply.headers["allow"] == "GET, HEAD", reply


def test_another_file_has_another_label(live, files, tmp_path):
    before = get(live, path(live, OTHER, "label"))
    try:
        live.add_file(live.root / MADE, OTHER)
        made = truth(files[0])["label"]
        shown = oracle.decode(get(live, path(live, OTHER, "label")).body, "PNG")
        assert shown.tobytes() == made.tobytes()
        live.add_file(live.root / BARE, OTHER)
        assert names_of(live, OTHER) == []
        assert get(live, path(live, OTHER, "label")).status == 404
    finally:
        live.add_file(files[2])
    assert get(live, path(live, OTHER, "label")).body == before.body


# ----- who may see it, and keep it -------------------------------------------------------


def test_it_is_a_right_of_its_own(live):
    signature = signing.sign(live.ids[MADE])
    for target in (path(live, MADE), path(live, MADE, "label"), path(live, MADE, "none")):
        assert get(live, target, {}).status == 401
        assert get(live, f"{target}?sig={signature}", {}).status == 401
        assert get(live, target, OTTO).status == 403  # he may see the slide
        assert get(live, target, IDA).status in (403, 404)
        assert get(live, target, management.basic("anna", "wrong")).status == 401
    unknown = get(live, f"{API}/999/associated/label/")
    assert unknown.status == 404
    assert get(live, path(live, MADE, "label"), IDA).headers.keys() == \
        get(live, f"{API}/999/associated/label/", IDA).headers.keys()


def test_without_lists_of_rights(files, tmp_path):
    """Who is known may see it, strangers never."""
    with started(tmp_path, files[:1], ON, acl=False) as live:
        assert get(live, path(live, MADE, "label"), OTTO).status == 200
        assert get(live, path(live, MADE, "label"), {}).status == 401
        assert live.tile(live.ids[MADE], 8).status == 200


def test_it_is_off_unless_it_is_turned_on(files, tmp_path):
    with started(tmp_path, files[:1], {}) as live:
        for target in (path(live, MADE), path(live, MADE, "label")):
            sentence = management.detail(get(live, target), 404)
            assert "slides.associated_images" in sentence
            assert get(live, target, OTTO).status == 403
            assert get(live, target, {}).status == 401


def test_nobody_keeps_it(live):
    """No cache of ours, no browser; a tag would say what it looks like."""
    targets = (path(live, MADE), path(live, MADE, "label"), path(live, MADE, "macro"))
    before = {name: live.counter(name) for name in ("stores", "entries", "hits")}
    replies = [get(live, target, {**management.ANNA, **more})
               for target in targets for more in ({}, {"If-None-Match": "*"})]
    for reply in replies:
        assert reply.status == 200
        assert reply.headers["cache-control"] == "private, no-store"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert not {"etag", "x-cache", "cache-status", "last-modified"} & set(reply.headers)
    assert {name: live.counter(name) for name in before} == before


# ----- hostile files ---------------------------------------------------------------------


def directories(data):
    """{tag: (place of its value, value)} of each directory of a little-endian TIFF."""
    assert data[:4] == b"II*\0"
    (at,) = struct.unpack_from("<I", data, 4)
    while at:
        (n,) = struct.unpack_from("<H", data, at)
        found = {}
        for entry in range(at + 2, at + 2 + 12 * n, 12):
            tag, kind, _, value = struct.unpack_from("<HHII", data, entry)
            found[tag] = (entry, value & 0xFFFF if kind == 3 else value)
        yield found
        (at,) = struct.unpack_from("<I", data, at + 2 + 12 * n)


def label_of(data):
    """The directory of the label: the only one that is compressed by LZW."""
    [label] = [d for d in directories(data) if d[COMPRESSION][1] == LZW]
    return label


def write_number(data, entry, value):
    struct.pack_into("<HI", data, entry + 2, 4, 1)
    struct.pack_into("<I", data, entry + 8, value)


def with_label(files, target, width, height):
    """MADE, whose label says that it is so large."""
    data = bytearray(files[0].read_bytes())
    label = label_of(data)
    write_number(data, label[WIDTH][0], width)
    write_number(data, label[HEIGHT][0], height)
    target.write_bytes(data)
    return target


@pytest.fixture
def hostile(live, tmp_path):
    """Adds a file; what is asked of others goes on."""
    def add(file):
        live.add_file(file)
        live.ids[file.name] = int(live.ctl("images", "add", file.name))
        return file.name

    pids = set(live.worker_pids())
    yield add
    assert get(live, path(live, MADE, "label")).status == 200
    assert set(live.worker_pids()) == pids, "a worker died"


@pytest.mark.parametrize("width,height,said", [
    (8192, PIXELS_MAX // 8192, "cannot be read"),  # within the limit, and not all there
    (8192, PIXELS_MAX // 8192 + 1, "limit"),
    (PIXELS_MAX + 1, 1, "limit"),
    (40000, 40000, "limit"),
])
def test_what_is_too_large_is_not_decoded(live, files, hostile, tmp_path, width, height, said):
    name = hostile(with_label(files, tmp_path / f"{width}x{height}.svs", width, height))
    reply = get(live, path(live, name, "label"))
    assert said in management.detail(reply, 422), reply


def test_damaged_label_costs_itself_only(live, files, hostile, tmp_path):
    data = bytearray(files[0].read_bytes())
    entry, strips = label_of(data)[STRIPS]
    (n,) = struct.unpack_from("<I", data, entry + 4)
    first = strips if n == 1 else struct.unpack_from("<I", data, strips)[0]
    data[first : first + 400] = b"\xff" * 400
    (tmp_path / "damaged.svs").write_bytes(data)
    name = hostile(tmp_path / "damaged.svs")
    for _ in range(2):
        sentence = management.detail(get(live, path(live, name, "label")), 422)
        assert "label" in sentence and str(live.root) not in sentence
        assert get(live, path(live, name, "macro")).status == 200
        target = f"/images/image/{live.ids[name]}/1/1/tile_files/9/0_0.jpeg"
        assert get(live, target).status == 200


def test_file_that_is_no_slide(live, hostile, tmp_path):
    (tmp_path / "text.svs").write_text("no slide\n" * 100)
    name = hostile(tmp_path / "text.svs")
    for target in (path(live, name), path(live, name, "label")):
        assert management.detail(get(live, target), 422)
    (live.root / name).unlink()
    for target in (path(live, name), path(live, name, "label")):
        assert get(live, target).status in (404, 422, 503)
