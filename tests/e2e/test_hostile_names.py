# SPDX-License-Identifier: MIT
"""Slides whose files have hostile names: nothing that shows or serves them takes a name for
anything else. tests/browser/test_hostile_pages.py is of the pages."""

import json
import os
import re
import urllib.parse

import pytest

import service
import tiff
from hostile_names import HOSTILE_NAMES

API = "/api/v1/images/images"
# What a terminal obeys: controls of ASCII and beyond, lines, marks of direction.
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
NO_UTF8 = b"byte\xff\x1b[2J.tiff"


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("names")
    file = tiff.write_noise(tmp / "s.tiff", 1, 300, 200)
    with service.Service({"slides": {"scan": False}}) as running:
        for name in HOSTILE_NAMES:
            running.add_file(file, f"{name}.tiff")
        with open(os.path.join(os.fsencode(running.root), NO_UTF8), "wb") as odd:
            odd.write(file.read_bytes())
        running.scanned = running.run_ctl("images", "scan")
        running.ids = {n: im["id"] for n, im in running.images().items()}
        yield running


def is_printable(head):
    return re.fullmatch(r"[\r\n\x20-\x7e]*", head)


def test_all_are_listed_as_they_are(live):
    reply = live.fcgi.get(f"{API}/?limit=1000")
    listed = json.loads(reply.body)["results"]
    assert {im["filename"] for im in listed} == {f"{name}.tiff" for name in HOSTILE_NAMES}
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert is_printable(reply.head_text)
    assert not STEERING.search(reply.body.decode()), "looked at with curl, on a terminal"


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
def test_each_is_served(live, name):
    image = live.ids[f"{name}.tiff"]
    for target, kind in (
        (f"{API}/{image}/", "application/json"),
        (f"{API}/{image}/thumbnail/", "image/png"),
        (f"{API}/{image}/slide_information/", "application/json"),
        (f"/images/image/{image}/1/1/tile/", "application/xml"),
        (f"/images/image/{image}/1/1/tile_files/9/0_0.jpeg", "image/jpeg"),
    ):
        reply = live.fcgi.get(target)
        assert (reply.status, reply.headers["content-type"]) == (200, kind), reply
        assert is_printable(reply.head_text)
        assert "content-disposition" not in reply.headers
        if kind == "application/xml":
            assert re.fullmatch(rb'[\n\x20-\x7e]*', reply.body) and b"tiff" not in reply.body
        if kind == "application/json":
            json.loads(reply.body)
            assert not STEERING.search(reply.body.decode())
    found = live.fcgi.get(f"{API}/?filename={urllib.parse.quote(name + '.tiff', safe='')}")
    assert [im["id"] for im in json.loads(found.body)["results"]] == [image]


def test_on_a_terminal(live):
    """One line a slide, and no byte that a terminal obeys; with --json the names as they are."""
    text = live.ctl("images", "list")
    assert len(text.split("\n")) == len(HOSTILE_NAMES) + 1, text
    listed = live.ctl("--json", "images", "list")
    assert {im["file"] for im in json.loads(listed)} == set(live.ids)
    some = [str(live.ids[f"{name}.tiff"]) for name in HOSTILE_NAMES[11:19]]
    said = [text, listed, live.ctl("warm", *some), live.ctl("--json", "warm", *some[:2]),
            live.ctl("jobs", "list"), live.scanned.stdout + live.scanned.stderr]
    for name in [n for n in HOSTILE_NAMES if STEERING.search(n)]:
        said.append(live.ctl("explain", f"{API}/{live.ids[name + '.tiff']}/thumbnail/"))
        for words in (("images", "add", f"{name}x.tiff"), ("explain", f"/{name}")):
            done = live.run_ctl(*words)
            assert done.returncode in (1, 2)
            said.append(done.stdout + done.stderr)
    for one in said:
        assert not STEERING.search(one), ascii(STEERING.search(one)) + ascii(one[:400])


def test_what_is_no_utf8_is_left_out_and_said(live):
    assert not [name for name in live.ids if name.startswith("byte")]
    assert "byte\\xff\\x1b[2J.tiff" in live.scanned.stderr + live.scanned.stdout


def test_in_the_log(live):
    live.ctl("images", "remove", str(live.ids[f"{HOSTILE_NAMES[0]}.tiff"]))
    for name, image in live.ids.items():
        bad = live.dir / "bad"
        bad.write_bytes(b"II*\0")
        live.add_file(bad, name)
        assert live.tile(image, 9).status in (404, 422)
    log = (live.dir / "slidecached.log").read_bytes()
    assert not re.search(rb"[^\n\x20-\x7e]", log)
    lines = log.split(b"\n")[:-1]
    odd = [x for x in lines if not re.match(rb"\d{4}-\d\d-\d\dT\S+ \w+ \[\d+\] ", x)]
    assert not odd or service.is_sanitized(), odd  # a sanitizer writes there, too
