# SPDX-License-Identifier: MIT
"""The commands of the README do what it says, as they are printed: only the address, the
password and the places of files are others. So do the migrations of migration.h, and the
login that deploy/lighttpd.conf has a sample of."""

import json
import os
import re
import shlex
import stat
import subprocess

import pytest

import service
import tiff
import warming
import web
from service import BUILD, REPO, SLOW

README = (REPO / "README.md").read_text()
IMAGE = 7  # the README's
PASSWORD = "correct horse: ä"
SCRIPT = "Who may see, who may manage"
INITIAL = {"tiles", "thumbnails", "slides", "acl"}
USERS = "/etc/slidecache/htpasswd"


def sections():
    """Heading, and bold words that begin a paragraph -> the text below, until the next."""
    parts = re.split(r"^(?:## |\*\*)([^\n*.]+)(?:\n|\*\*)", README, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def lines(section, kind="sh"):
    """The commands of a section's blocks, each a whole one."""
    text = "".join(re.findall(rf"^```{kind}\n(.*?)^```$", sections()[section], re.S | re.M))
    found = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    assert found, section
    return found


def starting(word, section):
    found = [line for line in lines(section) if shlex.split(line, comments=True)[0] == word]
    assert found, (word, section)
    return found


def shell(line, **kwargs):
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True,
                          timeout=60 * SLOW, **kwargs)
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


def make_users(file):
    """By the README's lines; of no other group, and the password comes from no terminal."""
    (line,) = starting("install", "Over HTTP")
    assert USERS in line and "-g slidecache" in line
    shell(line.replace("-g slidecache", "").replace(USERS, shlex.quote(str(file))))
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    (line,) = starting("printf", "Over HTTP")
    assert USERS in line and "openssl passwd -6" in line
    line = line.replace(USERS, shlex.quote(str(file)))
    shell(line.replace("openssl passwd -6", "openssl passwd -6 -stdin"), input=PASSWORD + "\n")
    assert re.fullmatch(r"alice:\$6\$\S+\n", file.read_text())


def add_images(live, tmp):
    """One with the id that the README speaks of, and the next one."""
    catalogue = {"next_id": IMAGE, "images": []}
    (live.dir / "state" / "images.json").write_text(json.dumps(catalogue))
    for name in ("s.tiff", "t.tiff"):
        live.add_file(tiff.write_noise(tmp / name, 1, 700, 500))
        live.ctl("images", "add", name)


def write_migration(live):
    """The README's, under the name that it says."""
    (file,) = re.findall(r"named `(\d{4}_\w+\.json)`", sections()["Migrations"])
    (live.dir / "migrations").mkdir()
    text = "\n".join(lines("Migrations", "json"))
    (live.dir / "migrations" / file).write_text(text)


class Site:
    """A service as the README describes one, behind deploy/lighttpd.conf."""

    def __init__(self, tmp):
        self.users = tmp / "htpasswd"
        make_users(self.users)
        access = {"htpasswd_file": str(self.users)}
        config = {"slides": {"scan": False}, "access": access}
        self.live = service.Service(config, web=True)
        add_images(self.live, tmp)
        write_migration(self.live)

    def curl(self, line):
        """A line, with this site's address and password; an answer of an error fails."""
        assert "http://localhost/" in line and "-u alice " in line, line
        line = line.replace("http://localhost/", f"http://127.0.0.1:{self.live.web.http.port}/")
        line = line.replace("-u alice ", f"-u {shlex.quote('alice:' + PASSWORD)} ")
        return shell(line.replace("curl ", "curl --disable --noproxy '*' -sS --fail-with-body ", 1))

    def slidecachectl(self, line):
        program = f"{BUILD}/slidecachectl --config {self.live.config_file}"
        line = line.replace("slidecachectl", program, 1)
        return shell(line, env={**os.environ, **self.live.env})


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    with made.live:
        yield made


def test_managing_over_http(site):
    """Each curl line changes what it is about, and is alice's."""
    for line in starting("curl", "Over HTTP"):
        before = site.live.ctl_json("versions")
        site.curl(line)
        after = site.live.ctl_json("versions")
        changed = [v["changed_by"] for name, v in after.items() if v != before.get(name)]
        assert set(changed) == {"alice (http)"} or len(after) < len(before), line
    assert len(starting("curl", "Over HTTP")) >= 2


class ClosedSite(Site):
    """One with the README's access list; lines are run in one folder, by a shell that has
    slidecachectl."""

    def __init__(self, tmp):
        self.tmp = tmp
        (tmp / "acl.json").write_text("\n".join(lines("Access lists", "json")))
        files = {name: str(tmp / name) for name in ("tokens", "acl.json", "signing.key")}
        key, *values = starting("install", "Signed addresses") + starting("head", "Signed addresses")
        for line in (key, *values):
            shell(line.replace("-g slidecache", "").replace("/etc/slidecache", str(tmp)), cwd=tmp)
        self.live = service.Service({
            "slides": {"scan": False},
            "access": {"tokens_file": files["tokens"], "acl_file": files["acl.json"],
                       "signing_key_file": files["signing.key"]},
        }, web=True)
        add_images(self.live, tmp)

    def run(self, line):
        if "http://localhost/" in line:
            address = f"http://127.0.0.1:{self.live.web.http.port}/"
            line = line.replace("http://localhost/", address)
        line = line.replace("/etc/slidecache", str(self.tmp))
        line = line.replace("curl ", "curl --disable --noproxy '*' -sS ", 1)
        program = f"{BUILD}/slidecachectl --config {self.live.config_file} "
        line = line.replace("slidecachectl ", program)
        return shell(line, cwd=self.tmp, env={**os.environ, **self.live.env})


@pytest.fixture
def closed(tmp_path):
    site = ClosedSite(tmp_path)
    first, *site.rest = lines(SCRIPT)
    site.run(first)
    with site.live:
        yield site


def test_what_a_script_does(closed):
    """Its token warms and invalidates, and is worth nothing from its revocation on."""
    said = [closed.run(line) for line in closed.rest]
    assert re.fullmatch(r"Authorization: Bearer sc_\S{43}\n",
                        (closed.tmp / "header").read_text())
    warmed, invalidated, listed, _, refused = said[1:]
    assert json.loads(warmed)["0"]["Total"] == 1
    assert "image/7" in invalidated and "nightly" in listed
    assert re.match(r"HTTP/\S+ 401 ", refused)
    assert closed.live.log_tail(100_000).count("audit: token:nightly from 127.0.0.1: ") == 2


def test_what_is_asked_of_access_lists(closed):
    (closed.tmp / "new.json").write_text((closed.tmp / "acl.json").read_text())
    check, show = starting("slidecachectl", "Access lists")
    closed.run(check)
    assert not (closed.tmp / "new.json").exists()
    assert "manage" in closed.run(show)


def test_a_signed_address(closed):
    (line,) = starting("slidecachectl", "Signed addresses")
    viewer, dzi = closed.run(line).split()
    assert viewer.startswith("/viewer/7/?sig=")
    assert "</Image>" in closed.run(f"curl 'http://localhost/{dzi[1:]}'")
    old = dzi.partition("=")[0].lstrip("/") + "=1." + dzi.rpartition(".")[2]
    assert "wrong" in closed.run(f"curl 'http://localhost/{old}'")


def test_a_post_without_a_length_is_refused_by_lighttpd(site):
    """The README says so; the service itself would take it."""
    port = site.live.web.http.port
    target = f"http://127.0.0.1:{port}/api/v1/cache/versions/tiles/invalidate/"
    done = shell(f"curl --noproxy '*' -sS -o /dev/null -w '%{{http_code}}' -X POST {target}")
    assert done == "411"


def test_warming_over_http(site):
    """One after the other, however long jobs take. Their ids are those that the lines
    before have made."""
    first, *others = starting("curl", "Warming")
    answers = [site.curl(first)]
    with warming.paused(site.live):  # no job is done before the next line
        answers += [site.curl(line) for line in others]
    now, later, job, jobs, one, none = answers
    assert [level["Level"] for level in json.loads(now).values()] == list(range(11))
    assert [json.loads(text)["id"] for text in (later, one)] == [2, 3]
    assert [j["id"] for j in json.loads(job)["jobs"]] == [3]
    assert [j["id"] for j in json.loads(jobs)["jobs"]] == [1, 2, 3]
    assert {j["by"] for j in json.loads(jobs)["jobs"]} == {"alice (http)"}
    assert none == ""
    states = {j["id"]: j["state"] for j in site.live.ctl_json("jobs", "list")["jobs"]}
    assert set(states) == {1, 2, 3} and states[3] == "cancelled", states


def test_what_warming_answers(site):
    """The README's sample has the fields of an answer, and the job's name."""
    sample = json.loads("".join(lines("Warming", "text")))
    (line, *_) = starting("curl", "Warming")
    answer = json.loads(site.curl(line))
    assert isinstance(sample.pop("job"), int)
    assert {k: set(v) for k, v in sample.items()} == {"0": set(answer["0"])}


def test_the_bar_of_the_readme():
    """Is one that progress_bar.h could have made."""
    (bar,) = re.findall(r"^```\n(.+)\n```$", sections()["Warming"], re.M)
    pattern = (r"7 case 12\.svs +\[(#+)(-+)\] +(\d+) % +(\d+)/(\d+) tiles +(\d+)/s +"
               r"\S+ MiB  ETA +(\S+)")
    full, empty, percent, done, planned, rate, eta = re.fullmatch(pattern, bar).groups()
    share = int(done) / int(planned)
    assert int(share * 100) == int(percent)
    assert int(share * len(full + empty)) == len(full)
    minutes, seconds = map(int, eta.split(":"))
    left = (int(planned) - int(done)) / int(rate)
    assert left <= minutes * 60 + seconds < left + 1


@pytest.mark.parametrize("section", ["Behind your web server", "Migrations", "Warming"])
def test_slidecachectl(site, section):
    for line in starting("slidecachectl", section):
        assert site.slidecachectl(line).strip(), line


def test_every_command_is_among_them():
    told = subprocess.run([BUILD / "slidecachectl", "--help"], capture_output=True, text=True,
                          check=True).stdout
    commands = set(re.findall(r"^  ([a-z]+)\b", told, re.M))
    assert len(commands) > 8
    text = starting("slidecachectl", "Behind your web server")
    for section in ("Migrations", SCRIPT, "Access lists", "Signed addresses"):
        text += starting("slidecachectl", section)
    assert {line.split()[1] for line in text} == commands


def test_the_migrations_of_the_header(tmp_path):
    """A set that can be applied, and reversed."""
    text = (REPO / "include" / "slidecache" / "migration.h").read_text().partition("*/\n#")[0]
    names = re.findall(r"\b\d{4}_[a-z]+\.json\b", text)
    documents = re.findall(r"(?<= \*\n)((?: \*\t.*\n)+)", text)
    assert len(names) == len(documents) == 2
    with service.Service() as live:
        (live.dir / "migrations").mkdir()
        for name, document in zip(names, documents):
            content = json.loads(re.sub(r"^ \*\t", "", document, flags=re.M))
            assert content["operations"]
            (live.dir / "migrations" / name).write_text(json.dumps(content))
        live.ctl("migrate")
        assert {"findings"} == set(live.ctl_json("versions")) - INITIAL
        live.ctl("migrate", "site.zero")
        assert set(live.ctl_json("versions")) == INITIAL


# ----- a login of the web server's own -----------------------------------------------------


class LoginWeb(web.Lighttpd):
    """deploy/lighttpd.conf with its part 3 made true."""

    users = None

    def configuration(self, port):
        text = super().configuration(port)
        head, mark, rest = text.partition("# ----- part 3")
        assert mark
        rest = re.sub(r"^#(?! |$)", "", rest, flags=re.M)
        file = "/etc/lighttpd/slidecache.htpasswd"
        assert rest.count(file) == 1
        return head + "#" + rest.replace(file, str(self.users))


def test_a_login_of_the_web_server(tmp_path):
    live = service.Service({"access": {"trust_remote_user": True}})
    live.web = LoginWeb(live.dir, live.socket)
    live.web.users = tmp_path / "htpasswd"
    make_users(live.web.users)
    with live:
        target = (f"http://127.0.0.1:{live.web.http.port}/api/v1/cache/versions/tiles"
                  "/invalidate/")
        status = "curl --noproxy '*' -sS -o /dev/null -w '%{http_code}' --json '{}' "
        forged = "-H 'Remote-User: alice' -H 'Remote_User: alice' -H 'X-Remote-User: alice' "
        assert shell(status + target) == "401"
        assert shell(f"{status} {forged} -u alice:wrong {target}") == "401"
        # Whichever way the address is written: nobody is named.
        assert shell(status + forged + target.replace("/cache/", "/%63ache/")) == "401"
        assert shell(status + f"-u {shlex.quote('alice:' + PASSWORD)} {target}") == "200"
        assert live.ctl_json("versions")["tiles"]["changed_by"] == "alice (http)"
        assert live.web.http.get("/api/v1/images/images/").status == 200
