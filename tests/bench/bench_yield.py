# SPDX-License-Identifier: MIT
"""What 32 viewers notice of warming jobs in the same service: the 99th percentile of the
time of their hits, through lighttpd, embedded cache, with and without them.

The viewers pan, each asking for so many tiles a second; and, another row, as fast as the
machine gives, which leaves a warmer nothing but what others leave. All their tiles are
cached. The jobs warm copies of another slide, and have to be running, and to have got on,
at the end of each run that is said to be beside them.
"""

import contextlib
import pathlib
import subprocess
import tempfile
import time
import types

import management
from bench_warm import make
from report import add_row, paired, say
from service import BUILD, Service, wait_for

VIEWERS = 32
PANNING = 25  # tiles a second of each
WORKERS = 4
COPIES = 8  # of the slide that is warmed
BUDGET_MB = 4096
GROWTH = 1.2  # at most

RUNNING = ("queued", "running")


def targets_of(live, image, folder):
    """The addresses of a slide's tiles at three levels, all of them cached by now."""
    at = f"/images/image/{image['id']}/1/1/tile_files"
    sides = {12: (image["width"], image["height"])}
    sides |= {level: [-(-side >> 12 - level) for side in sides[12]] for level in (11, 10)}
    every = [
        f"{at}/{level}/{col}_{row}.jpeg"
        for level, (width, height) in sides.items()
        for row in range(height // 254)
        for col in range(width // 254)
    ]
    for target in every:
        live.fcgi.get(target)
    assert live.fcgi.get(every[-1]).x_cache == "HIT"
    path = pathlib.Path(folder, "targets")
    path.write_text("".join(f"{target}\n" for target in every))
    return path


class Jobs:
    """Warming of all copies, begun anew each time."""

    def __init__(self, live, images):
        self.manager = management.Manager(live.web.http)
        self.images = images

    def all(self):
        return management.document(self.manager.get("/jobs/"))["jobs"]

    def done(self):
        return sum(job["tiles"]["done"] for job in self.all())

    def start(self):
        body = {"images": self.images, "mem_size_mb": BUDGET_MB}
        management.document(self.manager.post("/jobs/", body), 202)
        wait_for(self.done, "the job gets on")

    def are_running(self):
        return any(job["state"] in RUNNING for job in self.all())

    def end(self):
        """All are cancelled and forgotten, and what was warmed is no longer current."""
        wait_for(self.are_forgotten, "all jobs end")
        body = {"images": self.images}
        management.document(self.manager.post("/invalidate/", body))

    def are_forgotten(self):
        """A job that runs is cancelled first, and forgotten when it is asked for again."""
        left = self.all()
        for job in left:
            self.manager.call("DELETE", f"/jobs/{job['id']}/")
        return not left


def view(live, targets, rate, seconds):
    port = live.web.http.port
    argv = [BUILD / "bench" / "viewers", port, VIEWERS, seconds, rate, targets]
    out = subprocess.run(
        [str(a) for a in argv], check=True, capture_output=True, text=True
    ).stdout
    names = ("requests", "rate", "median_us", "p99_us", "slowest_us")
    return types.SimpleNamespace(**dict(zip(names, map(float, out.split()))))


def beside(jobs, what):
    """What what() answers while the jobs run, and the tiles that they stored a second."""
    jobs.start()
    before, start = jobs.done(), time.monotonic()
    seen = what()
    rate = (jobs.done() - before) / (time.monotonic() - start)
    assert jobs.are_running(), "the jobs ended before the viewers did: COPIES is too small"
    assert rate > 0, "the jobs did not get on"
    jobs.end()
    return seen, rate


def add_yield(what, seen, alone, rates):
    """Ratios are those of with the jobs to without them, and of the jobs beside viewers to
    those without."""
    for name, must in (("p99", GROWTH), ("median", None), ("slowest", None)):
        ms = [[getattr(s, f"{name}_us") / 1000 for s in each] for each in (seen, alone)]
        add_row(f"{what}, {name} beside jobs", "ms", ms[0], "no job", ms[1], must, False)
    served = [[s.rate for s in each] for each in (seen, alone)]
    add_row(f"{what}, beside jobs", "req/s", served[0], "no job", served[1])
    add_row(f"jobs beside {what}", "tiles/s", rates[0], "no viewer", rates[1])


def prepare(folder, stack):
    """The service, the targets of its viewers, and the jobs beside them."""
    seen = make(pathlib.Path(folder, "seen.tiff"), "generic", (4096, 3072))
    other = make(pathlib.Path(folder, "other.tiff"), "generic", (16384, 12288))
    users = pathlib.Path(folder, "users")
    users.write_text(management.USERS)
    config = {
        "workers": WORKERS,
        "access": {"htpasswd_file": str(users)},
        "log": {"level": "warning"},
    }
    live = Service(config, files=[seen], web=True)
    names = [f"copy-{n}.tiff" for n in range(COPIES)]
    for name in names:
        live.add_file(other, name)
    stack.enter_context(live)
    ids = [live.image_id(name) for name in names]
    live.image_id(seen.name)
    targets = targets_of(live, live.images()[seen.name], folder)
    return live, targets, Jobs(live, ids)


def bench_rate(rate, how, tools, options):
    live, targets, jobs = tools
    say(f"{VIEWERS} viewers, {how}, beside warming jobs ...")
    view(live, targets, rate, 1)

    def look():
        return view(live, targets, rate, options.seconds)

    alone, with_jobs, only_jobs = paired(
        options.runs,
        look,
        lambda: beside(jobs, look),
        lambda: beside(jobs, lambda: time.sleep(options.seconds)),
    )
    seen, rates = zip(*with_jobs)
    rates = (rates, [rate for _, rate in only_jobs])
    add_yield(f"{VIEWERS} viewers, {how}", seen, alone, rates)


def bench_yield(options):
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sb-"))
        tools = prepare(folder, stack)
        for rate, how in ((PANNING, f"{PANNING} tiles/s each"), (0, "as fast as they can")):
            bench_rate(rate, how, tools, options)
