# SPDX-License-Identifier: MIT
"""make install, or install-lib, into a folder, of what is built already: what its flags were is not ours."""

import os
import subprocess

from service import BUILD, REPO


def run_make(arguments, environment=None, umask=-1):
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "MFLAGS"}
    env.update(environment or {})
    done = subprocess.run(["make", *map(str, arguments)], cwd=REPO, env=env, capture_output=True,
                          text=True, timeout=120, umask=umask)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(dest, prefix, target="install", environment=None, umask=-1):
    """target may be "uninstall"."""
    return run_make(["-o", "all", "-o", "www", target, f"BUILD={BUILD}", f"DESTDIR={dest}",
                     f"PREFIX={prefix}"], environment, umask)


def below(dest, path):
    return dest / str(path).lstrip("/")
