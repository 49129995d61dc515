# SPDX-License-Identifier: MIT
"""No way leads out of the slide folder: not by a path however it is spelled, not by the
catalogue, by links, by indices that name files, nor by renames in the middle of it all.

Canary files lie beside the slide folder. None of their bytes is in any answer, and the
kernel tells (inotify) that none of them was as much as opened.
"""

import contextlib
import ctypes
import itertools
import json
import os
import select
import struct
import threading
import time

import pytest

import fcgi
import hostile
import service
import tiff
from asking import Asking

RACE_S = 60 if service.LONG else 3
CANARY = b"canary-5f0c2e9b71d84a66"  # in no other file
IN_ACCESS, IN_OPEN = 0x1, 0x20
NULL = {name: {"backend": "null"} for name in ("default", "tiles_cache")}
API = "/api/v1/images/images"

UPS = [
    "..", "%2e%2e", ".%2e", "%2E.", "%252e%252e", "%25252e%25252e", "..%00", "%00..", "..;",
    "..;a=b", "%2e%2e%3b", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%f0%80%80%ae.",
    "%uff0e%uff0e", "%ef%bc%8e%ef%bc%8e", "..%20", "..%09", "....", "...", "..%0d%0a", "%fe%fe",
    "..%ff", "+..", "~",
]
SLASHES = [
    "/", "%2f", "%2F", "%252f", "\\", "%5c", "%255c", "%c0%af", "%e0%80%af", "%c1%9c", "%u2215",
    "%e2%88%95", "//", "/./", ";/", "%00/", "/%20/", "%2f%2f",
]
GOALS = ["outside/canary.tiff", "outside/canary.txt"]
PLACES = [
    "/{}",
    "/images/image/{}/1/1/tile/",
    "/images/image/ID/{}/1/tile/",
    "/images/image/ID/1/{}/tile/",
    "/images/image/ID/1/1/tile/{}",
    "/images/image/ID/1/1/tile_files/{}",
    "/images/image/ID/1/1/tile_files/6/{}.jpeg",
    "/images/image/ID/1/1/tile_files/6/0_0.{}",
    API + "/{}/",
    API + "/{}/thumbnail/",
    API + "/ID/{}",
    API + "/ID/associated_images/{}/",
    API + "/{}/get_patch/?x=0&y=0&level=0&width=9&height=9",
    "/api/v1/cache/versions/{}/",
    "/api/v1/cache/jobs/{}/",
    "/viewer/{}/",
    API + "/?name={}",
    API + "/?filename={}",
]


class Guard:
    """Counts who opens or reads a file of a folder, from now on. The tests' own process must
    not touch it meanwhile."""

    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self.fd >= 0
        for place in [folder, *folder.rglob("*")]:
            watch = libc.inotify_add_watch(self.fd, os.fsencode(place), IN_OPEN | IN_ACCESS)
            assert watch >= 0, os.strerror(ctypes.get_errno())

    def events(self):
        """What happened so far, as names."""
        found = []
        while select.select([self.fd], [], [], 0)[0]:
            data, at = os.read(self.fd, 1 << 16), 0
            while at < len(data):
                _, mask, _, size = struct.unpack_from("iIII", data, at)
                found.append((hex(mask), data[at + 16 : at + 16 + size].rstrip(b"\0")))
                at += 16 + size
        return found

    def close(self):
        os.close(self.fd)


class World:
    """A service, canaries beside its folder, and whether anybody touched them."""

    def __init__(self, fill=lambda root, outside: None, **config):
        over = {"caches": NULL, "workers": 3, "log": {"level": "error"}, **config}
        self.live = service.Service(over)
        self.outside = self.live.dir / "outside"
        self.outside.mkdir()
        tiff.write_noise(self.live.root / "good.tiff", 1, 64, 64)
        canary = hostile.one({270: hostile.text(CANARY)}, data=hostile.flat(data=CANARY * 8549))
        canary.write(self.outside / "canary.tiff")
        (self.outside / "canary.jpg").write_bytes(hostile.jpeg(64, 64, False) + CANARY)
        (self.outside / "canary.txt").write_bytes(CANARY)
        fill(self.live.root, self.outside)
        self.replies = 0

    def __enter__(self):
        self.guard = Guard(self.outside)
        self.live.__enter__()
        if not self.live.config["slides"]["scan"]:
            self.live.ctl("images", "add", "good.tiff")
        self.image = self.live.image_id("good.tiff")
        return self

    def __exit__(self, kind, value, trace):
        touched = self.guard.events()  # before the folder is removed, by ourselves
        self.guard.close()
        self.live.__exit__(kind, value, trace)
        if kind is None:
            assert touched == []

    def get(self, target):
        reply = self.live.fcgi.get(target)
        self.replies += 1
        assert CANARY not in reply.raw, (target, reply)
        assert str(self.live.dir).encode() not in reply.raw, (target, reply)
        return reply

    def refuses(self, image):
        """Nothing of it is served."""
        for target in (
            f"/images/image/{image}/1/1/tile/",
            f"/images/image/{image}/1/1/tile_files/6/0_0.png",
            f"{API}/{image}/thumbnail/",
            f"{API}/{image}/slide_information/",
        ):
            reply = self.get(target)
            assert reply.status in (404, 422), (target, reply)


def test_the_guard_sees(tmp_path):
    (tmp_path / "canary").write_bytes(CANARY)
    guard = Guard(tmp_path)
    assert guard.events() == []
    os.close(os.open(tmp_path / "canary", os.O_PATH))  # is no opening
    os.stat(tmp_path / "canary")
    assert guard.events() == []
    (tmp_path / "canary").read_bytes()
    assert guard.events()
    guard.close()


def spellings(live):
    """Ways to say "the canary", from a few folders down."""
    for up, slash, goal in itertools.product(UPS, SLASHES, GOALS):
        for depth in (1, 6):
            yield (up + slash) * depth + goal
    for goal in GOALS:
        path = f"{live.dir}/{goal}"
        for slash in SLASHES:
            yield slash + path.lstrip("/").replace("/", slash)
        yield f"file://{path}"
        yield f"/proc/self/root{path}"
        yield f"/proc/self/cwd/{goal}"
        yield f"//localhost{path}"
        yield f"good.tiff/../../{goal}"
        yield f"{goal}%00.jpeg"


def test_spellings():
    """Each spelling in one place of each kind that has a path, by turns; all places see all
    kinds of them."""
    with World() as world:
        ways = list(dict.fromkeys(spellings(world.live)))
        assert len(ways) > 1500
        places = [p.replace("ID", str(world.image)) for p in PLACES]
        repeat = len(places) if service.LONG else 1
        for n, way in enumerate(ways):
            for k in range(repeat):
                place = places[(n + n // len(places) + k) % len(places)]
                reply = world.get(place.format(way).replace(" ", "%20"))
                wanted = {200, 400, 404, 414} if "?" in place else {400, 401, 403, 404, 405, 414}
                assert reply.status in wanted, (place, way, reply)
        assert world.live.counter("worker_deaths") == 0


NAMES = [
    "../outside/canary.tiff", "..//outside/canary.tiff", "./../outside/canary.tiff",
    "sub/../../outside/canary.tiff", "good.tiff/../../outside/canary.tiff", "/etc/passwd",
    "//etc/passwd", "/proc/self/root/etc/passwd", "/dev/stdin", "/dev/zero", "", ".", "..", "/",
    "sub", "sub/", "file.tiff", "folder.tiff/canary.tiff", "chain1.tiff", "loop.tiff",
    "up/outside/canary.tiff", "root.tiff", "magic/outside/canary.tiff",
    "cwd/outside/canary.tiff", "fifo.tiff", "..\\outside\\canary.tiff", "a\0b", "a" * 5000,
    "\x1b[2J", "..%2foutside/canary.tiff",
]


def make_links(root, outside):
    """Every way to point out of the folder."""
    (root / "sub").mkdir()
    (root / "file.tiff").symlink_to(outside / "canary.tiff")
    (root / "relative.tiff").symlink_to("../outside/canary.tiff")
    (root / "folder.tiff").symlink_to(outside)
    (root / "up").symlink_to("..")
    (root / "chain1.tiff").symlink_to("chain2.tiff")
    (root / "chain2.tiff").symlink_to("sub/chain3.tiff")
    (root / "sub" / "chain3.tiff").symlink_to("../../outside/canary.tiff")
    (root / "loop.tiff").symlink_to("loop.tiff")
    (root / "magic").symlink_to(f"/proc/self/root{outside.parent}")
    (root / "root.tiff").symlink_to(f"/proc/self/root{outside}/canary.tiff")
    (root / "cwd").symlink_to("/proc/self/cwd")
    (root / "inside.tiff").symlink_to("good.tiff")
    os.mkfifo(root / "fifo.tiff")


def test_links():
    """They are in the list, with a reason, or not; none is followed out. Within, they are."""
    with World(make_links) as world:
        world.live.ctl("images", "scan")
        listed = world.live.images()
        inside = {"good.tiff", "inside.tiff"}
        assert inside < set(listed)
        for name, image in listed.items():
            if name in inside:
                assert world.get(f"{API}/{image['id']}/thumbnail/").status == 200
                continue
            assert image["state"] == "unreadable", image
            world.refuses(image["id"])


def test_images_add():
    with World(make_links) as world:
        absolute = [str(world.outside / "canary.tiff"), f"{world.live.root}/../outside/canary.tiff"]
        for name in NAMES + absolute:
            if "\0" in name:
                continue  # no argument of a program
            done = world.live.run_ctl("images", "add", name)
            assert CANARY.decode() not in done.stdout + done.stderr
            assert done.returncode in (1, 2), (name, done)
        for image in world.live.images().values():
            if image["filename"] not in ("good.tiff", "inside.tiff"):
                world.refuses(image["id"])


def test_catalogue_entries():
    """Somebody has written the catalogue by hand."""
    with World(make_links, slides={"scan": False}) as world:
        live = world.live
        live.stop()
        path = live.dir / "state" / "images.json"
        catalogue = json.loads(path.read_text())
        [good] = [i for i in catalogue["images"] if i["file"] == "good.tiff"]
        # What is no file name at all is an error of the whole file.
        names = [n for n in [*NAMES, str(world.outside / "canary.tiff")] if 0 < len(n) < 4000]
        names = [n for n in names if "\0" not in n]
        for number, name in enumerate(names, good["id"] + 1):
            catalogue["images"].append({**good, "id": number, "file": name, "name": f"n{number}"})
        catalogue["next_id"] = good["id"] + len(names) + 1
        path.write_text(json.dumps(catalogue))
        live.start()
        assert world.get(f"{API}/{good['id']}/thumbnail/").status == 200
        for number in range(good["id"] + 1, catalogue["next_id"]):
            world.refuses(number)


def make_planes(root, outside):
    """Planes that are links, and a folder of planes that is one."""
    for name in ("p", "q"):
        tiff.write_noise(root / f"{name}.tiff", 3, 64, 64)
    (root / "p").mkdir()
    (root / "p" / "2_1_p.tiff").symlink_to(outside / "canary.tiff")
    (root / "p" / "3_1_p.tiff").symlink_to("../../outside/canary.tiff")
    tiff.write_noise(root / "p" / "4_1_p.tiff", 4, 64, 64)
    (outside / "q").mkdir()
    tiff.write_noise(outside / "q" / "2_1_q.tiff", 5, 64, 64)
    (root / "q").symlink_to(outside / "q")


def test_planes():
    with World(make_planes) as world:
        p, q = (world.live.image_id(f"{n}.tiff") for n in "pq")
        for image, z in ((p, 4), (q, 1)):
            assert world.get(f"/images/image/{image}/{z}/1/tile_files/6/0_0.png").status == 200
        for image, z in ((p, 2), (p, 3), (q, 2)):
            for end in ("tile/", "tile_files/6/0_0.png"):
                reply = world.get(f"/images/image/{image}/{z}/1/{end}")
                assert reply.status in (404, 422), reply


def make_indices(root, outside):
    """Each names the canary, in one way."""
    jpeg = str(outside / "canary.jpg")
    ways = [jpeg, "../outside/canary.jpg", "..\\outside\\canary.jpg", "\\s../outside/canary.jpg"]
    ways += ["sub/../../outside/canary.jpg", "folder/canary.jpg"]
    ways += ["link.jpg", "link.jpg ", "chain.jpg", "fifo.jpg"]
    (root / "sub").mkdir()
    (root / "folder").symlink_to(outside)
    (root / "link.jpg").symlink_to(jpeg)
    (root / "link.jpg ").symlink_to(jpeg)
    (root / "chain.jpg").symlink_to("link.jpg")
    os.mkfifo(root / "fifo.jpg")
    for n, way in enumerate(ways):
        for key in ("ImageFile", "MapFile", "MacroImage"):
            names = {k: "good.jpg" for k in ("ImageFile", "MapFile", "MacroImage")} | {key: way}
            lines = "".join(f"{k}={v}\n" for k, v in names.items()).encode()
            hostile.vms(root / f"{key}{n}.vms", names=lines)
        make_mirax(root, f"data{n}", f"Index.dat\nFILE_0={way}".encode())
        make_mirax(root, f"index{n}", way.encode())
        for folder in (f"data{n}", f"index{n}"):
            (root / folder / "link.jpg").symlink_to(jpeg)
            os.mkfifo(root / folder / "fifo.jpg")
    (root / "good.jpg").write_bytes(hostile.jpeg(64, 64, False))
    (outside / "Slidedat.ini").write_bytes(CANARY)
    (root / "out.mrxs").write_bytes(hostile.jpeg(64, 64, False))
    (root / "out").symlink_to(outside)


def make_mirax(root, name, index):
    text = b"[GENERAL]\nSLIDE_VERSION=01.02\nSLIDE_ID=1\n[HIERARCHICAL]\nINDEXFILE=%s\n" % index
    hostile.mirax(root / f"{name}.mrxs", text + b"[DATAFILE]\nFILE_COUNT=1\n")


def test_indices():
    with World(make_indices) as world:
        world.live.ctl("images", "scan")
        listed = {n: im for n, im in world.live.images().items() if n.endswith((".vms", ".mrxs"))}
        assert len(listed) == 5 * 10 + 1
        for image in listed.values():
            world.refuses(image["id"])
        assert world.live.counter("worker_deaths") == 0


def make_twins(root, outside):
    """Below the root and outside of it a file of the same name and geometry."""
    for n, folder in enumerate((root / "sub", outside / "sub", root / "other")):
        folder.mkdir()
        tiff.write_noise(folder / "s.tiff", 10 + n, 64, 64)
    (outside / "sub" / "s.tiff").write_bytes((outside / "sub" / "s.tiff").read_bytes() + CANARY)


class Swapper:
    """Puts a link in the place of the folder and back, as fast as it goes."""

    def __init__(self, root, target):
        self.root, self.target, self.swaps = root, target, 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        folder, away, link = self.root / "sub", self.root / ".away", self.root / ".link"
        while not self.over.is_set():
            link.symlink_to(self.target)
            os.rename(folder, away)
            os.rename(link, folder)
            time.sleep(0.0005)
            os.unlink(folder)
            os.rename(away, folder)
            time.sleep(0.0005)
            self.swaps += 1

    @contextlib.contextmanager
    def running(self):
        self.thread.start()
        try:
            yield self
        finally:
            self.over.set()
            self.thread.join()


@pytest.mark.parametrize("target", ["../outside/sub", "absolute"])
def test_a_rename_race(target):
    """What is served is the file that is there, or nothing."""
    with World(make_twins, slides={"scan_interval_s": 0}) as world:
        live, image = world.live, world.live.image_id("sub/s.tiff")
        ends = ["tile_files/6/0_0.png", "tile_files/5/0_0.jpeg", "tile_files/6/0_0.jpeg"]
        right = {f"/images/image/{image}/1/1/{end}": None for end in ends}
        right = {target_: world.get(target_).body for target_ in right}
        to = world.outside / "sub" if target == "absolute" else target
        swapper = Swapper(live.root, to)
        asking = Asking(world.get, right, 3, allowed=(404, 422, 503))
        with swapper.running(), asking:
            end = time.monotonic() + RACE_S / 2
            while time.monotonic() < end or not enough(swapper, asking):
                time.sleep(0.01)
                assert time.monotonic() < end + 60, (swapper.swaps, asking.count("good"))
        assert not asking.faults(), asking.faults()[:3]
        refused = len(asking.all()) - asking.count("good")
        print(f"\n{swapper.swaps} swaps, {asking.count('good')} right tiles, {refused} refused")
        assert live.counter("worker_deaths") == 0


def enough(swapper, asking):
    good = asking.count("good")
    return swapper.swaps > 20 and 20 < good < len(asking.all())
