# SPDX-License-Identifier: MIT
"""Every route that changes something, against every defect that a request can have: one
table. Each is answered with its status, names the field if it is one's, changes nothing, and
is a line of the log; to a stranger all of them look the same. And no GET changes anything."""

import json
import re
import time

import pytest

import service
import tiff
import warming
from management import ANNA, USERS, detail

API = "/api/v1/cache"
IMAGE = "/api/v1/images/images/1"
WARM = f"{IMAGE}/update_image_cache/"
JSON_TYPE = "application/json"
FORM_TYPES = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"]
FORM_BODIES = dict(zip(FORM_TYPES, (
    b"%s=%s", b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n--b--\r\n')))
DEPTH = 8
LONG_NAME = "n" * 70  # a name in a sentence is cut, not left out


class Route:
    """One that changes something. fields: what a body may have -> values that are wrong."""

    def __init__(self, method, target, body, fields=None, forms=False):
        self.method, self.target, self.body = method, target, body
        self.fields, self.forms = fields or {}, forms


NO_NUMBERS = [None, True, [], [7], {}, {"a": 1}, "x", "", " 5", "5 ", "0x5", "nan", "NaN", "inf",
              "1e999", "-1", "\u0660", "1,5", "5\x00"[:1] + "\t"]
SIZES = [*NO_NUMBERS, 0, -1, -0.0, 1e308, -1e308, 2**63 - 1, -(2**63), 1e18, 65537, "1e300"]
PLANES = [*NO_NUMBERS, 0, -1, -0.0, 1.5, 1e-9, 1e308, 2**63 - 1, -(2**63), 1e18, "1.5", "1e300"]
WARMING = {"mem_size_mb": SIZES, "z_dimension": PLANES, "frame": PLANES}
NO_IDS = [None, True, "1", "", 0, -1, 1.0, 1.5, 1e308, -(2**63), {}, {"id": 1}]
ROUTES = {
    "invalidate one": Route("POST", f"{API}/versions/tiles/invalidate/", {}),
    "invalidate some": Route(
        "POST", f"{API}/invalidate/", {"caches": ["tiles"], "images": [1]},
        {
            "caches": [None, True, 7, "tiles", {}, [7], [None], [["tiles"]], [{}], [1e308]],
            "images": [7, "1", {}, [[1]], *([value] for value in NO_IDS)],
            "all": [False, None, 0, 1, "true", [], {}],
        }),
    "start": Route("PUT", f"{API}/versions/fresh/", {}),
    "stop": Route("DELETE", f"{API}/versions/spare/", {}),
    "warm": Route("PATCH", WARM, {"mem_size_mb": 1}, WARMING, forms=True),
    "add jobs": Route(
        "POST", f"{API}/jobs/", {"image": 2, "mem_size_mb": 1},
        {**WARMING, "image": [[], [1], *NO_IDS],
         "images": [None, 1, "1", {}, [], [1, 1], [1] * 65, *([value] for value in NO_IDS)]}),
    "cancel a job": Route("DELETE", f"{API}/jobs/1/", {}),
}


class Defect:
    """What is wrong with a request, and what is said of it. word: in the sentence."""

    def __init__(self, name, status, word, body=None, content_type=JSON_TYPE, headers=None,
                 params=None):
        self.name, self.status, self.word = name, status, word
        self.body, self.content_type = body, content_type
        self.headers, self.params = headers or {}, params or {}


def nested(depth, begin=b"[", end=b"]"):
    return b'{"a":' + begin * (depth - 1) + b"0" + end * (depth - 1) + b"}"


# What is no JSON object of ours, whatever its fields are.
NO_OBJECTS = {
    "a space": b" ",
    "an array": b"[]",
    "an array of an object": b'[{"all": true}]',
    "a number": b"7",
    "a text": b'"all"',
    "null": b"null",
    "true": b"true",
    "half an object": b"{",
    "the other half": b"}",
    "two objects": b"{}{}",
    "something behind it": b"{} x",
    "a zero byte behind it": b"{}\0",
    "a zero byte within": b'{"a": "x\0y"}',
    "an escaped zero byte": b'{"a": "\\u0000"}',
    "a zero byte in a name": b'{"\\u0000": 1}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"all": true}'.encode("utf-16"),
    "UTF-32": '{"all": true}'.encode("utf-32"),
    "no UTF-8": b'{"caches": ["tiles\xff"]}',
    "overlong UTF-8": b'{"a": "\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"a": "\xed\xa0\x80"}',
    "an escaped surrogate": b'{"a": "\\ud800"}',
    "over U+10FFFF": b'{"a": "\xf4\x90\x80\x80"}',
    "a line end in a text": b'{"a": "\n"}',
    "an escape that is none": b'{"a": "\\x41"}',
    "a name twice": b'{"all": true, "all": true}',
    "a name twice, once escaped": b'{"all": true, "\\u0061ll": true}',
    "a name twice, further in": b'{"caches": [{"a": 1, "a": 2}]}',
    "NaN": b'{"mem_size_mb": NaN}',
    "Infinity": b'{"mem_size_mb": -Infinity}',
    "a plus": b'{"image": +1}',
    "a leading zero": b'{"image": 01}',
    "hexadecimal": b'{"image": 0x1}',
    "half a number": b'{"image": 1.}',
    "the other half of a number": b'{"image": .5}',
    "no exponent": b'{"image": 1e}',
    "a comma more": b'{"all": true,}',
    "single quotes": b"{'all': true}",
    "no quotes": b"{all: true}",
    "a comment": b'{"all": true /* x */}',
    "a name and no value": b'{"all"}',
    "a value and no name": b'{: true}',
    "compressed": bytes.fromhex("1f8b0800000000000003abae0500432aa8f602000000"),
    "a form": b"mem_size_mb=1",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
    "nested once too often": nested(DEPTH + 1),
    "objects, nested once too often": nested(DEPTH + 1, b'{"b":', b"}"),
    "nested very deeply": nested(30_000),
    "opened only": b'{"a":' + b"[" * 60_000,
}
UNKNOWN = ["nope", "Caches", "mem_size_mb ", "__proto__", "constructor", "a\"b'<script>", "ü",
           "line\nend", "esc\x1b[31m", "rtl\u202e", "%s%n", "images[]", LONG_NAME]
TOO_LARGE = ["1e999", "-1e999", "9223372036854775808", "-9223372036854775809", "9" * 400]
TYPES = ["text/plain", "text/plain; application/json", "application/jsonp", "application/xml",
         "application/json, text/plain", "application/csp-report", "*/*", "x", "application/",
         "multipart/mixed; boundary=b", "application/json\x00"[:-1] + "x"]
PAGES = [
    {"Origin": "null"},
    {"Origin": "http://evil.example"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://localhost:8081"},
    {"Origin": "https://localhost:8443"},
    {"Origin": "ftp://localhost"},
    {"Origin": "http://localhost/"},
    {"Origin": "http://localhost http://evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "same-origin, cross-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
]
# Before any right is looked at: what the web server says of the body is not so.
LENGTHS = [("3", 400), ("1", 400), ("-1", 400), ("2x", 400), ("0x2", 400), (" 2", 400), ("+2", 400),
           ("2, 2", 400), ("9" * 40, 400), ("65537", 413), ("9223372036854775807", 413)]


def of_every_route(route):
    for content_type in TYPES:
        yield Defect(f"type {content_type}", 415, "Content-Type", b"{}", content_type)
        yield Defect(f"type {content_type}, no body", 415, "Content-Type", b"", content_type)
    yield Defect("a body of no type", 415, "Content-Type", b"{}", None)
    for content_type in () if route.forms else FORM_TYPES:
        yield Defect(f"type {content_type}", 415, "Content-Type", b"a=1", content_type)
    for name, body in NO_OBJECTS.items():
        yield Defect(name, 400, "body", body)
    for name in UNKNOWN:
        said = name[:60]
        yield Defect(f"field {name!r}", 422, said, {**route.body, name: 1})
        yield Defect(f"only field {name!r}", 422, said, {name: None})
    for value in TOO_LARGE:
        body = b'{"%s": %s}' % (b"nope", value.encode())
        yield Defect(f"number {value[:20]}", 422, "nope", body)
    for headers in PAGES:
        yield Defect(f"page {headers}", 403, "site", route.body, headers=headers)
        # Not told what else would be wrong.
        yield Defect(f"page {headers}, text", 403, "site", b"x", "text/plain", headers)


def of_fields(route):
    for field, values in route.fields.items():
        rest = {k: v for k, v in route.body.items() if not {field, k} <= {"image", "images"}}
        for value in values:
            yield Defect(f"{field} = {str(value)[:40]!r}", 422, field, {**rest, field: value})
        for value in TOO_LARGE:
            body = b'{"%s": %s}' % (field.encode(), value.encode())
            yield Defect(f"{field} = {value[:20]}", 422, field, body)


def of_forms(route):
    for content_type, body in FORM_BODIES.items():
        for name, value in (("nope", "1"), ("mem_size_mb", "x"), ("frame", "0"),
                            ("z_dimension", ""), ("mem_size_mb", "1e309"), ("frame", "١")):
            raw = body % (name.encode(), value.encode())
            yield Defect(f"{content_type[:9]}: {name}={value}", 422, name, raw, content_type)
        for name, value in (("frame", b"\xff"), ("", b"1"), ("frame", b"\0")):
            raw = body % (name.encode(), value)
            yield Defect(f"{content_type[:9]}: {name}={value}", 400, "form", raw, content_type)


def defects(route):
    yield from of_every_route(route)
    yield from of_fields(route)
    if route.forms:
        yield from of_forms(route)


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """Two images, a job that waits, and all that the good requests of the table want."""
    tmp = tmp_path_factory.mktemp("b")
    (tmp / "users").write_text(USERS)
    config = {"slides": {"scan": False}, "access": {"htpasswd_file": str(tmp / "users")}}
    files = [tiff.write_noise(tmp / f"{n}.tiff", 1, 700, 500) for n in (1, 2)]
    with service.Service(config, files, web=True) as running:
        running.ctl("images", "scan")
        running.ctl("start", "spare")
        for image in ("1", "2"):  # a version comes into being when it is read first
            running.ctl("invalidate", "--image", image)
        with warming.paused(running):
            assert send(running.fcgi, ROUTES["add jobs"], body={"image": 1}).status == 202
            yield running


def send(client, route, headers=ANNA, body=None, content_type=JSON_TYPE, **more):
    body = route.body if body is None else body
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {**headers, **({"Content-Type": content_type} if content_type else {})}
    return client.request(route.method, route.target, sent, raw, **more)


def send_defect(client, route, defect, headers=ANNA):
    more = {"params": defect.params} if defect.params else {}
    return send(client, route, {**headers, **defect.headers}, defect.body, defect.content_type,
                **more)


def state(live):
    """All that these routes change."""
    images = (live.dir / "state" / "images.json").read_bytes()
    return live.ctl_json("versions"), live.ctl_json("jobs", "list"), images


@pytest.mark.parametrize("name", ROUTES)
def test_each_defect(live, name):
    """Directly: lighttpd would refuse some itself."""
    route, before, count = ROUTES[name], state(live), 0
    for defect in defects(route):
        reply = send_defect(live.fcgi, route, defect)
        sentence = detail(reply, defect.status)
        assert defect.word.strip() in sentence, (defect.name, sentence)
        if defect.status == 422:
            assert sentence.startswith(defect.word), (defect.name, sentence)
        count += 1
    assert count > 100
    assert state(live) == before


@pytest.mark.parametrize("name", ROUTES)
def test_a_stranger_is_told_nothing(live, name):
    """Whatever is wrong with what he sends, the answer is that to a good request."""
    route = ROUTES[name]
    good = send(live.fcgi, route, {})
    assert "credentials" in detail(good, 401)
    for defect in defects(route):
        reply = send_defect(live.fcgi, route, defect, {})
        assert (reply.status, reply.body) == (401, good.body), defect.name


@pytest.mark.parametrize("name", ROUTES)
def test_lengths_that_are_not_the_bodys(live, name):
    route, before = ROUTES[name], state(live)
    for headers in (ANNA, {}):
        for length, status in LENGTHS:
            reply = send(live.fcgi, route, headers, b"{}", params={"CONTENT_LENGTH": length})
            detail(reply, status)
        for length in (None, ""):
            reply = send(live.fcgi, route, headers, b"{}", params={"CONTENT_LENGTH": length})
            detail(reply, 400)
        over = b'{"caches": ["tiles"]' + b" " * 65536 + b"}"
        detail(send(live.fcgi, route, headers, over), 413)
    assert state(live) == before


@pytest.mark.parametrize("name", ROUTES)
def test_behind_a_web_server(live, name):
    """Another status than ours is lighttpd's own refusal."""
    route, before = ROUTES[name], state(live)
    for defect in defects(route):
        if any(c in "\0\r\n" for c in defect.content_type or ""):
            continue
        own = {n: v.replace("localhost", f"127.0.0.1:{live.web.http.port}")
               for n, v in defect.headers.items()}
        other = Defect(defect.name, 0, "", defect.body, defect.content_type, own)
        reply = send_defect(live.web.http, route, other)
        assert reply.status == defect.status, (defect.name, reply)
    assert state(live) == before


FORM = "POST {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {}\r\n{}\r\n"


@pytest.mark.parametrize("content_type", [*FORM_TYPES, "text/plain", None])
def test_a_form_of_another_page(live, content_type):
    """What a browser sends for <form method="post"> in each enctype, along with the password
    that it knows, old and new; nor may a script's request that is not asked about before."""
    before = state(live)
    for origin in ("Origin: http://evil.example\r\n", "Origin: null\r\n", "",
                   "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"):
        for body in ('{"all": true}', '{"all": true, "x": "="}', "all=true", '{"all":true}='):
            kind = f"Content-Type: {content_type}\r\n" if content_type else ""
            raw = FORM.format(f"{API}/invalidate/", ANNA["Authorization"],
                              f"{origin}{kind}Content-Length: {len(body)}\r\n") + body
            reply = live.web.http.send(raw.encode(), "POST")
            assert reply.status == (403 if origin else 415), (origin, body, reply)
            reply = live.web.http.send(raw.replace(ANNA["Authorization"], "x").encode(), "POST")
            assert reply.status == 401, reply
    assert state(live) == before


# ----- reading changes nothing -------------------------------------------------------------

READING = [
    "/healthz", f"{API}/versions/", f"{API}/versions/tiles/", f"{API}/versions/image/1/",
    f"{API}/versions/nope/", f"{API}/versions/image/99/", f"{API}/stats/", f"{API}/jobs/",
    f"{API}/jobs/1/", f"{API}/invalidate/", f"{API}/versions/tiles/invalidate/", WARM,
    "/api/v1/images/images/", f"{IMAGE}/", f"{IMAGE}/slide_information/",
    f"{IMAGE}/thumbnail/", f"{IMAGE}/get_patch/?x=0&y=0&level=0&width=9&height=9",
    "/images/image/1/1/1/tile/", "/images/image/1/1/1/tile_files/9/0_0.jpeg",
]
QUERIES = [
    "", "all=true", "caches=tiles", "image=1", "method=DELETE", "_method=PUT", "mem_size_mb=1",
    "X-HTTP-Method-Override=POST", "action=invalidate", "cancel=1", "format=json", "v=x", "v=",
    "fields=", "limit=0", "limit=-1&offset=9e9", "filename__contains=%27%20OR%201=1--", "a" * 3000,
    "%00", "%zz", "=", "&&&", "v=%0d%0aX:y", "callback=alert(1)", "id__in=1,2,x", "\u202e",
]
OVERRIDES = [{}, {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "PUT",
                  "X-HTTP-Method": "POST"}, {"Content-Type": JSON_TYPE}]


def test_reading_changes_nothing(live):
    """Each GET with each query, asked by who may do anything."""
    before = state(live)
    for target in READING:
        for query in QUERIES:
            for headers in OVERRIDES:
                whole = f"{target}{'&' if '?' in target else '?'}{query}"
                body = b'{"all": true}' if "Content-Type" in headers else b""
                for method in ("GET", "HEAD", "OPTIONS", "TRACE"):
                    reply = live.fcgi.request(method, whole, {**ANNA, **headers}, body)
                    assert reply.status in (200, 400, 404, 405), (method, whole, reply)
    assert state(live) == before


# ----- what is written down ----------------------------------------------------------------


def said(live):
    """The lines of changes, and of refused ones: level and text."""
    return re.findall(r"(?m)^\S+ (\w+) \[\d+\] audit: (.*)$", live.program.output())


def test_a_refused_change_is_a_line(live):
    before = len(said(live))
    params = {"REMOTE_ADDR": "2001:db8::7"}
    for name, body, status in (("invalidate some", {"nope": "SECRET"}, 422),
                               ("invalidate some", b"{", 400),
                               ("start", {"a": 1}, 422)):
        assert send(live.fcgi, ROUTES[name], body=body, params=params).status == status
    headers = {**ANNA, "Origin": "http://evil.example"}
    assert send(live.fcgi, ROUTES["stop"], headers, params=params).status == 403
    target = f"{API}/invalidate/?sig=SECRET"
    wrong = live.fcgi.request("POST", target, {**ANNA, "Content-Type": "x"}, b"SECRET",
                              params=params)
    assert wrong.status == 415
    lines = said(live)[before:]
    assert [line[0] for line in lines] == ["warning"] * 5
    head = "anna from 2001:db8::7: refused "
    assert all(text.startswith(head) for _, text in lines), lines
    rest = [text.removeprefix(head) for _, text in lines]
    assert rest[0] == f"422: POST {API}/invalidate/: nope: is no field of this body"
    assert rest[1].startswith(f"400: POST {API}/invalidate/: the body is no JSON")
    assert rest[2].startswith(f"422: PUT {API}/versions/fresh/: a: ")
    assert rest[3].startswith(f"403: DELETE {API}/versions/spare/: managing from a page")
    assert rest[4].startswith(f"415: POST {API}/invalidate/: the body wants")
    assert "SECRET" not in "".join(rest)


def test_strangers_do_not_fill_the_log(live):
    """However many they send, there is a line a second and worker of it."""
    before, begun = len(said(live)), time.monotonic()
    for _ in range(300):
        assert send(live.fcgi, ROUTES["start"], {}).status == 401
    seconds = time.monotonic() - begun
    lines = [text for _, text in said(live)[before:]]
    assert 1 <= len(lines) <= live.config["workers"] * (seconds + 1), lines
    assert all(text.startswith("(stranger) from 127.0.0.1: refused 401: PUT ") for text in lines)


FORGED = ["a from 192.0.2.1: stopped tiles", "line\\nend", "quote\"'", "token:nightly", "ä", "a b",
          "(stranger)", "%41", "rtl\u202e", "<b>"]


def test_nobody_is_called_what_another_is(tmp_path):
    """Users whom the web server names, addresses, and names in bodies and paths."""
    config = {"access": {"trust_remote_user": True}}
    with service.Service(config) as running:
        lines = []
        for user in FORGED:
            for address in ("192.0.2.7", "192.0.2.7: x", "\x1b[2J", "::1\n", ""):
                params = {"REMOTE_USER": user, "REMOTE_ADDR": address}
                reply = send(running.fcgi, ROUTES["invalidate one"], {}, params=params)
                assert reply.status == 200, (user, reply)
                lines = [text for _, text in said(running)]
                found = re.fullmatch(r"([A-Za-z0-9._@+%-]+) from ([A-Za-z0-9._@+%:-]+): "
                                     r"invalidated tiles", lines[-1])
                assert found, lines[-1]
        heads = {line.partition(" ")[0] for line in lines}
        assert len(heads) == len(FORGED)
        raw = (running.dir / "slidecached.log").read_bytes()
        assert not re.search(rb"[^\n\x20-\x7e]", raw)
