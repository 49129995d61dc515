# SPDX-License-Identifier: MIT
"""The parts of deploy/'s files where they belong: rendered into the servers as Debian
configures them (/etc/lighttpd, /etc/apache2, /etc/nginx), with nothing changed but ports and
places. The server finds no fault with it, and serves pages and tiles."""

import os
import pathlib
import pwd
import re
import shutil
import subprocess

import pytest

import service
import tiff
import web

FILE = "plain.tiff"
DEPLOY = service.REPO / "deploy"
RENDER = DEPLOY / "render"
ETC = pathlib.Path("/etc")


def render(*args):
    return subprocess.run([str(a) for a in (RENDER, *args)], capture_output=True, text=True)


def place(text, changes):
    """text with each pattern replaced, which has to be there once."""
    for pattern, new in changes.items():
        text, n = re.subn(pattern, lambda _, new=new: str(new), text, flags=re.M | re.S)
        assert n == 1, f"{pattern}: {n} times"
    return text


class Stock(web.Web):
    """A Debian server in self.etc. Root's runs as SERVER_USER, as Debian's does."""

    drops_root = True
    part = 2
    given = ("SOCKET", "WWW")  # the rest are defaults

    @property
    def etc(self):
        return self.dir / "etc"

    def part_text(self):
        values = self.values(0)
        given = [f"{name}={values[name]}" for name in self.given]
        done = render("--part", self.part, DEPLOY / self.template, *given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def configuration(self, port):
        shutil.rmtree(self.etc, ignore_errors=True)
        self.etc.mkdir(mode=0o755)
        return self.stock(port)

    def check(self, *argv):
        """The server's own opinion."""
        argv = [shutil.which(self.command, path=web.SYSTEM_PATH), *argv]
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True,
                              env={"PATH": web.SYSTEM_PATH, **self.env})
        return done.returncode, done.stdout + done.stderr


class StockLighttpd(Stock, web.Lighttpd):
    """lighty-enable-mod setenv rewrite fastcgi slidecache"""

    mods = ("05-setenv.conf", "10-rewrite.conf", "10-fastcgi.conf")

    def stock(self, port):
        for name in self.mods:
            shutil.copy(ETC / "lighttpd" / "conf-available" / name, self.etc)
        (self.etc / "50-slidecache.conf").write_text(self.part_text())
        return place((ETC / "lighttpd" / "lighttpd.conf").read_text(), {
            r'"/var/cache/lighttpd/uploads"': f'"{self.run}"',
            r'"/var/log/lighttpd/error.log"': f'"{self.run}/error.log"',
            r'"/run/lighttpd.pid"': f'"{self.run}/pid"',
            r"(?<=^server.port )[^\n]*": f"= {port}",
            r"/etc/lighttpd/conf-enabled/": f"{self.etc}/",
        })

    def complaints(self):
        code, said = self.check("-tt", "-f", self.dir / self.template)
        said += (self.run / "error.log").read_text()
        return "" if code == 0 and not re.search("warn|unknown|ignored|WARN", said) else said


class StockApache(Stock, web.Apache):
    """a2enmod proxy_fcgi headers buffer && a2enconf slidecache"""

    mods = ("mpm_event", "authn_core", "authn_file", "auth_basic", "authz_core", "authz_host",
            "authz_user", "access_compat", "alias", "autoindex", "deflate", "dir", "env",
            "filter", "mime", "negotiation", "reqtimeout", "setenvif", "status")
    own_mods = ("proxy", "proxy_fcgi", "headers", "buffer")

    def stock(self, port):
        for name in ("mods-enabled", "conf-enabled", "sites-enabled"):
            (self.etc / name).mkdir()
        for mod in (*self.mods, *self.own_mods):
            for file in (ETC / "apache2" / "mods-available").glob(f"{mod}.*"):
                shutil.copy(file, self.etc / "mods-enabled")
        shutil.copy(ETC / "apache2" / "sites-available" / "000-default.conf",
                    self.etc / "sites-enabled")
        site = self.etc / "sites-enabled" / "000-default.conf"
        site.write_text(place(site.read_text(), {r"\*:80": f"*:{port}"}))
        (self.etc / "ports.conf").write_text(f"Listen 127.0.0.1:{port}\nServerName localhost\n")
        (self.etc / "conf-enabled" / "slidecache.conf").write_text(self.part_text())
        user, group = self.owner()
        self.env = {"APACHE_RUN_USER": user, "APACHE_RUN_GROUP": group,
                    "APACHE_PID_FILE": f"{self.run}/pid", "APACHE_RUN_DIR": str(self.run),
                    "APACHE_LOCK_DIR": str(self.run), "APACHE_LOG_DIR": str(self.run)}
        return (ETC / "apache2" / "apache2.conf").read_text()

    def argv(self, program, conf):
        return [program, "-D", "FOREGROUND", "-d", self.etc, "-f", conf]

    def complaints(self):
        code, said = self.check("-t", "-d", self.etc, "-f", self.dir / self.template)
        return "" if code == 0 and said == "Syntax OK\n" else said


class StockNginx(Stock, web.Nginx):
    """"include snippets/slidecache.conf;" in place of the default site's location /."""

    part = 3

    def stock(self, port):
        (self.dir / "snippets").mkdir(exist_ok=True)
        (self.dir / "snippets" / "slidecache.conf").write_text(self.part_text())
        site = (ETC / "nginx" / "sites-available" / "default").read_text()
        (self.etc / "default").write_text(place(site, {
            r"(?<=^\tlisten )80": f"127.0.0.1:{port}",
            r"^\tlisten \[::\]:80[^\n]*": "",
            r"^\tlocation / \{.*?^\t\}": "\tinclude snippets/slidecache.conf;",
        }))
        paths = "".join(f"\t{name}_temp_path {self.run}/{name};\n" for name in
                        ("client_body", "fastcgi", "proxy", "uwsgi", "scgi"))
        return place((ETC / "nginx" / "nginx.conf").read_text(), {
            r"/run/nginx.pid": f"{self.run}/pid",
            r"(?<=^error_log )[^;\n]*": "stderr",
            r"(?<=access_log )[^;\n]*": "off",
            r"/etc/nginx/sites-enabled/": f"{self.etc}/",
            r"^http \{\n": f"http {{\n{paths}",
        })

    def argv(self, program, conf):
        return [program, "-c", conf, "-e", "stderr", "-g", "daemon off;"]

    def complaints(self):
        code, said = self.check("-t", "-c", self.dir / self.template, "-e", "stderr")
        return "" if code == 0 and "[" not in said else said


class Spawns(Stock):
    """As the file's head says: the service's folders are the server's user's."""

    spawns = True
    given = ("SOCKET", "WWW", "PROGRAM", "CONFIG")

    def prepare(self):
        super().prepare()
        self.program_file = service.BUILD / "slidecached"
        if os.geteuid() != 0:
            return
        self.program_file = self.copy_below_run(self.program_file)
        names = ("state", "cache", "slides", "config.json", "reports")
        theirs = [str(self.dir / name) for name in names if (self.dir / name).exists()]
        subprocess.run(["chown", "-R", web.SERVER_USER, *theirs], check=True)

    def values(self, port):
        return {**super().values(port), "PROGRAM": self.program_file}


class StockLighttpdSpawn(Spawns, StockLighttpd, web.LighttpdSpawn):
    def prepare(self):
        super().prepare()
        self.socket = f"{self.run}/s.sock"


class StockApacheFcgid(Spawns, StockApache, web.ApacheFcgid):
    """a2enmod fcgid headers buffer && a2enconf slidecache"""

    given = ("WWW", "PROGRAM", "CONFIG")
    own_mods = ("fcgid", "headers", "buffer")


def start(kind, config, file):
    live = service.Service(config, [file])
    live.web = kind(live.dir, live.socket)
    live.web.service_config = live.config_file
    return live


def check_serves(live):
    image = live.image_id(FILE)
    page = live.web.http.get("/")
    assert page.status == 200 and page.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert live.web.http.get(f"/viewer/{image}/").status == 200
    tile = live.web.http.get(f"/images/image/{image}/1/1/tile_files/9/0_0.png")
    assert (tile.status, tile.headers["content-type"]) == (200, "image/png")


@pytest.mark.parametrize("kind", [StockLighttpd, StockApache, StockNginx])
def test_a_part_fits_into_debians_server(kind, tmp_path):
    with start(kind, {}, tiff.write_noise(tmp_path / FILE, 1, 500, 400)) as live:
        assert live.web.complaints() == ""
        check_serves(live)


@pytest.mark.parametrize("kind", [StockLighttpdSpawn, StockApacheFcgid])
def test_a_server_starts_it_as_its_own_user(kind, tmp_path):
    """With the packaged configuration's "user", which is somebody else."""
    file = tiff.write_noise(tmp_path / FILE, 1, 500, 400)
    with start(kind, {"user": "nobody"}, file) as live:
        assert live.web.complaints() == ""
        check_serves(live)
        status = pathlib.Path(f"/proc/{live.program.pid}/status").read_text()
        uid = pwd.getpwnam(live.web.owner()[0]).pw_uid
        assert f"\nUid:\t{uid}\t{uid}\t" in status


# ----- render ----------------------------------------------------------------------------------

CONFS = ["lighttpd.conf", "lighttpd-spawn.conf", "apache.conf", "apache-fcgid.conf", "nginx.conf"]


@pytest.mark.parametrize("name", CONFS)
def test_render_knows_the_defaults(name):
    """Of the table in the file's head."""
    done = render(DEPLOY / name)
    assert (done.returncode, done.stderr) == (0, "")
    configuration = re.sub(r"^#.*\n", "", done.stdout, flags=re.M)
    assert "/usr/share/slidecache/www" in configuration
    assert not re.search("@[A-Z]+@", configuration)
    assert "nothing" not in configuration
    assert "/x/www" in render(DEPLOY / name, "WWW=/x/www").stdout


@pytest.mark.parametrize("name,part,inside", [
    ("lighttpd.conf", "2", "fastcgi.server"),
    ("lighttpd-spawn.conf", "2", "bin-path"),
    ("apache.conf", "2", "ProxyPassMatch"),
    ("apache.conf", "4", "#CacheEnable"),
    ("apache-fcgid.conf", "2", "FcgidWrapper"),
    ("nginx.conf", "2", "fastcgi_cache_path"),
    ("nginx.conf", "3", "fastcgi_pass"),
])
def test_render_prints_one_part(name, part, inside):
    """From its marker on, comments and all, and no block open at its end."""
    whole, text = render(DEPLOY / name).stdout, render("--part", part, DEPLOY / name).stdout
    assert text.startswith(f"# ----- part {part}: ")
    assert inside in text
    assert text in whole and len(text) < len(whole)
    assert "part 1: the server" not in text
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize("args,sentence", [
    ([], "usage:"),
    (["--part"], "usage:"),
    (["--part", "2"], "usage:"),
    (["--part", "9", DEPLOY / "nginx.conf"], "no part 9"),
    (["--part", ".*", DEPLOY / "nginx.conf"], "--part wants a number"),
    (["/nowhere"], "no such file"),
    ([DEPLOY / "nginx.conf", "WWW"], "'WWW' is not NAME=VALUE"),
    ([DEPLOY / "nginx.conf", 'WWW=a"b'], "the value of WWW has a quote"),
])
def test_render_prints_nothing_when_it_fails(args, sentence):
    done = render(*args)
    assert (done.returncode, done.stdout) == (1, "")
    assert sentence in done.stderr


def test_render_wants_a_value_for_each_name(tmp_path):
    (tmp_path / "t").write_text("a @NAME@\n")
    done = render(tmp_path / "t")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no value for @NAME@" in done.stderr
    assert render(tmp_path / "t", "NAME=x&|y").stdout == "a x&|y\n"
