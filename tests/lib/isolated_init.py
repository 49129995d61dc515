# SPDX-License-Identifier: MIT
"""The inside of isolated.Isolated, the first process of its namespaces: makes the file system,
goes into it, and does what lines of JSON on standard input ask for. Knows no package.

[NAME, ARGUMENT...] calls the function NAME of Inside; the answer is {"value": ...} or
{"error": TEXT}. Ends, and everything with it, at the end of its input.
"""

import base64
import hashlib
import json
import os
import pathlib
import pwd
import stat
import subprocess
import sys
import traceback

import systemctl_standin

UPPER, LOWER = "/run/upper", "/run/lower"  # inside: what was written, and the machine
# What is always there, or nobody's file.
PASSED_OVER = ("/run", "/proc", "/dev", "/sys", "/tmp")


def mount(*words):
    subprocess.run(["mount", *map(str, words)], check=True)


def make_root(scratch):
    """The overlay, with what programs expect to be mounted; goes into it."""
    mount("--make-rprivate", "/")
    mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", scratch)
    upper, work, root = scratch / "upper", scratch / "work", scratch / "root"
    for folder in (upper, work, root):
        folder.mkdir()
    mount("-t", "overlay", "-o", f"lowerdir=/,upperdir={upper},workdir={work}", "overlay", root)
    mount("-t", "proc", "proc", root / "proc")
    mount("--rbind", "/dev", root / "dev")
    for name, mode in (("run", "755"), ("tmp", "1777")):
        mount("-t", "tmpfs", "-o", f"mode={mode}", "tmpfs", root / name)
    for inside, outside in ((UPPER, upper), (LOWER, "/")):
        (root / inside[1:]).mkdir()
        mount("--bind", outside, root / inside[1:])
    os.chroot(root)
    os.chdir("/")


def describe(path):
    """Kind, mode, owner and content of a path, as a hash; of a folder not what is in it."""
    st = os.lstat(path)
    what = [stat.S_IFMT(st.st_mode), st.st_mode & 0o7777, st.st_uid, st.st_gid]
    if stat.S_ISLNK(st.st_mode):
        what.append(os.readlink(path))
    elif stat.S_ISREG(st.st_mode):
        what.append(hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest())
    return hashlib.sha256(repr(what).encode()).hexdigest()[:16]


def is_whiteout(path):
    st = os.lstat(path)
    return stat.S_ISCHR(st.st_mode) and st.st_rdev == 0


class Inside:
    def __init__(self):
        self.env = {}
        self.manager = systemctl_standin.Manager(self.env)

    def environment(self, values):
        self.env.update(values)

    def run(self, argv):
        done = subprocess.run(argv, env=self.env, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                              errors="replace")
        return done.returncode, done.stdout

    def start(self, log, user, argv):
        with open(log, "ab") as out:
            return subprocess.Popen(argv, env=self.env, stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=out, user=user, group=pwd.getpwnam(user).pw_gid,
                                    extra_groups=[]).pid

    def put(self, path, data, mode):
        target = pathlib.Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(target.name + ".put")
        temporary.write_bytes(base64.b64decode(data))
        temporary.chmod(mode)
        temporary.rename(target)

    def read(self, path):
        return base64.b64encode(pathlib.Path(path).read_bytes()).decode()

    def changes(self):
        found = {}
        for folder, folders, files in os.walk(UPPER):
            for name in folders + files:
                upper = os.path.join(folder, name)
                path = upper[len(UPPER):]
                if path.startswith(tuple(f"{p}/" for p in PASSED_OVER)) or path in PASSED_OVER:
                    continue
                if is_whiteout(upper):
                    found[path] = "gone"
                elif not os.path.lexists(LOWER + path):
                    found[path] = describe(upper)
                elif describe(upper) != describe(LOWER + path):
                    found[path] = describe(upper)
        return found

    def units(self):
        return self.manager.told()

    def processes_of(self, user):
        """Names of the processes of a user, without those that have ended."""
        uid = pwd.getpwnam(user).pw_uid
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and entry.stat().st_uid == uid:
                    found.append((entry / "comm").read_text().strip())
            except OSError:
                continue
        return found


def serve(inside):
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            answer = {"value": getattr(inside, name)(*arguments)}
        except Exception:  # whatever it is, the other side has to know
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


def main():
    tool = pathlib.Path(systemctl_standin.__file__).read_bytes()
    make_root(pathlib.Path(sys.argv[1]))
    inside = Inside()
    os.rename("/usr/bin/systemctl", systemctl_standin.REAL)
    inside.put("/usr/bin/systemctl", base64.b64encode(tool).decode(), 0o755)
    # The machine may forbid that packages start anything; here it is the point.
    pathlib.Path("/usr/sbin/policy-rc.d").unlink(missing_ok=True)
    pathlib.Path("/run/systemd/system").mkdir(parents=True)
    inside.manager.start()
    serve(inside)


main()
