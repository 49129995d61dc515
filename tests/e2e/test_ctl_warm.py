# SPDX-License-Identifier: MIT
"""slidecachectl warm and jobs: on a terminal, in a pipe, with and without a service; what
is warm afterwards, what the exit code says, and that it can be stopped."""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time

import pytest

import service
import tiff
from service import BUILD, SLOW, child_pids, wait_for

COLUMNS, ROWS = 100, 24
BIG = 6000  # pixels a side: some hundred tiles
BATCH = 64  # tiles at once
END = re.compile(r"^(\d+) (.*): (done|failed|cancelled), (\d+) tiles?, ([\d.]+) MiB "
                 r"in ([\d.]+) s; skipped (\d+), failed (\d+)"
                 r"(?:; budget used, (\d+) tiles not stored)?$")


class Here:
    """A state of its own, with slides and without a service."""

    def __init__(self, folder, **over):
        self.dir = folder
        for name in ("slides", "state", "cache"):
            (folder / name).mkdir()
        self.config = folder / "config.json"
        config = service.merge(service.default_config(folder), over)
        self.config.write_text(json.dumps(config))
        self.env = {**os.environ, "TERM": "xterm"}
        self.env.pop("NO_COLOR", None)
        self.reports = folder / "reports"
        if SLOW > 1:
            self.env.update(service.sanitizer_environment(self.reports))

    def scan(self):
        """The slides have the ids of their names' order."""
        self.ctl("migrate")
        self.ctl("images", "scan")
        return {im["file"]: im["id"] for im in json.loads(self.ctl("images", "list", "--json"))}

    def argv(self, *args):
        return [str(a) for a in (BUILD / "slidecachectl", "--config", self.config, *args)]

    def run(self, *args):
        return subprocess.run(self.argv(*args), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=90 * SLOW, env=self.env)

    def ctl(self, *args, code=0):
        done = self.run(*args)
        assert done.returncode == code, (args, done.returncode, done.stdout + done.stderr)
        return done.stdout

    def start(self, *args):
        return subprocess.Popen(self.argv(*args), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=self.env)

    def entries(self):
        """Of tiles_cache, also where no service has run yet."""
        findings = json.loads(self.run("--json", "doctor").stdout)["findings"]
        found = [f["finding"] for f in findings if f["check"] == "caches.tiles_cache"]
        held = [int(m[1]) for m in (re.match(r"embedded: (\d+) entries", f) for f in found) if m]
        assert held or any("is not there yet" in f for f in found), found
        return sum(held)

    def check_reports(self):
        found = list(self.reports.glob("report*")) if self.reports.exists() else []
        assert not found, found[0].read_text()[:20000]


@pytest.fixture(scope="module")
def big_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("big")
    return [tiff.write_noise(folder / f"{i}.tiff", i, BIG, BIG, 5) for i in range(3)]


@pytest.fixture
def big(here, big_files):
    """Puts large slides below the root, by these names, and scans."""
    def put(*names):
        for file, name in zip(big_files, names):
            shutil.copyfile(file, here.dir / "slides" / name)
        here.scan()
    return put


@pytest.fixture
def here(tmp_path):
    made = Here(tmp_path)
    yield made
    made.check_reports()


def ends(text):
    """The numbers of each slide that ended, by its name."""
    found = [m for m in map(END.match, text.splitlines()) if m]
    return {m[2]: {"id": int(m[1]), "state": m[3], "tiles": int(m[4]), "skipped": int(m[7]),
                   "failed": int(m[8]), "left": int(m[9] or 0)} for m in found}


def tiles_of(width, height):
    """Of all Deep Zoom levels, with tiles of 254 pixels."""
    total, w, h = 0, width, height
    while True:
        total += -(-w // 254) * -(-h // 254)
        if w == h == 1:
            return total
        w, h = max(1, -(-w // 2)), max(1, -(-h // 2))


# ----- in a pipe --------------------------------------------------------------------------


def test_lines_of_a_pipe(here):
    tiff.write_noise(here.dir / "slides" / "a.tiff", 1, 1100, 900)
    here.scan()
    all_of_it = tiles_of(1100, 900)
    done = here.run("warm", "1", "--mem-size-mb", "50")
    assert done.returncode == 0 and not done.stderr, done
    begins, ended = done.stdout.splitlines()
    assert begins == "1 a.tiff: begins, at most 50.0 MiB"
    assert ends(ended)["a.tiff"] == {"id": 1, "state": "done", "tiles": all_of_it,
                                     "skipped": 0, "failed": 0, "left": 0}
    assert here.entries() >= all_of_it
    again = ends(here.ctl("warm", "1", "1", "--mem-size-mb", "50"))
    assert again == {"a.tiff": {"id": 1, "state": "done", "tiles": 0,
                                "skipped": all_of_it, "failed": 0, "left": 0}}


def test_the_json_document(here):
    tiff.write_noise(here.dir / "slides" / "a.tiff", 1, 700, 500)
    here.scan()
    done = here.run("--json", "warm", "1")
    assert done.returncode == 0 and not done.stderr, done
    (image,) = json.loads(done.stdout)["images"]
    assert set(image) == {"id", "name", "state", "reason", "tiles", "bytes", "total_tiles",
                          "skipped_tiles", "failed_tiles", "seconds", "result"}
    assert (image["id"], image["name"]) == (1, "a.tiff")
    assert (image["state"], image["reason"], image["failed_tiles"]) == ("done", "", 0)
    assert image["tiles"] == image["total_tiles"] == tiles_of(700, 500)
    assert image["seconds"] > 0
    levels = [image["result"][str(i)] for i in range(len(image["result"]))]
    assert [level["Level"] for level in levels] == list(range(11))
    assert levels[-1]["Total"] == image["tiles"] and levels[-1]["Tiles"] == [3, 2]
    assert levels[-1]["Size_MB"] == image["bytes"] / 2**20


def test_a_budget_is_kept(here):
    tiff.write_noise(here.dir / "slides" / "a.tiff", 1, 2000, 2000)
    here.scan()
    done = json.loads(here.ctl("--json", "warm", "1", "--mem-size-mb", "0.5"))["images"][0]
    assert 0.98 * 2**19 <= done["bytes"] <= 2**19
    assert 0 < done["tiles"] < done["total_tiles"] == tiles_of(2000, 2000)


def test_a_budget_that_cuts_a_slide_short_is_said(here):
    tiff.write_noise(here.dir / "slides" / "a.tiff", 1, 2000, 2000)
    here.scan()
    done = ends(here.ctl("warm", "1", "--mem-size-mb", "0.5"))["a.tiff"]
    assert done["state"] == "done"
    assert done["left"] == tiles_of(2000, 2000) - done["tiles"] > 0


@pytest.mark.parametrize("jobs", ["1", "2", "5"])
def test_all_of_them(here, jobs):
    """What nobody can read is counted, and no failure: nobody asked for it."""
    for i, name in enumerate(["a.tiff", "b.tiff", "d.tiff"]):
        tiff.write_noise(here.dir / "slides" / name, i, 700, 500)
    (here.dir / "slides" / "c.tiff").write_bytes(b"II*\0" + b"no slide" * 100)
    ids = here.scan()
    done = here.run("warm", "--all", "--jobs", jobs, "--threads", "1")
    assert done.returncode == 0, done
    assert done.stderr == ("slidecachectl: left out: 1 image that cannot be warmed; --json "
                           "names them\n")
    found = ends(done.stdout)
    assert {name: f["id"] for name, f in found.items()} == {
        name: ids[name] for name in ("a.tiff", "b.tiff", "d.tiff")}
    assert {f["tiles"] for f in found.values()} == {tiles_of(700, 500)}
    for args, key in ((["--jobs", jobs], "images"), (["--background"], "jobs")):
        done = here.run("--json", "warm", "--all", *args)
        (left,) = json.loads(done.stdout)["left_out"]
        assert len(json.loads(done.stdout)[key]) == 3
        assert (left["id"], left["name"]) == (ids["c.tiff"], "c.tiff") and left["reason"]
        assert "left out" not in done.stderr


def test_all_of_none(here):
    here.scan()
    assert here.ctl("warm", "--all") == ""
    assert json.loads(here.ctl("--json", "warm", "--all")) == {"images": [], "left_out": []}


def test_what_was_asked_for_and_cannot_be_read(here):
    tiff.write_noise(here.dir / "slides" / "a.tiff", 1, 700, 500)
    (here.dir / "slides" / "b.tiff").write_bytes(b"II*\0" + b"no slide" * 100)
    ids = here.scan()
    done = here.run("--json", "warm", str(ids["b.tiff"]), str(ids["a.tiff"]))
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0].startswith(f"slidecachectl: {ids['b.tiff']} b.tiff: "), lines
    assert lines[-1] == "slidecachectl: warm: 1 of 2 images failed"
    bad, good = json.loads(done.stdout)["images"]
    assert bad["state"] == "failed" and bad["reason"] and bad["tiles"] == 0
    assert good["state"] == "done" and good["tiles"] == tiles_of(700, 500)
    alone = here.run("warm", str(ids["b.tiff"]))
    assert alone.returncode == 1
    assert re.fullmatch(rf"slidecachectl: {ids['b.tiff']} b\.tiff: .+\n", alone.stderr)
    service_s = here.run("warm", "--background", str(ids["a.tiff"]), str(ids["b.tiff"]))
    assert service_s.returncode == 1 and not service_s.stdout
    assert re.fullmatch(rf"slidecachectl: image {ids['b.tiff']} cannot be read: .+\n",
                        service_s.stderr)
    assert json.loads(here.ctl("--json", "jobs", "list")) == {"jobs": []}


def test_nothing_is_done_when_one_is_unknown(here):
    tiff.write_noise(here.dir / "slides" / "a.tiff", 1, 700, 500)
    tiff.write_noise(here.dir / "slides" / "gone.tiff", 2, 700, 500)
    here.scan()
    (here.dir / "slides" / "gone.tiff").unlink()
    here.ctl("images", "scan")
    for args, said in ((["1", "99"], "no image has the id 99"),
                       (["1", "2"], "image 2 is gone"),
                       (["1", "--z-dimension", "2"], "plane"),
                       (["1", "--frame", "2"], "frame 2"),
                       (["--background", "1", "99"], "no image has the id 99")):
        done = here.run("warm", *args)
        assert done.returncode == 1 and not done.stdout, (args, done)
        assert said in done.stderr, (args, done)
    assert here.entries() == 0
    assert json.loads(here.ctl("--json", "jobs", "list")) == {"jobs": []}


@pytest.mark.parametrize("args", [
    ["warm"], ["warm", "x"], ["warm", "0"], ["warm", "-1"], ["warm", "1", "--all"],
    ["warm", "1", "--what"], ["warm", "1", "--jobs"], ["warm", "1", "--jobs", "0"],
    ["warm", "1", "--jobs", "65"], ["warm", "1", "--threads", "-1"],
    ["warm", "1", "--mem-size-mb", "0"], ["warm", "1", "--mem-size-mb", "-5"],
    ["warm", "1", "--mem-size-mb", "nan"], ["warm", "1", "--mem-size-mb", "inf"],
    ["warm", "1", "--mem-size-mb", "65537"], ["warm", "1", "--mem-size-mb", "5 MB"],
    ["warm", "1", "--z-dimension", "0"], ["warm", "1", "--frame", "x"],
    ["warm", "1", "--background", "--jobs", "1"],
    ["warm", "1", "--background", "--threads", "0"],
    ["jobs"], ["jobs", "what"], ["jobs", "list", "1"], ["jobs", "show"],
    ["jobs", "show", "1", "2"], ["jobs", "show", "x"], ["jobs", "cancel"],
    ["jobs", "cancel", "1", "x"]])
def test_usage(here, args):
    done = here.run(*args)
    assert done.returncode == 2 and not done.stdout, done
    assert re.fullmatch(r"slidecachectl: .+\n", done.stderr), done.stderr
    assert not (here.dir / "state" / "jobs").exists()


@pytest.mark.parametrize("command", ["warm", "jobs"])
def test_usage_without_a_state(here, command):
    shutil.rmtree(here.dir / "state")
    done = here.run(command)
    assert done.returncode == 2 and not done.stdout, done
    assert done.stderr.startswith(f"slidecachectl: an argument is missing: {command} "), done


@pytest.mark.parametrize("command,words", [
    ("warm", ["--mem-size-mb N", "MiB", "--threads N", "--background"]),
    ("jobs", ["list", "show ID", "cancel ID", "forgets what has ended"])])
def test_help(here, command, words):
    said = here.ctl(command, "--help")
    assert [word for word in words if word not in said] == [], said


@pytest.fixture
def away(tmp_path):
    """A state whose cache server is not there, and one slide."""
    nowhere = {"backend": "memcached", "location": f"unix:{tmp_path}/nobody"}
    made = Here(tmp_path, caches={"tiles_cache": nowhere})
    tiff.write_noise(made.dir / "slides" / "a.tiff", 1, 700, 500)
    made.scan()
    yield made
    made.check_reports()


def test_a_store_that_is_away_is_waited_for(away):
    """A line each ten seconds says so."""
    begin = time.monotonic()
    process = away.start("warm", "1")
    lines = [process.stdout.readline() for _ in range(2)]
    assert lines[1] == ("1 a.tiff: 0 %, 0 tiles, 0.0 MiB, waits for a store that is out of "
                        "reach\n"), lines
    assert time.monotonic() - begin >= 10
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10 * SLOW)
    assert process.returncode == 1 and ends(out)["a.tiff"]["state"] == "cancelled"
    assert err == "slidecachectl: warm: stopped; what was stored stays\n"


@pytest.mark.long
def test_patience_has_an_end(away):
    begin = time.monotonic()
    done = away.run("warm", "1")
    assert done.returncode == 1 and 29 <= time.monotonic() - begin < 45, done
    assert ends(done.stdout)["a.tiff"]["state"] == "failed"
    assert re.fullmatch(r"slidecachectl: 1 a\.tiff: .+\n", done.stderr), done.stderr


# ----- signals ----------------------------------------------------------------------------


def children(process):
    return child_pids(process.pid)


def test_sigterm_stops_it_and_what_was_stored_stays(here, big):
    big("a.tiff", "b.tiff", "c.tiff")
    process = here.start("--json", "warm", "--all", "--jobs", "2", "--threads", "1",
                         "--mem-size-mb", "500")
    pids = wait_for(lambda: len(children(process)) == 2 and children(process), "two children")
    wait_for(lambda: here.entries() > 4 * BATCH, "some tiles", 30)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10 * SLOW)
    assert process.returncode == 1
    assert err == "slidecachectl: warm: stopped; what was stored stays\n"
    images = json.loads(out)["images"]
    assert [im["state"] for im in images] == ["cancelled"] * 3
    assert images[2]["reason"] == "not begun"
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)
    assert sum(im["tiles"] for im in images) == here.entries()
    again = json.loads(here.ctl("--json", "warm", "1", "--mem-size-mb", "500"))["images"][0]
    assert again["skipped_tiles"] == images[0]["tiles"] > 0
    assert again["skipped_tiles"] + again["tiles"] == tiles_of(BIG, BIG)


def test_a_child_that_dies_costs_its_slide(here, big):
    tiff.write_noise(here.dir / "slides" / "b.tiff", 2, 700, 500)
    big("a.tiff")
    process = here.start("--json", "warm", "1", "2", "--threads", "1", "--mem-size-mb", "500")
    (child,) = wait_for(lambda: children(process), "a child")
    wait_for(lambda: here.entries() > 5, "some tiles")
    os.kill(child, signal.SIGKILL)
    out, err = process.communicate(timeout=30 * SLOW)
    assert process.returncode == 1
    assert "slidecachectl: 1 a.tiff: its process ended with signal 9\n" in err
    states = [im["state"] for im in json.loads(out)["images"]]
    assert states == ["failed", "done"]


def test_children_end_with_their_parent(here, big):
    big("a.tiff")
    process = here.start("warm", "1", "--threads", "1", "--mem-size-mb", "500")
    (child,) = wait_for(lambda: children(process), "a child")
    wait_for(lambda: here.entries() > 5, "some tiles")
    process.kill()
    process.communicate()
    wait_for(lambda: not os.path.exists(f"/proc/{child}"), "the child ends")
    assert here.entries() < tiles_of(BIG, BIG)


# ----- on a terminal ----------------------------------------------------------------------


class Terminal:
    """A program whose terminal this is."""

    def __init__(self, argv, env, columns=COLUMNS, rows=ROWS):
        self.fd, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            argv, stdin=inner, stdout=inner, stderr=inner, env=env, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(inner)
        self.text = ""

    def read(self, until=None, deadline_s=60):
        """Until that was seen, or the end."""
        end = time.monotonic() + deadline_s * SLOW
        while not (until and re.search(until, self.text)):
            assert select.select([self.fd], [], [], max(0, end - time.monotonic()))[0], self.text
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # nobody has it open any more
                data = b""
            if not data:
                assert not until, self.text
                break
            self.text += data.decode()
        return self.text

    def type(self, text):
        os.write(self.fd, text)

    def end(self):
        self.read()
        os.close(self.fd)
        return self.process.wait(30 * SLOW)


def screen(text):
    """What is there after all of it: no line may be longer than the terminal."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[\d*[A-Z]|[\r\n]|[^\x1b\r\n]+", text):
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part[0] != "\x1b":
            lines[row] = lines[row][:column].ljust(column) + part + \
                lines[row][column + len(part):]
            column += len(part)
            assert column < COLUMNS, part
        elif part[-1] == "A":
            row -= int(part[2:-1])
            assert row >= 0
        else:
            lines[row] = lines[row][:column]
            if part[-1] == "J":
                del lines[row + 1:]
    assert (row, column) == (len(lines) - 1, 0), "the cursor's line is ended"
    return lines[:-1]


def bars(text):
    return re.findall(r"(\d+) \S+ *\[(#*)(-*)\] +(\d+) %  +(\d+)/(\d+) tiles", text)


def test_a_bar_on_a_terminal(here, big):
    big("schöner_Schnitt.tiff")
    begin = time.monotonic()
    terminal = Terminal(here.argv("warm", "1", "--mem-size-mb", "500"), here.env)
    assert terminal.end() == 0
    seen = bars(terminal.text)
    assert 2 <= len(seen) <= (time.monotonic() - begin) * 10 + 2, terminal.text
    for _, full, empty, percent, done, planned in seen:
        assert int(percent) == int(100 * int(done) / max(1, int(planned)))
        assert abs(len(full) / len(full + empty) - int(percent) / 100) < 0.11
    shares = [int(percent) for *_, percent, _, _ in seen]
    assert shares[-1] > shares[0]
    assert re.search(r"\d/s +[\d.]+ MiB  ETA +\d+:\d\d", terminal.text)
    (line,) = screen(terminal.text)
    assert ends(line)["schöner_Schnitt.tiff"]["tiles"] == tiles_of(BIG, BIG)
    assert terminal.text.endswith("\n")


def test_several_bars_and_their_sum(here):
    for i, name in enumerate(["a.tiff", "b.tiff", "c.tiff"]):
        tiff.write_noise(here.dir / "slides" / name, i, 2500, 2500)
    (here.dir / "slides" / "d.tiff").write_bytes(b"II*\0" + b"no slide" * 100)
    here.scan()
    terminal = Terminal(here.argv("warm", "1", "2", "3", "4", "--jobs", "2", "--mem-size-mb",
                                  "500"), here.env)
    assert terminal.end() == 1
    assert re.search(r"\[.*\n.*\[.*\n[0-3] of 4 images.*\[", terminal.text)
    lines = screen(terminal.text)
    assert len(ends("\n".join(lines))) == 4, lines
    assert len(lines) == 6, lines  # why one failed, and how many did


def test_a_low_terminal(here):
    """More lines than it has cannot be drawn again."""
    for i in range(5):
        tiff.write_noise(here.dir / "slides" / f"{i}.tiff", i, 1100, 900)
    here.scan()
    terminal = Terminal(here.argv("warm", "--all", "--jobs", "5", "--mem-size-mb", "500"),
                        here.env, rows=4)
    assert terminal.end() == 0
    assert set(re.findall(r"\x1b\[(\d+)A", terminal.text)) <= {"1", "2"}
    assert len(screen(terminal.text)) == 5


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TERM": ""}, {"NO_COLOR": "1"}])
def test_plain_terminals(here, variables):
    tiff.write_noise(here.dir / "slides" / "a.tiff", 1, 1100, 900)
    here.scan()
    terminal = Terminal(here.argv("warm", "1"), {**here.env, **variables})
    assert terminal.end() == 0
    assert "\x1b" not in terminal.text
    begins, ended = terminal.text.splitlines()
    assert begins == "1 a.tiff: begins, at most 5.0 MiB" and ends(ended)


def test_ctrl_c(here, big):
    big("a.tiff", "b.tiff", "c.tiff")
    images = ("1", "2", "3")  # what is read may be late, by a slide or two
    terminal = Terminal(here.argv("warm", *images, "--threads", "1", "--mem-size-mb", "500"),
                        here.env)
    terminal.read(r"[23]\d %  +\d+/\d+ tiles")
    terminal.type(b"\x03")
    assert terminal.end() == 1
    *lines, last = screen(terminal.text)
    assert last == "slidecachectl: warm: stopped; what was stored stays"
    # On a busy machine the first may be through by then.
    name, stored = list(ends("\n".join(lines)).items())[-1]
    assert stored["state"] == "cancelled" and 0 < stored["tiles"] < tiles_of(BIG, BIG)
    again = ends(here.ctl("warm", str(stored["id"]), "--mem-size-mb", "500"))[name]
    assert again["skipped"] == stored["tiles"]


# ----- with a service ---------------------------------------------------------------------


@pytest.fixture
def live(tmp_path):
    noise = tiff.write_noise(tmp_path / "noise.tiff", 1, 1100, 900)
    with service.Service(files=[noise]) as running:
        running.image_id("noise.tiff")
        yield running


def is_warm(live):
    return live.tile(1, 11, 2, 1, "jpeg").x_cache == "HIT"


def test_beside_a_service(live):
    """Its workers find what was stored."""
    said = ends(live.ctl("warm", "1", "--mem-size-mb", "500"))
    assert said["noise.tiff"]["tiles"] == tiles_of(1100, 900)
    assert is_warm(live)


def test_the_service_does_it(live):
    out = live.run_ctl("warm", "1", "--mem-size-mb", "500", "--background")
    assert (out.returncode, out.stdout, out.stderr) == (0, "job 1: 1 noise.tiff\n", "")
    wait_for(lambda: live.ctl_json("jobs", "show", "1")["state"] == "done", "the job is done", 30)
    job = live.ctl_json("jobs", "show", "1")
    assert job["tiles"]["done"] == tiles_of(1100, 900) and job["mem_size_mb"] == 500
    assert is_warm(live)
    assert live.ctl_json("jobs", "list") == {"jobs": [job]}
    head, row = live.ctl("jobs", "list").splitlines()
    assert head.split()[:3] == ["job", "state", "image"]
    assert re.match(r" +1  done +1  100 % +\d+ +[\d.]+  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  "
                    r"slidecachectl \(", row), row
    shown = dict(line.split(None, 1) for line in live.ctl("jobs", "show", "1").splitlines()
                 if not line.startswith("at most"))
    assert shown["state"] == "done" and shown["image"] == "1, plane 1, frame 1"
    assert shown["tiles"].startswith(f"{job['tiles']['done']} of "), shown


def test_jobs_without_a_service(here):
    tiff.write_noise(here.dir / "slides" / "a.tiff", 1, 700, 500)
    tiff.write_noise(here.dir / "slides" / "b.tiff", 2, 700, 500)
    here.scan()
    done = here.run("--json", "warm", "--all", "--background")
    assert done.returncode == 0
    assert "no service runs" in done.stderr
    jobs = json.loads(done.stdout)["jobs"]
    assert [(j["id"], j["image"], j["state"]) for j in jobs] == [(1, 1, "queued"),
                                                                 (2, 2, "queued")]
    assert json.loads(here.ctl("--json", "jobs", "list"))["jobs"] == jobs
    other = here.run("warm", "2", "--background")
    assert other.returncode == 1 and not other.stdout and "2" in other.stderr, other
    assert here.run("jobs", "cancel", "1", "77").returncode == 1
    assert json.loads(here.ctl("--json", "jobs", "show", "1"))["state"] == "queued"
    assert here.ctl("jobs", "cancel", "1") == "job 1: cancelled\n"
    assert here.ctl("jobs", "cancel", "1", "1") == "job 1: forgotten\n"
    assert json.loads(here.ctl("--json", "jobs", "cancel", "2")) == [
        {"id": 2, "outcome": "cancelled"}]
    assert "job" in here.run("jobs", "show", "1").stderr
    here.ctl("jobs", "show", "1", code=1)
    (left,) = json.loads(here.ctl("--json", "jobs", "list"))["jobs"]
    assert (left["id"], left["state"]) == (2, "cancelled")


def test_a_queue_has_an_end(here):
    """All of them or none."""
    first = tiff.write_noise(here.dir / "slides" / "0.tiff", 1, 300, 300)
    for i in range(1, 65):
        shutil.copyfile(first, here.dir / "slides" / f"{i}.tiff")
    assert len(here.scan()) == 65
    assert here.run("warm", "--all", "--background").returncode == 1
    assert json.loads(here.ctl("--json", "jobs", "list")) == {"jobs": []}


# ----- doctor -----------------------------------------------------------------------------


def warm_findings(here):
    done = here.run("--json", "doctor")
    return [(f["result"], f["finding"]) for f in json.loads(done.stdout)["findings"]
            if f["check"] == "warm"]


def test_doctor_is_content(here):
    here.scan()
    assert warm_findings(here) == [("ok", "no job was there yet")]
    assert not (here.dir / "state" / "jobs").exists(), "a look makes nothing"
    tiff.write_noise(here.dir / "slides" / "a.tiff", 1, 300, 300)
    here.scan()
    here.ctl("warm", "1", "--background")
    assert warm_findings(here) == [("ok", "jobs: 1 to be done")]


@pytest.mark.parametrize("over,words", [
    ({"warm": {"on_scan_mb": 500}, "caches": {"tiles_cache": {"options": {"max_size_mb": 100}}}},
     "room for 100 MiB"),
    ({"warm": {"on_scan_mb": 5}, "caches": {"tiles_cache": {"backend": "null"}}},
     "keeps nothing")])
def test_doctor_warns(tmp_path, over, words):
    here = Here(tmp_path, **over)
    here.scan()
    assert [f for result, f in warm_findings(here) if result == "warning" and words in f]
    here.check_reports()


def test_doctor_finds_a_table_that_cannot_be_opened(here):
    here.scan()
    (here.dir / "state" / "jobs").mkdir()
    assert [result for result, _ in warm_findings(here)] == ["failure"]
