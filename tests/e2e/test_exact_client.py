# SPDX-License-Identifier: MIT
"""The calls of EXACT's public Python client, byte for byte as they were recorded, over one
connection that is kept, through each web server; and what that client needs of the answers."""

import base64
import datetime
import http.client
import io
import json
import re
import socket

import PIL.Image
import pytest

import service
import slides
import tiff
from management import PASSWORDS, USERS

API = "/api/v1/images/images"
CHUNK = 8192
NAMES = [f"{i:02}.tiff" for i in range(7)]
SLIDE = "made.tiff"
DROPPED = [400]  # Apache ends a connection after it, lighttpd and nginx keep all


class ApiException(Exception):
    """As the client's: any status outside 200 to 299."""


class ExactClient:
    """Sends what the generated client sends, header by header. No redirect is followed:
    none may be needed."""

    def __init__(self, port, user="exact", password="exact"):
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.host = f"127.0.0.1:{port}"
        self.basic = f"Basic {pair}"
        self.port = port
        self.connect()
        self.calls = 0

    def connect(self):
        self.sock = socket.create_connection(("127.0.0.1", self.port), 30 * service.SLOW)
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def raw(self, method, target, body=None):
        length = [f"Content-Length: {len(body)}"] if body is not None else []
        lines = [
            f"{method} {target} HTTP/1.1",
            f"Host: {self.host}",
            "Accept-Encoding: identity",
            *length,
            "Accept: application/json",
            "Content-Type: application/json",
            "User-Agent: Swagger-Codegen/1.0.0/python",
            f"Authorization: {self.basic}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + (body or "")).encode()

    def send(self, method, target, body=None):
        """The response, of which nothing was read but the head."""
        if self.ended:
            self.sock.close()
            self.connect()
        self.sock.sendall(self.raw(method, target, body))
        reply = http.client.HTTPResponse(self.sock, method=method)
        reply.begin()
        self.calls += 1
        self.ended = reply.will_close
        assert reply.version == 11
        assert not self.ended or reply.status in DROPPED, "the connection is kept"
        assert reply.getheader("Content-Length") is not None
        assert reply.getheader("Content-Encoding") is None
        return reply

    def read(self, method, target, body=None):
        reply = self.send(method, target, body)
        data = reply.read()
        if not 200 <= reply.status <= 299:
            raise ApiException(reply.status, reply.reason, data.decode(), reply.headers)
        return reply, data

    def json(self, method, target, body=None):
        return json.loads(self.read(method, target, body)[1].decode())

    # As the client names them.

    def update_image_cache(self, image, **given):
        target = f"{API}/{image}/update_image_cache/"
        reply, data = self.read("PATCH", target, json.dumps(given))
        return json.loads(data.decode()), reply

    def get_slide_information(self, image):
        return self.json("GET", f"{API}/{image}/slide_information/")

    def get_patch(self, image, **query):
        """The client has no slash before the question mark."""
        text = "&".join(f"{k}={v}" for k, v in query.items())
        _, data = self.read("GET", f"{API}/{image}/get_patch?{text}")
        return PIL.Image.open(io.BytesIO(data))

    def download_thumbnail(self, image, path):
        reply = self.send("GET", f"{API}/{image}/thumbnail/")
        with open(path, "wb") as out:
            while chunk := reply.read(CHUNK):
                out.write(chunk)
        return reply.status, path

    def retrieve_image(self, image):
        return model(self.json("GET", f"{API}/{image}/"))

    def list_page(self, **query):
        text = "&".join(f"{k}={v}" for k, v in query.items())
        return self.json("GET", f"{API}/?{text}" if text else f"{API}/")

    def list_images(self, pagination=True, **query):
        """Without pagination the client takes the page size out of "next", and asks for
        its multiples below "count"."""
        page = self.list_page(**query)
        results = page["results"]
        if pagination or not page["next"]:
            return page, results
        limit = int(re.search("limit=([0-9]*)", page["next"])[1])
        offset = int(re.search("offset=([0-9]*)", page["next"])[1])
        for at in range(offset, page["count"], offset):
            more = {**query, "limit": limit, "offset": at}
            results = results + self.list_page(**more)["results"]
        return page, results


def model(found):
    """The client's Image: converts, and wants a name and a filename."""
    assert found["name"] is not None and found["filename"] is not None
    return {
        "id": int(found["id"]),
        "name": str(found["name"]),
        "filename": str(found["filename"]),
        "time": datetime.datetime.fromisoformat(found["time"]),
        "height": int(found["height"]),
        "width": int(found["width"]),
        "mpp": float(found["mpp"]),
        "objective_power": float(found["objectivePower"]),
        "image_type": int(found["image_type"]),
        "image_set": int(found["image_set"]),
        "annotations": [int(a) for a in found.get("annotations", [])],
    }


@pytest.fixture(scope="module", params=["lighttpd", "apache", "nginx"])
def live(request, tmp_path_factory):
    tmp = tmp_path_factory.mktemp("exact")
    (tmp / "users").write_text(USERS)
    files = [slides.make_slide(tmp, SLIDE)]
    files += [tiff.write_smooth(tmp / name, i, 600, 400) for i, name in enumerate(NAMES)]
    config = {"access": {"htpasswd_file": str(tmp / "users")}}
    with service.Service(config, files, web=request.param) as running:
        for file in files:
            running.image_id(file.name)
        yield running


@pytest.fixture
def otto(live):
    with ExactClient(live.web.http.port, "otto", PASSWORDS["otto"]) as client:
        yield client


@pytest.fixture
def anybody(live):
    """With the credentials that the client has when nobody gave it any."""
    with ExactClient(live.web.http.port) as client:
        yield client


@pytest.fixture
def image(live):
    return live.image_id(SLIDE)


def invalidate(live, image):
    live.ctl("invalidate", "--image", str(image))


def check_levels(found, information):
    """What update_image_cache answers: an object a level, from 0 up."""
    levels = len(information["level_tiles"])
    assert list(found) == [str(i) for i in range(levels)]
    total, size = 0, 0.0
    for level, of in enumerate(found.values()):
        assert list(of) == ["Level", "Size_MB", "Tiles", "Total", "Sec."]
        assert of["Level"] == level and isinstance(of["Level"], int)
        assert of["Tiles"] == information["level_tiles"][level]
        assert isinstance(of["Total"], int) and of["Total"] >= total
        assert isinstance(of["Size_MB"], (int, float)) and of["Size_MB"] >= size
        assert isinstance(of["Sec."], (int, float)) and of["Sec."] >= 0
        total, size = of["Total"], of["Size_MB"]
    return total


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"mem_size_mb": 20},
        {"mem_size_mb": 20, "z_dimension": 1},
        {"mem_size_mb": 20, "z_dimension": 1, "frame": 1},
        {"frame": 1},
    ],
    ids=str,
)
def test_update_image_cache(live, otto, image, given):
    """A tuple of the object and the response; the slide is smaller than any budget."""
    invalidate(live, image)
    information = otto.get_slide_information(image)
    found, reply = otto.update_image_cache(image, **given)
    assert reply.status == 200
    assert reply.getheader("Content-Type") == "application/json"
    assert check_levels(found, information) == sum(c * r for c, r in information["level_tiles"])
    again, _ = otto.update_image_cache(image, **given)
    assert check_levels(again, information) == 0, "what is there is skipped"


def test_who_may_update_the_cache(anybody, image):
    """Reading works with whatever the client sends, and goes on over the same connection."""
    with pytest.raises(ApiException) as error:
        anybody.update_image_cache(image, mem_size_mb=20)
    status, _, body, headers = error.value.args
    assert status == 401 and "detail" in json.loads(body)
    assert headers["WWW-Authenticate"].startswith("Basic ")
    assert anybody.get_slide_information(image)["id"] == str(image)
    assert anybody.calls == 2


def test_errors_are_exceptions_with_a_text(otto, image):
    for given, status in (
        ({"mem_size_mb": 0}, 422),
        ({"mem_size_mb": -5}, 422),
        ({"mem_size_mb": None}, 422),
        ({"z_dimension": 2}, 404),
        ({"frame": 2}, 404),
        ({"nope": 1}, 422),
    ):
        with pytest.raises(ApiException) as error:
            otto.update_image_cache(image, **given)
        assert error.value.args[0] == status, (given, error.value)
        assert "detail" in json.loads(error.value.args[2])
    with pytest.raises(ApiException) as error:
        otto.update_image_cache(999999)
    assert error.value.args[0] == 404


def test_get_slide_information(anybody, image):
    found = anybody.get_slide_information(image)
    assert list(found) == ["id", "level_dimensions", "level_downsamples", "level_tiles", "levels"]
    assert isinstance(found["id"], str) and int(found["id"]) == image
    assert isinstance(found["levels"], int) and found["levels"] > 1
    assert len(found["level_dimensions"]) == len(found["level_downsamples"]) == found["levels"]
    assert found["level_dimensions"][0] == [3000, 2000]
    for pairs in (found["level_dimensions"], found["level_tiles"]):
        assert all(len(p) == 2 and all(isinstance(n, int) for n in p) for p in pairs)
    assert all(isinstance(d, float) for d in found["level_downsamples"])
    assert found["level_tiles"][0] == [1, 1] and found["level_tiles"][-1] == [12, 8]


def test_get_patch(anybody, image):
    for query, size in (
        ({"x": 10, "y": 20, "level": 0, "width": 256, "height": 256}, (256, 256)),
        ({"x": 0, "y": 0, "level": 1, "width": 100, "height": 50}, (100, 50)),
        ({"x": 0, "y": 0, "level": 0, "width": 2048, "height": 1}, (2048, 1)),
    ):
        patch = anybody.get_patch(image, **query)
        assert (patch.format, patch.mode, patch.size) == ("PNG", "RGB", size)
        patch.load()


def test_get_patch_that_is_none(anybody, image):
    for change in ({"width": 2049}, {"height": 0}, {"x": -1}):
        query = {"x": 0, "y": 0, "level": 0, "width": 10, "height": 10, **change}
        with pytest.raises(ApiException) as error:
            anybody.get_patch(image, **query)
        assert error.value.args[0] == 400


def test_download_thumbnail(anybody, image, tmp_path):
    """It says that it accepts JSON, and is given the image all the same."""
    status, path = anybody.download_thumbnail(image, tmp_path / "t.png")
    assert status == 200
    with PIL.Image.open(path) as picture:
        assert picture.format == "PNG" and max(picture.size) == 128
        picture.load()
    assert anybody.get_slide_information(image)["levels"] > 1


def test_list_images_with_pagination(live, anybody):
    count = len(live.images())
    for offset in range(0, count + 3, 3):
        query = {"limit": 3, "offset": offset, "omit": "annotations"}
        page, results = anybody.list_images(**query)
        assert list(page) == ["count", "next", "previous", "results"]
        assert page["count"] == count and len(results) == max(0, min(3, count - offset))
        assert all("annotations" not in im for im in results)
        for found in results:
            model(found)


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 50, None])
def test_list_images_without_pagination(live, anybody, limit):
    """By the client's own arithmetic every image comes once."""
    query = {"limit": limit, "omit": "annotations"} if limit else {"omit": "annotations"}
    _, results = anybody.list_images(pagination=False, **query)
    assert [im["id"] for im in results] == sorted(im["id"] for im in live.images().values())


def test_list_images_with_filters(anybody):
    """In the client's order; objective_power is no filter of the server, and ignored."""
    query = {"limit": 50, "offset": 0, "name": NAMES[3], "objective_power": 77.0}
    _, results = anybody.list_images(**query, omit="annotations")
    assert [im["name"] for im in results] == [NAMES[3]]
    _, results = anybody.list_images(name__contains="0", omit="annotations")
    assert [im["name"] for im in results] == NAMES


def test_retrieve_image(live, anybody, image):
    found = anybody.retrieve_image(image)
    assert (found["id"], found["name"], found["filename"]) == (image, SLIDE, SLIDE)
    assert (found["width"], found["height"]) == (3000, 2000)
    with pytest.raises(ApiException) as error:
        anybody.retrieve_image(999999)
    assert error.value.args[0] == 404


def test_a_session_on_one_connection(live, otto, image, tmp_path):
    """What a script does with a slide, call after call."""
    invalidate(live, image)
    _, results = otto.list_images(pagination=False, limit=3, omit="annotations")
    for found in results:
        one = otto.retrieve_image(found["id"])
        information = otto.get_slide_information(one["id"])
        levels, _ = otto.update_image_cache(one["id"], mem_size_mb=20)
        check_levels(levels, information)
        assert otto.download_thumbnail(one["id"], tmp_path / f"{one['id']}.png")[0] == 200
        assert otto.get_patch(one["id"], x=0, y=0, level=0, width=64, height=64).size == (64, 64)
    assert otto.calls >= 5 * len(results)
