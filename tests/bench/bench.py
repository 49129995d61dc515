#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The rows of design section 10 that can be measured now, side by side in one run.

Every row compares slidecache with its floor (what cannot be beaten) or its peer in paired
runs, one after the other, the order changing each time; printed are the medians and the
median of the pairs' ratios. Absolute figures are this machine's; ratios travel.

bench.py [--quick] [ROW...]    rows: hit redis memcached 304 cold invalidate warm yield
                               tokens
"""

import argparse
import contextlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import servers
import slides
from bench_tokens import bench_tokens
from bench_warm import bench_warm
from bench_yield import bench_yield
from report import add_row, paired, print_rows, say
from service import BUILD, Service
from web import Lighttpd

WORKERS = 4
CONNECTIONS = 16


# Requests a second through lighttpd.


def wrk(port, target, seconds, headers=()):
    argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s"]
    for header in headers:
        argv += ["-H", header]
    argv.append(f"http://127.0.0.1:{port}{target}")
    out = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in out, out
    assert "Socket errors" not in out, out
    return float(re.search(r"Requests/sec:\s*([0-9.]+)", out)[1])


class Bare:
    """bare_responder with one captured reply, behind a lighttpd of the same kind. With a
    server it fetches the reply from there each time."""

    def __init__(self, folder, raw, name, server=None):
        self.folder = folder / name
        self.folder.mkdir()
        reply = self.folder / "reply"
        reply.write_bytes(raw)
        path = self.folder / "s"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(1024)
            argv = [BUILD / "bench" / "bare_responder", reply, WORKERS]
            argv += [server.name, server.socket] if server else []
            self.log = open(self.folder / "log", "wb")
            self.popen = subprocess.Popen(
                [str(a) for a in argv], stdin=listener, stdout=self.log, stderr=self.log
            )
        self.web = Lighttpd(self.folder, str(path))
        try:
            self.web.start()
        except BaseException:
            self.close()
            raise

    def close(self):
        self.web.destroy()
        self.popen.kill()
        self.popen.wait()
        self.log.close()


def measure_web(live, folder, what, target, headers, options, server=None):
    """One row: the service and the bare responder with the very same reply."""
    for _ in range(2):
        reply = live.fcgi.get(target, headers)
    assert reply.status == 304 or reply.x_cache == "HIT", reply
    bare = Bare(folder, reply.raw, what.split(",")[0], server)
    lines = [f"{n}: {v}" for n, v in headers.items()]
    try:
        same = bare.web.http.get(target, headers)
        ours = live.web.http.get(target, headers)
        assert (same.status, same.body) == (ours.status, ours.body)
        for port in (live.web.http.port, bare.web.http.port):
            wrk(port, target, 1, lines)
        results = paired(
            options.runs,
            lambda: wrk(live.web.http.port, target, options.seconds, lines),
            lambda: wrk(bare.web.http.port, target, options.seconds, lines),
        )
    finally:
        bare.close()
    size = f"{len(reply.body) / 1000:.1f} kB" if reply.body else "no body"
    other = f"libfcgi + one {server.name} GET" if server else "bare libfcgi"
    add_row(f"{what}, {size}", "req/s", results[0], other, results[1], 0.95)


def bench_server(name, slide, options):
    """Hits with versions and tiles on one server."""
    say(f"hits from {name} through lighttpd ...")
    config = {"workers": WORKERS, "log": {"level": "warning"}}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(servers.KINDS[name]())
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sb-"))
        config.update(servers.kept(tiles=server, versions=server))
        live = stack.enter_context(Service(config, files=[slide], web=True))
        image = live.image_id(slide.name)
        target = f"/images/image/{image}/1/1/tile_files/12/8_8.jpeg"
        what = f"hit, {name}, through lighttpd"
        measure_web(live, pathlib.Path(folder), what, target, {}, options, server)


def bench_web(slide, options):
    config = {"workers": WORKERS, "log": {"level": "warning"}}
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        with Service(config, files=[slide], web=True) as live:
            image = live.image_id(slide.name)
            target = f"/images/image/{image}/1/1/tile_files/12/8_8.jpeg"
            folder = pathlib.Path(folder)
            if "hit" in options.rows:
                say("hits through lighttpd ...")
                name = "hit, embedded, through lighttpd"
                measure_web(live, folder, name, target, {}, options)
            if "304" in options.rows:
                say("304 through lighttpd ...")
                tag = live.fcgi.get(target).headers["etag"]
                match = {"If-None-Match": tag}
                measure_web(live, folder, "304, through lighttpd", target, match, options)


# CPU time of cold tiles.


def cpu_ms(how, slide):
    """CPU milliseconds a tile."""
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        argv = [str(BUILD / "bench" / "cold_tile"), how, str(slide), folder]
        out = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    tiles, seconds = re.match(r"(\d+) tiles ([0-9.]+) s", out).groups()
    return 1000 * float(seconds) / int(tiles)


def bench_cold(slide, options):
    say(f"cold tiles of {slide.name} ...")
    what = f"cold tile, {slide.name}"
    own, peer = paired(
        options.runs, lambda: cpu_ms("slidecache", slide), lambda: cpu_ms("openslide", slide)
    )
    name = "openslide_read_region + encode"
    add_row(what, "ms CPU", own, name, peer, 0.4, larger_is_better=False)
    own, floor = paired(
        options.runs, lambda: cpu_ms("slidecache", slide), lambda: cpu_ms("floor", slide)
    )
    add_row(what, "ms CPU", own, "libjpeg-turbo alone", floor, 1.5, larger_is_better=False)


# The time of an invalidation.

FEW, MANY = 10, 1_000_000  # cached entries
OPERATIONS = {"tiles": "one name", "image/7": "one image", "all": "all"}
SAME = 1.25  # within noise
FASTER = 0.1  # than looking through all keys


def invalidate_tool(*argv):
    argv = [str(a) for a in (BUILD / "bench" / "invalidate", *argv)]
    popen = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    stay_on(popen.pid, -1)
    out = popen.communicate()[0]
    assert popen.returncode == 0, argv
    return out


def stay_on(pid, nth):
    """All threads on the nth processor: where two that talk run is worth more than what is
    measured, and would tell two servers apart."""
    processor = {sorted(os.sched_getaffinity(0))[nth]}
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), processor)


@contextlib.contextmanager
def places(backend):
    """Two: for few entries, for many."""
    with contextlib.ExitStack() as stack:
        if backend in servers.KINDS:
            options = {"memcached": ["-m", "2048"], "redis": []}[backend]
            kept = [servers.KINDS[backend](options=options) for _ in range(2)]
            for server in kept:
                stay_on(stack.enter_context(server).program.pid, 0)
            yield [server.location() for server in kept]
        else:
            folder = tempfile.TemporaryDirectory(prefix="sb-")
            yield [pathlib.Path(stack.enter_context(folder), str(n)) for n in (FEW, MANY)]


def deletes(backend, place):
    """Milliseconds to find and delete the entries of one image."""
    said = [invalidate_tool("delete", backend, place, image).split() for image in (7, 8, 9)]
    assert all(int(found) == MANY // 10 for found, _ in said), said
    return [1000 * float(seconds) for _, seconds in said]


def add_invalidation(backend, lines, operation):
    """Beside the same with few entries; returns the milliseconds with many."""
    rows = [line.split()[1:] for line in lines if line.split()[0] == operation]
    few, many = ([int(us) / 1000 for us in column] for column in zip(*rows))
    what = f"invalidate {OPERATIONS[operation]}, {backend}, {MANY} entries"
    add_row(what, "ms", many, f"{FEW} entries", few, SAME, larger_is_better=False)
    return many


def bench_invalidate(backend, options):
    say(f"invalidations, {backend} ...")
    with places(backend) as kept:
        for place, entries in zip(kept, (FEW, MANY)):
            invalidate_tool("load", backend, place, entries)
        lines = invalidate_tool("time", backend, *kept, 10 * options.runs).splitlines()
        many = {name: add_invalidation(backend, lines, name) for name in OPERATIONS}
        if backend == "memcached":
            return  # it cannot be asked for its keys
        way = {"redis": "SCAN + DEL of a pattern", "embedded": "scan and delete"}[backend]
        what = f"invalidate one image, {backend}, {MANY} entries"
        times = deletes(backend, kept[1])
        add_row(what, "ms", many["image/7"], way, times, FASTER, larger_is_better=False)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 runs of 1 s")
    rows = ["hit", *servers.KINDS, "304", "cold", "invalidate", "warm", "yield", "tokens"]
    parser.add_argument("rows", nargs="*", default=rows)
    options = parser.parse_args()
    options.runs, options.seconds = (3, 1) if options.quick else (7, 4)
    return options


def main():
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="sb-") as folder:
        made = slides.make_slide(folder, "made-4096x4096.tiff", 4096, 4096)
        if {"hit", "304"} & set(options.rows):
            bench_web(made, options)
        for name in servers.KINDS:
            if name in options.rows:
                bench_server(name, made, options)
        if "cold" in options.rows:
            real = [p for p in slides.shared("") if p.name == "CMU-1-Small-Region.svs"]
            for slide in [*real, made]:
                bench_cold(slide, options)
    if "invalidate" in options.rows:
        for backend in ("embedded", *servers.KINDS):
            bench_invalidate(backend, options)
    if "warm" in options.rows:
        bench_warm(options)
    if "yield" in options.rows:
        bench_yield(options)
    if "tokens" in options.rows:
        bench_tokens(options)
    print_rows()


if __name__ == "__main__":
    main()
