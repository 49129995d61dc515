# SPDX-License-Identifier: MIT
"""What the lint scripts share: the files of the tree, C without its comments, reporting.

A script prints one "file:line: what is wrong" a finding and exits 1 if there was one.
"""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD") or "build"

# A string, a character, a comment: whichever begins first.
TOKEN = re.compile(
    r'"(?:\\.|[^"\\\n])*"' r"|'(?:\\.|[^'\\\n])*'" r"|/\*.*?\*/|//[^\n]*", re.DOTALL
)


def tree():
    """Every file that is, or would be, in the repository; sorted, relative to the top."""
    git = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=TOP, capture_output=True, check=False,
    )
    if git.returncode == 0:
        names = set(git.stdout.decode().split("\0")) - {""}
    else:  # an unpacked archive
        names = set(walk())
    return sorted(n for n in names if os.path.isfile(os.path.join(TOP, n)))


def walk():
    for folder, folders, names in os.walk(TOP):
        folders[:] = [f for f in folders if f not in ("build", ".git", "__pycache__")]
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), TOP)


def c_files(*folders):
    return [
        n for n in tree()
        if n.endswith((".c", ".h")) and (not folders or n.startswith(folders))
    ]


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8", errors="surrogateescape") as f:
        return f.read()


def is_binary(name):
    with open(os.path.join(TOP, name), "rb") as f:
        return b"\0" in f.read(8192)


def is_data(name):
    """What nobody wrote by hand: it has no licence to tell, and any bytes."""
    return is_binary(name) or "/data/" in name or name.startswith("tests/fuzz/corpus/")


def bare(text, strings=False):
    """C text with comments (and the insides of strings, unless kept) blanked: the same
    lines and columns."""

    def blank(match):
        token = match.group()
        if token[0] in "\"'":
            return token if strings else token[0] + " " * (len(token) - 2) + token[-1]
        return re.sub(r"[^\n]", " ", token)

    return TOKEN.sub(blank, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def readme_part(begin, end):
    """The README, and where in it lies what stands between two marks."""
    try:
        text = read("README.md")
    except FileNotFoundError:
        sys.exit("README.md:1: the README is missing")
    start, stop = text.find(begin), text.find(end)
    if start < 0 or stop < start:
        sys.exit(f"README.md:1: no table between {begin} and {end}")
    return text, start + len(begin), stop


class Findings:
    def __init__(self):
        self.count = 0

    def add(self, name, line, text):
        print(f"{name}:{line}: {text}")
        self.count += 1

    def finish(self):
        sys.exit(1 if self.count else 0)
