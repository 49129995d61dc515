# SPDX-License-Identifier: MIT
"""Hostile addresses, methods, headers and framings, made of small tables of defects, each
sent to one service behind lighttpd, nginx and Apache with the files of deploy/. Where a
server passes the request on, the status is the same behind all three; nothing is answered
500, no answer holds a control byte in its head or a path of this machine, every connection
is answered, and the log stays printable."""

import collections
import re
import socket

import pytest

import service
import tiff
import web

KINDS = ["lighttpd", "nginx", "apache"]
if service.is_sanitized():  # a sanitizer sees our programs, whose requests are the same
    KINDS = ["nginx"]
ANSWER_S = 30
OUR_LINE = re.compile(rb"[\x20-\x7e]*")
THEIR_LINE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")  # nginx redirects with what is no ASCII
LOG_LINE = re.compile(rb"\d{4}-\d\d-\d\dT\S+Z (info|warning) \[\d+\] .+")
OURS = b"\r\nserver-timing: total;"
API = "/api/v1/images/images"

# ----- the tables --------------------------------------------------------------------------

# What does not belong into an address, as it stands in one.
DEFECTS = [
    # control bytes, zero bytes, other headers
    "%00", "%01", "%08", "%0a", "%0d", "%0d%0aX-Injected:%20y", "%0d%0a%0d%0a<b>", "%1b%5b31m",
    "%7f", "%c2%9b31m", "\x01", "\x1b[31m", "\x7f", "\t", "\x0bX-Injected:y", "\rX-Injected: y",
    # escapes
    "%", "%4", "%zz", "%u0041", "%%30%30", "%2500", "%252e%252e", "%c0%af", "%c0%80", "%e0%80%af",
    "%ed%a0%80", "%f4%90%80%80", "%ff", "%fe%ff", "%ef%bb%bf", "%e2%80%ae", b"\xff", b"\xc3\xa9",
    # paths
    ".", "..", "...", "%2e", "%2e%2e", "..%2f..%2f..%2fetc%2fpasswd", "%2f", "%2F", "%5c", "\\",
    "..\\..", "//", "/./", "/../", "/../../../../../../etc/passwd", "/", "~root", ";x=y", "..;",
    "..;/..;", "C:", "file:", "php://input", "%ef%bc%8f", "%ef%bc%8e%ef%bc%8e",
    # numbers
    "-1", "0", "+1", "1.0", "1e0", "0x1", "01", "1%20", "%201", "%31", "NaN", "null",
    "2147483648", "4294967297", "9223372036854775807", "9223372036854775808",
    "99999999999999999999999", "%d9%a1", "%ef%bc%91", "1,2", "1_1",
    # other languages
    "'", "%22", "%27%20OR%201=1--", "<script>alert(1)</script>", "%3Cscript%3E", "{{7*7}}",
    "${jndi:ldap://x}", "$(id)", "%60id%60", "|id", "&&id", "%s%n%x", "*", "?", "??", "&", "=",
    "[]", "@", ":", "!", "a" * 300, "%61" * 300,
]
# {x}: where a defect goes.
PLACES = [
    "/images/image/{x}/1/1/tile/",
    "/images/image/1/1/{x}/tile_files/9/0_0.jpeg",
    "/images/image/1/1/1/tile_files/{x}/0_0.jpeg",
    "/images/image/1/1/1/tile_files/9/{x}_0.png",
    "/images/image/1/1/1/tile_files/9/0_0.{x}",
    "/images/image/1/1/1/tile/{x}",
    "/images/image/1/1/1/tile/?v={x}",
    "/{x}/images/image/1/1/1/tile/",
    API + "/{x}/thumbnail/",
    API + "/1/{x}",
    API + "/1/get_patch/?x={x}&y=0&level=0&width=9&height=9",
    API + "/?limit={x}&offset=1&filename__contains={x}",
    API + "/?{x}=1&fields=id,{x}",
    "/api/v1/cache/versions/{x}/",
    "/api/v1/cache/versions/image/{x}/",
    "/api/v1/cache/jobs/{x}/",
    "/healthz{x}",
]
PAGES = ["/{x}", "/viewer/{x}/", "/viewer/1?{x}", "/viewer/1/?{x}", "/cache?{x}", "/cache{x}",
         "/static/{x}", "/static/{x}/common.js", "/static/common.js{x}", "?{x}"]

NAMES = [
    "Host", "Accept", "Accept-Encoding", "Accept-Language", "Accept-Charset", "Range", "If-Range",
    "If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since", "Cookie", "Referer",
    "User-Agent", "Origin", "Sec-Fetch-Site", "Via", "Forwarded", "X-Forwarded-For",
    "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "X-Real-IP", "X-Original-URL",
    "X-Rewrite-URL", "X-HTTP-Method-Override", "X_Remote_User", "X-Remote-User", "REMOTE-USER",
    "Remote_User", "Proxy", "Authorization", "Proxy-Authorization", "Prefer", "Expect", "TE",
    "Trailer", "Upgrade", "Cache-Control", "Pragma", "Max-Forwards", "Content-Type",
    "Content-Encoding", "X-Sendfile", "X-Accel-Redirect", "Status", "Location", "Request_Uri",
    "Script-Name", "Path_Info", "HTTPS", "SERVER_NAME", "GATEWAY_INTERFACE", "DOCUMENT_ROOT",
    "a", "X" * 300, "!#$%&'*+-.^_`|~",
]
VALUES = [
    b"", b"x", b"*", b"%00", b"%0d%0aX-Injected: y", b"\xff\xfe", b"\xc3\xa9", b"\x01", b"\x1b[31m",
    b"\x7f", b"\x0bX-Injected: y", b'"' * 300, b"W/" * 300, b"bytes=0-", b"bytes=0-0,-1,5-",
    b"bytes=9-1", b"bytes=99999999999999999999-", b"gzip;q=-1, *;q=9", b"../../../etc/passwd",
    b"http://evil.example/", b"<script>", b"${jndi:ldap://x}", b"() { :; }; id", b"-1",
    b"Thu, 01 Jan 1970 00:00:00 GMT", b"Fri, 99 Foo 99999 99:99:99", b"Basic", b"Basic ====",
    b"Basic " + b"A" * 3000, b"Bearer " + b"A" * 3000, b"a," * 500, b"a" * 9000,
]
HEADER_TARGETS = ["/images/image/1/1/1/tile_files/9/0_0.jpeg", f"{API}/?limit=1"]

METHODS = ["get", "Get", "HEAD", "OPTIONS", "TRACE", "TRACK", "CONNECT", "PROPFIND", "MKCOL", "COPY",
           "LOCK", "SEARCH", "PATCH", "DELETE", "PUT", "POST", "BREW", "PRI", "DEBUG", "X" * 1000,
           "G\x01T", "G<T", '"GET"', "GET\x00", "", "GET,POST", "\x1b[2J", "-", "1"]

CHUNKS = "0\r\n\r\n"
FRAMINGS = [
    ("Content-Length: 0\r\n", ""),
    ("Content-Length: 0\r\nContent-Length: 0\r\n", ""),
    ("Content-Length: 0, 0\r\n", ""),
    ("Content-Length: +0\r\n", ""),
    ("Content-Length: 0x0\r\n", ""),
    ("Content-Length: 00\r\n", ""),
    ("Content-Length:\r\n", ""),
    ("Content-Length: 99999999999999999999\r\n", ""),
    ("Content-Length: -1\r\n", ""),
    ("Content-Length: 1e1\r\n", ""),
    ("Content-Length : 0\r\n", ""),
    ("Transfer-Encoding: chunked\r\n", CHUNKS),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", CHUNKS),
    ("Transfer-Encoding: chunked, chunked\r\n", CHUNKS),
    ("Transfer-Encoding: identity\r\nContent-Length: 0\r\n", ""),
    ("Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n", ""),
    ("Transfer-Encoding: \x0bchunked\r\nContent-Length: 0\r\n", ""),
    ("Transfer-Encoding : chunked\r\nContent-Length: 0\r\n", CHUNKS),
    ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", CHUNKS),
    ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", CHUNKS),
    ("Transfer-Encoding: chunked\r\n", "-1\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "2;x=\x01\r\n{}\r\n0\r\n\r\n"),
    ("Transfer-Encoding: chunked\r\n", "0\r\nX-Injected: y\r\nAuthorization: x\r\n\r\n"),
    ("Expect: 100-continue\r\nContent-Length: 2\r\n", "{}"),
    ("Expect: 200-ok\r\nContent-Length: 0\r\n", ""),
    ("Connection: Content-Length, close\r\nContent-Length: 0\r\n", ""),
    ("Connection: Authorization, Host, close\r\nContent-Length: 0\r\n", ""),
    ("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings, close\r\nHTTP2-Settings: AA\r\n"
     "Content-Length: 0\r\n", ""),
    ("Authorization: Basic x\r\nAuthorization: Basic y\r\nContent-Length: 0\r\n", ""),
    ("Host: y\r\nContent-Length: 0\r\n", ""),
    ("Content-Type: application/json\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n", "{}"),
    ("Origin: http://x\r\nOrigin: http://evil.example\r\nContent-Length: 0\r\n", ""),
    ("A: b\r\n c\r\nContent-Length: 0\r\n", ""),
    (" A: b\r\nContent-Length: 0\r\n", ""),
    ("A\r\nContent-Length: 0\r\n", ""),
    (": b\r\nContent-Length: 0\r\n", ""),
    ("A B: c\r\nContent-Length: 0\r\n", ""),
    ("A: b\rX-Injected: y\r\nContent-Length: 0\r\n", ""),
    ("A: b\0c\r\nContent-Length: 0\r\n", ""),
    ("".join(f"X-{i}: y\r\n" for i in range(90)) + "Content-Length: 0\r\n", ""),
    ("".join(f"X-{i}: y\r\n" for i in range(400)) + "Content-Length: 0\r\n", ""),
]

# ----- requests of them ----------------------------------------------------------------------


def raw_request(target, headers=(), method=b"GET"):
    """headers: names and values, beside Host, unless that is one of them."""
    named = list(headers)
    if not any(name.lower() == b"host" for name, _ in named):
        named.insert(0, (b"Host", b"localhost"))
    named.append((b"Connection", b"close"))
    lines = [method + b" " + target + b" HTTP/1.1", *(n + b": " + v for n, v in named)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def to_bytes(text):
    return text if isinstance(text, bytes) else text.encode()


def address_requests(places):
    for place in places:
        for defect in DEFECTS:
            target = to_bytes(place).replace(b"{x}", to_bytes(defect))
            yield target[:120], raw_request(target)


def header_requests():
    for number, name in enumerate(NAMES):
        for value in VALUES:
            target = HEADER_TARGETS[(number + len(value)) % len(HEADER_TARGETS)]
            raw = raw_request(target.encode(), [(name.encode(), value)])
            yield (name[:40], value[:60]), raw


def method_requests():
    for method in METHODS:
        for target in (*HEADER_TARGETS, "/api/v1/cache/versions/tiles/", "/nowhere"):
            headers = [(b"Content-Length", b"0")] if method in ("PUT", "POST", "PATCH") else []
            yield (method[:20], target), raw_request(target.encode(), headers, method.encode())


def framing_requests():
    for method in ("GET", "POST", "PUT"):
        for head, body in FRAMINGS:
            target = {"PUT": "/api/v1/cache/versions/x/"}.get(method, "/api/v1/cache/versions/tiles/")
            if method == "POST":
                target += "invalidate/"
            connection = "" if "Connection:" in head else "Connection: close\r\n"
            raw = f"{method} {target} HTTP/1.1\r\nHost: x\r\n{connection}{head}\r\n{body}"
            yield (method, head[:60], body[:20]), raw.encode("latin-1")


# ----- and what comes back -------------------------------------------------------------------


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    file = tiff.write_noise(tmp_path_factory.mktemp("s") / "plain.tiff", 1, 500, 400)
    with service.Service({}, [file]) as running:
        assert running.image_id("plain.tiff") == 1
        yield running


@pytest.fixture(scope="module")
def servers(live):
    """All of them before one service, each in a folder of its own."""
    live.dir.chmod(0o711)
    started = {}
    try:
        for name in KINDS:
            folder = live.dir / name
            folder.mkdir()
            started[name] = web.KINDS[name](folder, live.socket)
            started[name].start()
        yield started
        for server in started.values():
            server.stop()
    finally:
        for server in started.values():
            server.destroy()


@pytest.fixture
def unharmed(live, servers):
    """Afterwards: nobody died, everybody answers, and the log is lines of printable text."""
    deaths = live.counter("worker_deaths")
    yield
    for server in servers.values():
        for _ in range(live.config["workers"]):
            assert server.http.get("/healthz").status == 200
    assert live.counter("worker_deaths") == deaths
    log = (live.dir / "slidecached.log").read_bytes()
    assert not re.search(rb"[^\n\x20-\x7e]", log)
    odd = [line for line in log.split(b"\n")[:-1] if not LOG_LINE.fullmatch(line)]
    assert not odd or service.is_sanitized(), odd  # a sanitizer writes there, too


def ask(port, raw):
    """All that comes back; what is closed without an answer is b""."""
    got = b""
    with socket.create_connection(("127.0.0.1", port), ANSWER_S * service.SLOW) as sock:
        try:
            sock.sendall(raw)
            while piece := sock.recv(65536):
                got += piece
        except ConnectionError:  # it refused before it had read everything
            pass
    return got


Answer = collections.namedtuple("Answer", "status head body ours")


def parse(got):
    if not got:
        return Answer(None, b"", b"", False)
    while got.startswith(b"HTTP/1.1 100 "):
        got = got.partition(b"\r\n\r\n")[2]
    head, _, body = got.partition(b"\r\n\r\n")
    found = re.match(rb"HTTP/1\.[01] (\d{3})( |\r|$)", head)
    assert found, got[:300]
    return Answer(int(found[1]), head, body, OURS in head.lower())


def check_clean(live, what, answer):
    """No control byte, no header of the client's making, no place on this machine."""
    for line in answer.head.split(b"\r\n"):
        assert (OUR_LINE if answer.ours else THEIR_LINE).fullmatch(line), (what, line)
        assert not line.lower().startswith(b"x-injected"), (what, line)
    everything = answer.head + answer.body
    for path in (str(live.dir), live.dir.name, str(service.BUILD), str(service.REPO), "/slides",
                 ".c:", "libslidecache", "Traceback", "root:x:", "DOCUMENT_ROOT="):
        assert path.encode() not in everything, (what, path)


# Of their own, beside the 4xx: a method, or a version of HTTP, that they do not know.
THEIR_500S = {501, 505}
# Made of our 200 by a server that looks at the request's conditions and ranges itself.
MADE_OF_200 = {206, 304, 412, 416}


def same(status, conditional):
    return 200 if conditional and status in MADE_OF_200 else status


def check_answers(live, what, answers, conditional):
    """Those that are ours are alike."""
    ours = {}
    for name, answer in answers.items():
        check_clean(live, what, answer)
        if answer.ours:
            assert answer.status < 500, (what, name, answer)
            ours[name] = same(answer.status, conditional)
        else:
            assert answer.status < 500 or answer.status in THEIR_500S, (what, name, answer)
    assert len(set(ours.values())) <= 1, (what, ours)
    return bool(ours)


def silent_way_of(name, raw):
    """lighttpd closes when the request's first line is not ASCII."""
    return name == "lighttpd" and any(byte > 0x7e for byte in raw.partition(b"\r\n")[0])


def send_all(live, servers, requests, conditional=False):
    """Returns how many there were, and how many of them reached the service."""
    sent = reached = 0
    for what, raw in requests:
        answers = {name: parse(ask(server.http.port, raw)) for name, server in servers.items()}
        for name in [n for n, a in answers.items() if a.status is None]:
            assert silent_way_of(name, raw), (what, name, "is not answered")
            del answers[name]
        reached += check_answers(live, what, answers, conditional)
        sent += 1
    return sent, reached


def test_addresses(live, servers, unharmed):
    sent, reached = send_all(live, servers, address_requests(PLACES))
    assert sent >= 1000 and reached > sent * 0.8, (sent, reached)


def test_pages(live, servers, unharmed):
    """The web server's own, and what is nearly one: theirs alone, so statuses may differ."""
    for what, raw in address_requests(PAGES):
        for name, server in servers.items():
            answer = parse(ask(server.http.port, raw))
            if answer.status is None:
                assert silent_way_of(name, raw), (what, name)
                continue
            check_clean(live, what, answer)
            assert answer.status < 500 or answer.status in THEIR_500S, (what, name, answer)


def test_headers(live, servers, unharmed):
    sent, reached = send_all(live, servers, header_requests(), conditional=True)
    assert sent >= 1000 and reached > sent * 0.8, (sent, reached)


def test_methods(live, servers, unharmed):
    sent, reached = send_all(live, servers, method_requests())
    assert reached > sent * 0.5, (sent, reached)


def test_framings(live, servers, unharmed):
    before = live.ctl_json("versions")
    sent, reached = send_all(live, servers, framing_requests())
    assert sent >= 100 and reached > sent * 0.3, (sent, reached)
    assert live.ctl_json("versions") == before


# ----- the address of another page -----------------------------------------------------------

HOSTS = ["evil example", "a/b", "a?b", "a#b", "u:p@a", '"><b>', "a\\b", "[::1", "a:b", "a:80:80",
         "a%0d%0aX:y", "\xe9.example", "a\tb", "a'b", "{{7*7}}", "a" * 300, ".." * 200 + "/"]


def test_a_host_that_is_none(live, servers, unharmed):
    """Addresses in answers begin with it, so it is 400, whoever says so; on routes that make
    none it does not matter."""
    for host in HOSTS:
        raw = raw_request(f"{API}/?limit=1".encode(), [(b"Host", host.encode("latin-1"))])
        for name, server in servers.items():
            answer = parse(ask(server.http.port, raw))
            assert answer.status == 400, (host, name, answer)
            check_clean(live, host, answer)
        reply = live.fcgi.get(f"{API}/?limit=1", {"Host": host.encode("latin-1")})
        assert reply.status == 400 and b"Host" in reply.body, (host, reply)
        assert live.fcgi.get("/healthz", {"Host": host.encode("latin-1")}).status == 200
    for host in ("slides.example", "slides.example:8080", "[::1]:80"):
        assert live.fcgi.get(f"{API}/?limit=1", {"Host": host}).status == 200


def test_what_a_list_of_another_page_holds(live, servers, unharmed):
    """Parameters go into its address as they came, and no further."""
    live.add_file(live.root / "plain.tiff", "second.tiff")
    live.ctl("images", "scan")
    for query in ('x="', "x=</script>", "x=%22", "x='", "x={}", "x=\\", "x=a b"):
        for server in servers.values():
            raw = raw_request(f"{API}/?limit=1&{query.replace(' ', '%20')}".encode())
            answer = parse(ask(server.http.port, raw))
            assert answer.status == 200 or not answer.ours, answer
            check_clean(live, query, answer)
            if answer.ours:
                assert b"application/json" in answer.head and b"nosniff" in answer.head.lower()
