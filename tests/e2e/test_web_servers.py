# SPDX-License-Identifier: MIT
"""The service behind each web server, with the very files of deploy/: every route (the tests
of test_routes.py), every bad address (the table of test_bad_input.py), the pages, and what
servers do with requests before they pass them on. Where one refuses by itself, a table here
says what it answers; everything else has the same status behind all of them."""

import json
import re

import pytest

import fcgi
import service
import slides
import tiff
import web
from management import ANNA, JSON, PASSWORDS, USERS, basic
from test_bad_input import TARGETS, check_no_path, check_sentence, fill
from test_routes import *  # noqa: F403 (they take the fixtures below)
from test_routes import API, cached_routes

SERVERS = ["lighttpd", "lighttpd-spawn", "apache", "nginx"]
if service.is_sanitized():  # a sanitizer sees our programs, whose requests are the same
    SERVERS = ["nginx"]
PLAIN = "plain.tiff"
INVALIDATE = "/api/v1/cache/versions/tiles/invalidate/"


@pytest.fixture(scope="module")
def good_files(tmp_path_factory):
    """PLAIN is what the table of bad addresses speaks of."""
    tmp = tmp_path_factory.mktemp("slides")
    return [*slides.make_all(tmp), tiff.write_noise(tmp / PLAIN, 1, 500, 400)]


@pytest.fixture(scope="module", params=SERVERS)
def good(request, good_files):
    """In place of conftest.py's: behind the server that is asked for, without users."""
    with service.Service(files=good_files, web=request.param) as live:
        for file in good_files:
            live.image_id(file.name)
        yield live


@pytest.fixture(scope="module")
def client(good):
    return good.web.http


@pytest.fixture(scope="module", params=SERVERS)
def managed(request, tmp_path_factory):
    """With users, below a base path."""
    tmp = tmp_path_factory.mktemp("managed")
    (tmp / "users").write_text(USERS)
    config = {
        "access": {"htpasswd_file": str(tmp / "users")},
        "base_path": "/scope/lab",
        "slides": {"scan": False},
    }
    file = tiff.write_noise(tmp / PLAIN, 1, 500, 400)
    live = service.Service(config, [file], web=request.param)
    live.ctl("images", "scan")
    with live:
        yield live


def ask(live, method, target, headers=None, body=b""):
    """Through the web server, below the base path."""
    return live.web.http.request(method, live.base + target, headers, body)


# ----- addresses ---------------------------------------------------------------------------

# Addresses of test_bad_input.TARGETS that a server does not pass on: what it answers itself.
# None: it closes the connection.
REFUSED = {
    "lighttpd": {b"/images/image/\xff\xfe/1/1/tile/": None},
    "apache": {"/images/image/{id}%00/1/1/tile/": 404},
    "nginx": {},
}
PAGE = "/"  # of the web server's own
# They refuse these, as we do.
REFUSED_ALIKE = {
    "lighttpd": set(),
    "apache": {"/images/image/%zz/1/1/tile/", "/images/image/{id}/1/1/tile%",
               "/images/image/{id}/1/1/tile%2", "/images/%2e%2e/%2e%2e/etc/passwd"},
    "nginx": {"/images/image/%zz/1/1/tile/", "/images/image/{id}/1/1/tile%",
              "/images/image/{id}/1/1/tile%2", "/images/image/{id}%00/1/1/tile/",
              "/images/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd"},
}


def kind(live):
    return live.web.command.replace("apache2", "apache")


@pytest.mark.parametrize("target,status", TARGETS, ids=[str(t)[:60] for t, _ in TARGETS])
def test_bad_address(good, target, status):
    """Whoever refuses it: the status is the table's."""
    image = good.image_id(PLAIN)
    name = kind(good)
    if target in REFUSED[name] and REFUSED[name][target] is None:
        with pytest.raises(fcgi.Gone):
            good.web.http.get(fill(target, image))
        return
    reply = good.web.http.get(fill(target, image))
    check_no_path(reply, good.dir, service.BUILD, service.REPO)
    if target == PAGE:
        assert reply.status == 200
    elif target in REFUSED[name]:
        assert reply.status == REFUSED[name][target], reply
    elif target in REFUSED_ALIKE[name]:
        assert reply.status == status, reply
    else:
        check_sentence(reply, status, good)


def test_long_addresses(good, client, image):
    """Up to our own limit they are served."""
    tile = f"/images/image/{image['id']}/1/1/tile_files/9/0_0.jpeg?x="
    assert client.get(tile + "a" * 7000).status == 200
    assert client.get(tile + "a" * (8192 - len(tile))).status == 200
    check_sentence(client.get(tile + "a" * 8192), 414, good)


def test_an_address_over_the_servers_limit(good, client):
    assert client.get("/healthz?" + "a" * 17000).status in (414, 431)
    assert client.get("/healthz", {"Cookie": "a" * 9000}).status == 200
    assert client.get("/healthz", {"Cookie": "a" * 20000}).status in (400, 431)
    assert client.get("/healthz").status == 200


# ----- what HTTP allows, and what not --------------------------------------------------------

POST = f"POST {INVALIDATE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
GET = "GET /healthz HTTP/1.1\r\nConnection: close\r\n"
# Status by lighttpd, Apache, nginx; one where all agree.
RAW = {
    "two lengths": (POST + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", 400),
    "length and chunks": (
        POST + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        (400, 403, 400),
    ),
    "chunks": (POST + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 403),
    "chunks of nothing": (POST + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "no length": (POST + "\r\n", (411, 403, 403)),
    "a negative length": (POST + "Content-Length: -1\r\n\r\n", 400),
    "a body of 70 kB": (POST + "Content-Length: 70000\r\n\r\n" + " " * 70000, 413),
    "a body of 200 kB": (POST + "Content-Length: 200000\r\n\r\n" + " " * 200000, 413),
    "100-continue": (POST + "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n{}", 403),
    "a body of GET": (GET + "Host: x\r\nContent-Length: 3\r\n\r\nabc", (400, 200, 200)),
    "no host": (GET + "\r\n", 400),
    "two hosts": (GET + "Host: x\r\nHost: y\r\n\r\n", 400),
    "a NUL": (GET + "Host: x\r\nA: b\0c\r\n\r\n", 400),
    "a folded header": (GET + "Host: x\r\nA: b\r\n c\r\n\r\n", (200, 200, 400)),
    "a space more": (GET.replace("z ", "z x ") + "Host: x\r\n\r\n", (404, 400, 400)),
    "no path": (GET.replace("/healthz", "*") + "Host: x\r\n\r\n", 400),
    "another host's": (
        GET.replace("/healthz", "http://elsewhere.example/healthz") + "Host: x\r\n\r\n",
        (400, 400, 200),
    ),
    "HTTP/1.0": ("GET /healthz HTTP/1.0\r\n\r\n", 200),
    "BREW": (GET.replace("GET", "BREW") + "Host: x\r\n\r\n", (501, 405, 405)),
    "OPTIONS": (GET.replace("GET", "OPTIONS") + "Host: x\r\n\r\n", 405),
    "TRACE": (GET.replace("GET", "TRACE") + "Host: x\r\n\r\n", 405),
    "CONNECT": ("CONNECT x:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", (400, 405, 400)),
}
ORDER = ["lighttpd", "apache", "nginx"]


@pytest.mark.parametrize("name", RAW)
def test_raw_request(good, client, name):
    raw, want = RAW[name]
    want = want if isinstance(want, int) else want[ORDER.index(kind(good))]
    reply = client.send(raw.encode("latin-1"), raw.split()[0])
    assert reply.status == want, reply
    check_no_path(reply, good.dir, service.BUILD, service.REPO)
    assert client.get("/healthz").status == 200


def test_a_second_request_in_a_body_is_none(good, client):
    """A length that counts is the only one: what follows is not another request."""
    assert client.get("/healthz?second").status == 200
    inner = "DELETE /api/v1/cache/versions/tiles/ HTTP/1.1\r\nHost: x\r\n\r\n"
    for head in ("Content-Length: 0\r\nContent-Length: 5\r\n", "Content-Length : 0\r\n",
                 "Transfer-Encoding: x\r\n", "Content-Length: 0,5\r\n"):
        raw = POST.replace("Connection: close\r\n", "") + head + "\r\n0\r\n\r\n" + inner
        reply = client.send(raw.encode())
        assert reply.status in (400, 411, 501), (head, reply)
    assert client.get("/healthz?last").status == 200
    assert "DELETE /api/v1/cache/versions/tiles/ " not in after(good.program.output(), "second")


def after(text, mark):
    return text.rpartition(mark)[2]


# ----- headers -------------------------------------------------------------------------------


def test_nothing_is_compressed(client, image):
    headers = {"Accept-Encoding": "gzip, deflate, br"}
    for target, _ in [*cached_routes(image), (f"{API}/", "")]:
        reply, plain = client.get(target, headers), client.get(target)
        assert "content-encoding" not in reply.headers, target
        assert (reply.body, reply.headers.get("etag")) == (plain.body, plain.headers.get("etag"))
        assert int(reply.headers["content-length"]) == len(reply.body)


def test_a_server_keeps_its_version_to_itself(client):
    for target in ("/", "/healthz", "/nowhere", "/static/nowhere"):
        assert not re.search(r"\d", client.get(target).headers.get("server", ""))
        assert "x-powered-by" not in client.get(target).headers


def test_tiles_are_those_of_the_socket(good, client, image):
    for target, _ in cached_routes(image):
        good.fcgi.get(target)  # from now on it is stored
        direct, through = good.fcgi.get(target), client.get(target)
        assert (through.status, through.body) == (direct.status, direct.body), target
        ours = {n: v for n, v in direct.headers.items() if n != "server-timing"}
        assert ours.items() <= through.headers.items(), target
        assert through.headers["server-timing"]


FORGED = [
    {name: "anna"}
    for name in ("Remote-User", "Remote_User", "REMOTE_USER", "X-Remote-User", "Auth-User",
                 "X_Remote_User", "Redirect-Remote-User", "Proxy")
] + [basic("anna", "x"), ANNA, {"Authorization": "Basic " + "A" * 4000}]


@pytest.mark.parametrize("server", SERVERS)
def test_nobody_says_who_he_is(server):
    """With a login of the web server's that is not there: no header is one, and neither are
    a password that nobody checked, or a header whose name another becomes in CGI."""
    with service.Service({"access": {"trust_remote_user": True}}, web=server) as live:
        before = live.ctl("versions")
        for headers in FORGED:
            reply = live.web.http.request("POST", INVALIDATE, {**JSON, **headers}, b"{}")
            assert reply.status in (401, 403), (headers, reply)
        assert live.ctl("versions") == before


def test_headers_that_look_like_variables(client, image):
    """Names with underscores, and "Proxy", are nothing that the service goes by."""
    target = f"/images/image/{image['id']}/1/1/tile/"
    plain = client.get(target)
    for name in ("Request_Uri", "Request-Uri", "Script_Name", "Path_Info", "Query_String",
                 "Content_Length", "Request_Method", "X_A-B", "X-A_B", "Proxy", "Https"):
        reply = client.get(target, {name: "/elsewhere"})
        assert (reply.status, reply.body) == (200, plain.body), name
        page = client.get(f"{API}/?limit=1", {name: "on"})
        assert json.loads(page.body)["next"].startswith(f"http://127.0.0.1:{client.port}/"), name


# ----- who manages ---------------------------------------------------------------------------


def test_the_password_comes_through(managed):
    for headers, status in (
        ({}, 401),
        (basic("anna", "wrong"), 401),
        (basic("nobody", "x"), 401),
        ({"Authorization": "Bearer x"}, 401),
        ({"Authorization": "Basic ?"}, 401),
        (ANNA, 200),
        ({**ANNA, "Origin": "http://evil.example"}, 403),
    ):
        reply = ask(managed, "POST", INVALIDATE, {**JSON, **headers}, b"{}")
        assert reply.status == status, (headers, reply)
        assert isinstance(json.loads(reply.body), dict)
        assert ("www-authenticate" in reply.headers) == (status == 401)
    assert managed.ctl_json("versions")["tiles"]["changed_by"] == "anna (http)"


MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="mem_size_mb"\r\n\r\n3\r\n'
    b'--b\r\nContent-Disposition: form-data; name="frame"\r\n\r\n1\r\n--b--\r\n'
)
BODIES = {
    "json": ("application/json", b'{"mem_size_mb": 3, "frame": 1}', 200),
    "form": ("application/x-www-form-urlencoded", b"mem_size_mb=3&frame=1", 200),
    "multipart": ("multipart/form-data; boundary=b", MULTIPART, 200),
    "none": (None, b"", 200),
    "broken": ("application/json", b'{"mem_size_mb": ', 400),
    "unknown": ("application/json", b'{"nope": 1}', 422),
    "text": ("text/plain", b"mem_size_mb=3", 415),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_patch(managed, name):
    content_type, body, status = BODIES[name]
    image = managed.image_id(PLAIN)
    managed.ctl("invalidate", "tiles")
    headers = {**ANNA, **({"Content-Type": content_type} if content_type else {})}
    reply = ask(managed, "PATCH", f"{API}/{image}/update_image_cache/", headers, body)
    assert reply.status == status, reply
    found = json.loads(reply.body)
    if status == 200:
        assert found["9"]["Total"] == sum(of["Tiles"][0] * of["Tiles"][1] for of in found.values())


def chunked(pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


def test_a_chunked_body(managed):
    """As HTTP/1.1 clients send what they do not know the length of."""
    image = managed.image_id(PLAIN)
    pieces = [b'{"mem_', b'size_mb": 3, "fr', b'ame": 1}']
    head = (
        f"PATCH {managed.base}{API}/{image}/update_image_cache/ HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {ANNA['Authorization']}\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    reply = managed.web.http.send(head.encode() + chunked(pieces), "PATCH")
    assert reply.status == 200 and "9" in json.loads(reply.body), reply


def test_large_bodies(managed):
    """To 64 kB they are read, over that refused: in our words, and with a megabyte in the
    server's, if it says any."""
    body = b'{"caches": ["tiles"]' + b" " * 60000 + b"}"
    assert ask(managed, "POST", "/api/v1/cache/invalidate/", {**ANNA, **JSON}, body).status == 200
    body = b" " * 65537
    check_sentence(ask(managed, "POST", INVALIDATE, {**ANNA, **JSON}, body), 413, managed)
    try:
        assert ask(managed, "POST", INVALIDATE, JSON, b" " * 1000000).status == 413
    except (fcgi.Gone, ConnectionError):
        pass
    assert ask(managed, "GET", "/healthz").status == 200


# Which part of its file it is, and the file of passwords there.
LOGIN = {
    "lighttpd": ("3", "/etc/lighttpd/slidecache.htpasswd"),
    "apache": ("3", "/etc/apache2/slidecache.htpasswd"),
    "nginx": ("4", "/etc/nginx/slidecache.htpasswd"),
}


@pytest.mark.parametrize("server", LOGIN)
def test_a_login_of_the_web_server(server, tmp_path):
    """As the file's comments have it: it asks, and its user is the one who manages."""
    part, place = LOGIN[server]
    config = {"access": {"trust_remote_user": True}}
    live = service.Service(config, web=server, web_parts=(part,))
    live.web.changed = {place: live.dir / "users"}
    (live.dir / "users").write_text("\n".join(n for n in USERS.split("\n") if "otto" in n) + "\n")
    with live:
        otto = basic("otto", PASSWORDS["otto"])
        for headers, status in (({}, 401), (basic("otto", "x"), 401), (ANNA, 401), (otto, 200),
                                ({**otto, "Remote-User": "anna", "Remote_User": "anna"}, 200)):
            for target in (INVALIDATE, INVALIDATE.replace("/cache/", "/%63ache/")):
                reply = live.web.http.request("POST", target, {**JSON, **headers}, b"{}")
                assert reply.status == status, (headers, reply)
            by = live.ctl_json("versions")["tiles"]["changed_by"]
            assert ("otto" in by) == (status == 200), by


@pytest.mark.parametrize("inside", [False, True])
def test_in_a_virtual_host_of_apache(inside):
    """Part 2 as a file of conf-enabled, which the site does not know of, or in the site. What
    is not handed down to it, as the file says: AllowEncodedSlashes."""
    site = "<VirtualHost *:*>\nServerName site.example\nDocumentRoot /nowhere\n"
    begin, end = "# ----- part 2", "# ----- end"
    live = service.Service(web="apache")
    if inside:
        live.web.changed = {begin: f"{site}{begin}", end: f"</VirtualHost>\n{end}"}
    else:
        live.web.changed = {end: f"{site}</VirtualHost>\n{end}"}
    with live:
        get = live.web.http.get
        assert get("/").status == get("/viewer/1/").status == 200
        assert get("/").headers["content-security-policy"]
        assert get("/nowhere%2fat%2fall").status == (400 if inside else 404)
        check_sentence(get("/nowhere?" + "a" * 7000), 404, live)
        check_sentence(get("/nowhere?" + "a" * 9000), 414, live)
        reply = live.web.http.request("POST", INVALIDATE, {**JSON, **ANNA}, b" " * 70000)
        check_sentence(reply, 413, live)


# ----- pages and the base path ---------------------------------------------------------------

PAGES = ["/", "/index.html", "/viewer/7/", "/viewer/7/?x=1", "/viewer.html", "/cache/",
         "/cache.html", "/static/common.js", "/static/style.css"]


@pytest.mark.parametrize("page", PAGES)
def test_a_page(managed, page):
    reply = ask(managed, "GET", page)
    assert reply.status == 200 and reply.body, reply
    h = reply.headers
    assert "default-src 'self'" in h["content-security-policy"]
    assert "frame-ancestors 'self'" in h["content-security-policy"]
    assert h["x-content-type-options"] == "nosniff"
    assert h["referrer-policy"] == "same-origin"
    assert h["cache-control"] == "no-cache"
    kinds = {"js": "text/javascript", "css": "text/css"}
    name = page.partition("?")[0].rpartition(".")[2]
    assert h["content-type"].lower() == kinds.get(name, "text/html") + "; charset=utf-8"
    again = ask(managed, "GET", page, {"If-None-Match": h["etag"]})
    assert again.status == 304 and not again.body
    assert ask(managed, "HEAD", page).status == 200


def test_pages_are_the_files(managed):
    for page, file in (("/", "index.html"), ("/viewer/7/", "viewer.html"),
                       ("/cache/", "cache.html"), ("/static/style.css", "static/style.css")):
        want = (service.REPO / "src" / "www" / file).read_bytes()
        assert ask(managed, "GET", page).body == want


def test_redirects_to_the_slash(managed):
    for target, want in (("", "/"), ("/viewer/7", "/viewer/7/"), ("/cache", "/cache/"),
                         ("/cache?a=b", "/cache/?a=b")):
        reply = ask(managed, "GET", target)
        assert reply.status == 301, (target, reply)
        place = reply.headers["location"].removeprefix(f"http://127.0.0.1:{managed.web.http.port}")
        assert place == managed.base + want


def test_outside_the_base_path(managed):
    """Is nothing of ours; what is not a page below it is the service's."""
    image = managed.image_id(PLAIN)
    tile = f"/images/image/{image}/1/1/tile_files/9/0_0.jpeg"
    assert ask(managed, "GET", tile).status == 200
    for outside in (tile, "/scope" + tile, "/scope/labx" + tile, "/healthz"):
        assert managed.web.http.get(outside).status == 404, outside
    for name in ("/static", "/viewer/x/", "/viewer/", "/indexxhtml", "/www/index.html"):
        check_sentence(ask(managed, "GET", name), 404, managed)
    for name in ("/static/nowhere", "/static/", "/static/../../../etc/passwd"):
        reply = ask(managed, "GET", name)
        assert reply.status in (400, 403, 404), reply
        check_no_path(reply, managed.dir, service.REPO)


# ----- the files themselves --------------------------------------------------------------------


def deployed(name):
    return (service.REPO / "deploy" / name).read_text()


def outside(text, begin, end):
    """text without what stands between two lines."""
    head, mark, rest = text.partition(begin)
    assert mark, begin
    _, mark, tail = rest.partition(end)
    assert mark, end
    return head, tail


def test_lighttpd_spawns_with_the_same_configuration():
    """deploy/lighttpd-spawn.conf is lighttpd.conf but for its head and the way to the pool."""
    both = []
    for name in ("lighttpd.conf", "lighttpd-spawn.conf"):
        _, rest = outside(deployed(name), "# slidecache behind", "# ----- part 1")
        both.append(outside(rest, '"socket" ', "# No file stands for"))
    assert both[0] == both[1]


def pages_pattern(text):
    return set(re.findall(r"static/\.\*\|.*?cache/\?\)\?", text))


def test_apache_twice_has_the_same_pages():
    """What is a page, and its headers, in both of Apache's files."""
    pages = [outside(deployed(n), "<Directory \"@WWW@\">", "</Directory>") for n in
             ("apache.conf", "apache-fcgid.conf")]
    assert pages_pattern(pages[0][1]) == pages_pattern(pages[1][1])
    aliases = [re.findall(r'(?m)^(?:AliasMatch|RedirectMatch) .*"@WWW@.*$', deployed(n)) for n in
               ("apache.conf", "apache-fcgid.conf")]
    assert aliases[0] == aliases[1] and len(aliases[0]) == 4


@pytest.mark.parametrize("name", web.KINDS)
def test_no_placeholder_is_left_unsaid(name):
    """Each name in @...@ has a line in the head that says what it is and an example."""
    text = deployed(web.KINDS[name].template)
    head, _, rest = text.partition("# ----- part 1")
    for place in set(re.findall(r"@([A-Z]+)@", rest)):
        assert re.search(rf"(?m)^#   (\w+, )?{place}(, \w+)? +\S.*\S  +\S", head), place
