# SPDX-License-Identifier: MIT
"""Web servers in front of a service, each with its own file of deploy/: one class a server.

A server listens on a free loopback port, keeps what it writes in a folder of its own, runs
as the user that it would be elsewhere when the tests are root's, and is ended by its process
id. KINDS has them by name; service.Service(web=NAME) starts one.
"""

import grp
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess

import fcgi
import rawhttp
from program import BUILD, REPO, SLOW, Program, child_pids, free_port, process_name, wait_for

SYSTEM_PATH = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
SERVER_USER = "www-data"  # of a server that root starts, and that does not stay root


def uncomment(text, part):
    """text with the lines of one part ("# ----- part 3: ...") made true that are commented
    out as a line of a configuration is: "#word", where prose has a space after the sign."""
    head, mark, rest = text.partition(f"# ----- part {part}")
    assert mark, f"there is no part {part}"
    title, end, rest = rest.partition("\n")
    body, mark_2, tail = rest.partition("# ----- ")
    body = re.sub(r"^(\s*)#(?=[^ #\n])", r"\1", body, flags=re.M)
    return head + mark + title + end + body + mark_2 + tail


class Web:
    """What the servers have in common. parts: those of the file, beside the ones that are
    always there, that a test wants; changed: what else it wants to read differently."""

    name = command = template = None
    spawns = False  # whether it starts slidecached itself
    drops_root = False  # whether what answers requests runs as SERVER_USER

    def __init__(self, directory, socket_path, www=REPO / "src" / "www", base="", parts=()):
        self.dir = directory
        self.run = directory / "web"
        self.socket = socket_path
        self.www = www
        self.base = base
        self.parts = parts
        self.changed = {}
        self.env = {}
        self.service_config = None
        self.program = None
        self.http = None

    @property
    def log(self):
        return self.dir / f"{self.template}.log"

    def owner(self):
        """Names of the user and group that it answers requests as."""
        if os.geteuid() == 0:
            return SERVER_USER, SERVER_USER
        return pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name

    def values(self, port):
        user, group = self.owner()
        return {
            "BIND": "127.0.0.1",
            "PORT": port,
            "SOCKET": self.socket,
            "WWW": self.www,
            "RUN": self.run,
            "BASE": self.base,
            "USER": user,
            "GROUP": group,
            "PROGRAM": BUILD / "slidecached",
            "CONFIG": self.service_config,
        }

    def configuration(self, port):
        argv = [REPO / "deploy" / "render", REPO / "deploy" / self.template]
        argv += [f"{name}={value}" for name, value in self.values(port).items()]
        text = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        for part in self.parts:
            text = uncomment(text, part)
        for old, new in self.changed.items():
            assert text.count(old) == 1, f"{self.template} has {old} {text.count(old)} times"
            text = text.replace(old, str(new))
        return text

    def argv(self, program, conf):
        raise NotImplementedError

    def prepare(self):
        """The folder that it writes to. A server that drops root's rights is let to it, to
        the socket and to the pages."""
        self.run.mkdir(exist_ok=True)
        if self.drops_root and os.geteuid() == 0:
            self.dir.chmod(0o711)
            shutil.chown(self.run, SERVER_USER, SERVER_USER)
            self.www = self.copy_below_run(self.www)

    def copy_below_run(self, source):
        """For what lies where SERVER_USER may not look."""
        target = self.run / pathlib.Path(source).name
        if target.is_dir() or target == pathlib.Path(source):
            return target
        if pathlib.Path(source).is_dir():
            return pathlib.Path(shutil.copytree(source, target))
        return pathlib.Path(shutil.copy2(source, target))

    def start(self):
        """Another program may take a free port before the server does: then again."""
        self.prepare()
        for _ in range(5):
            port = free_port()
            if self.try_port(port):
                self.http = rawhttp.Client(port, 30 * SLOW)
                return
        raise AssertionError(f"{self.name} does not start:\n{self.program.output()}")

    def try_port(self, port):
        conf = self.dir / self.template
        conf.write_text(self.configuration(port))
        program = shutil.which(self.command, path=SYSTEM_PATH)
        assert program, f"{self.command} is not installed"
        self.program = Program(self.argv(program, conf), self.log, self.env)
        return wait_for(lambda: self.answers(port), f"{self.name} answers", 20) == "ready"

    def answers(self, port):
        if self.program.exit_code() is not None:
            return "ended"
        try:
            status = rawhttp.Client(port).get(self.base + "/healthz").status
        except (OSError, fcgi.Gone):
            return None
        return "ready" if status < 500 or not self.spawns else None

    def masters(self):
        """Of the services that it started."""
        return [pid for pid in self.candidates() if process_name(pid) == "slidecached"]

    def service(self):
        return Spawned(self)

    def stop(self):
        program, self.program = self.program, None
        try:
            program.end(signal.SIGTERM)  # its exit code is 1 while a browser is connected
        finally:
            program.destroy()

    def destroy(self):
        if self.program:
            self.program.destroy()
            self.program = None


class Lighttpd(Web):
    name, command, template = "lighttpd", "lighttpd", "lighttpd.conf"

    def argv(self, program, conf):
        return [program, "-D", "-f", conf]


class LighttpdSpawn(Lighttpd):
    name, template, spawns = "lighttpd-spawn", "lighttpd-spawn.conf", True

    def candidates(self):
        return child_pids(self.program.pid)

    def client(self):
        """lighttpd numbers the sockets that it makes."""
        return fcgi.Client(self.socket + "-0", 30 * SLOW)


class Apache(Web):
    name, command, template, drops_root = "apache", "apache2", "apache.conf", True

    def argv(self, program, conf):
        return [program, "-D", "FOREGROUND", "-f", conf]


class ApacheFcgid(Apache):
    name, template, spawns = "apache-fcgid", "apache-fcgid.conf", True

    def prepare(self):
        """The service is SERVER_USER's, too."""
        super().prepare()
        if os.geteuid() != 0:
            return
        self.program_file = self.copy_below_run(BUILD / "slidecached")
        theirs = [self.dir / name for name in ("state", "cache", "slides", "config.json", "reports")]
        theirs = [str(path) for path in theirs if path.exists()]
        subprocess.run(["chown", "-R", SERVER_USER, *theirs], check=True)

    def values(self, port):
        values = super().values(port)
        return {**values, "PROGRAM": getattr(self, "program_file", values["PROGRAM"])}

    def candidates(self):
        """Of its children one starts programs."""
        return [p for child in child_pids(self.program.pid) for p in child_pids(child)]

    def client(self):
        """Its socket has a name of its own making."""
        return self.http


class Nginx(Web):
    name, command, template, drops_root = "nginx", "nginx", "nginx.conf", True

    def argv(self, program, conf):
        return [program, "-c", conf, "-e", "stderr"]

    def stop(self):
        """SIGQUIT: as it is asked to by its package, after what it is sending."""
        program, self.program = self.program, None
        try:
            program.end(signal.SIGQUIT)
        finally:
            program.destroy()


class Spawned:
    """The slidecached that a web server started, as a program.Program: its process is not
    ours to wait for, and what it says is in the server's log."""

    def __init__(self, web):
        found = web.masters()
        assert len(found) == 1, f"{web.name} runs {found}:\n{web.program.output()}"
        self.pid = found[0]
        self.log = web.log

    def exit_code(self):
        return None if process_name(self.pid) == "slidecached" else "nothing"

    def output(self):
        return self.log.read_text(errors="replace")

    def destroy(self):
        """The server's session is its own, too."""


KINDS = {kind.name: kind for kind in (Lighttpd, LighttpdSpawn, Apache, ApacheFcgid, Nginx)}
