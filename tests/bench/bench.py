#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The rows of design section 10 that can be measured now, side by side in one run.

Every row compares slidecache with its floor (what cannot be beaten) or its peer in paired
runs, one after the other, the order changing each time; printed are the medians and the
median of the pairs' ratios. Absolute figures are this machine's; ratios travel.

bench.py [--quick] [ROW...]    rows: hit redis memcached 304 cold
"""

import argparse
import contextlib
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import servers
import slides
from service import BUILD, Service, Web

WORKERS = 4
CONNECTIONS = 16
ROWS = []


def say(text):
    print(text, file=sys.stderr, flush=True)


def add_row(what, unit, own, other_name, others, must, larger_is_better=True):
    ratios = [a / b for a, b in zip(own, others)]
    ratio = statistics.median(ratios)
    met = ratio >= must if larger_is_better else ratio <= must
    ROWS.append(
        (
            what,
            f"{statistics.median(own):.4g} {unit}",
            other_name,
            f"{statistics.median(others):.4g} {unit}",
            f"{ratio:.3f} ({min(ratios):.3f}..{max(ratios):.3f})",
            ("≥ " if larger_is_better else "≤ ") + f"{must:g}",
            "yes" if met else "no",
        )
    )


def print_rows():
    head = ("what", "slidecache", "beside", "its figure", "ratio", "goal", "met")
    widths = [max(len(r[i]) for r in [head, *ROWS]) for i in range(len(head))]
    for row in [head, tuple("-" * w for w in widths), *ROWS]:
        print("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())


def paired(runs, first, second):
    """Runs both alternately, swapping who begins; returns both lists."""
    results = ([], [])
    for n in range(runs):
        for which in (0, 1) if n % 2 == 0 else (1, 0):
            results[which].append((first, second)[which]())
    return results


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
        self.web = Web(self.folder, str(path))
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


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="3 runs of 1 s")
    parser.add_argument("rows", nargs="*", default=["hit", *servers.KINDS, "304", "cold"])
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
    print_rows()


if __name__ == "__main__":
    main()
