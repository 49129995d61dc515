# SPDX-License-Identifier: MIT
"""libslidecache as other programs meet it: installed, found by pkg-config, used as the
README says."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest

import servers
import service
from installed import below, install
from service import BUILD, REPO, SLOW

PREFIX = "/opt/slidecache"
MAP = REPO / "src" / "libslidecache.map"
EXAMPLE = re.compile(r"<!-- example:begin -->\n```c\n(.*?)```\n<!-- example:end -->", re.S)
WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
SANITIZE = ["-fsanitize=address,undefined"] if SLOW > 1 else []


def run(*argv, **kwargs):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True,
                          timeout=60 * SLOW, **kwargs)
    assert done.returncode == 0, f"{argv}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dest")
    install(folder, PREFIX, "install-lib")
    return folder


def pkg_config(dest, *args):
    env = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": str(dest),
           "PKG_CONFIG_PATH": str(below(dest, f"{PREFIX}/lib/pkgconfig"))}
    return run("pkg-config", *args, "slidecache", env=env).split()


def library(dest, name):
    return below(dest, f"{PREFIX}/lib/{name}")


def headers(dest):
    return sorted(below(dest, f"{PREFIX}/include/slidecache").iterdir())


def build(dest, folder, source, static=False):
    """A program of ours, linked as a user would."""
    file = folder / "program.c"
    file.write_text(source)
    program = folder / ("static" if static else "plain")
    flags = pkg_config(dest, "--cflags", "--libs", *(["--static"] if static else []))
    if static:
        flags = ["-l:libslidecache.a" if f == "-lslidecache" else f for f in flags]
    run("gcc", "-std=c11", *WARNINGS, *SANITIZE, file, "-o", program, *flags)
    return program


def environment(dest, folder):
    return {**os.environ, "LD_LIBRARY_PATH": str(library(dest, "")),
            **(service.sanitizer_environment(folder / "reports") if SANITIZE else {})}


# Headers and symbols.


def test_installed_headers_are_the_public_ones(dest):
    text = (REPO / "Makefile").read_text().replace("\\\n", " ")
    (listed,) = re.findall(r"^LIB_HEADERS := (.*)$", text, re.M)
    assert [h.name for h in headers(dest)] == sorted(pathlib.Path(h).name for h in listed.split())


@pytest.mark.parametrize("compiler", [("gcc", "-std=c11", "-x", "c"),
                                      ("g++", "-std=c++11", "-x", "c++")])
def test_each_header_compiles_alone(dest, compiler):
    flags = pkg_config(dest, "--cflags")
    for header in headers(dest):
        text = f'#include "slidecache/{header.name}"\n'
        run(*compiler, *WARNINGS, *flags, "-fsyntax-only", "-", input=text)


def test_headers_teach():
    """Each begins with what it is for, and no function stands without a word about it."""
    for line in (REPO / "Makefile").read_text().split("LIB_HEADERS := ")[1].split("LIB_")[0] \
            .replace("\\\n", " ").split():
        head = (REPO / line).read_text().split("*/")[1]
        assert len(head.split()) > 15, line


def exported(dest):
    """(name, version) of the shared library's symbols."""
    out = run("nm", "-D", "--defined-only", library(dest, "libslidecache.so"))
    rows = [line.split() for line in out.splitlines()]
    return [tuple(name.split("@@")) for _, kind, name in rows if kind != "A"]


def listed():
    return re.findall(r"^\t\t(\w+);$", MAP.read_text(), re.M)


def test_exports_are_the_list_and_nothing_else(dest):
    found = exported(dest)
    assert {version for _, version in found} == {"SLIDECACHE_1"}
    assert sorted(name for name, _ in found) == sorted(listed())


def test_the_list_is_what_the_headers_declare():
    run(sys.executable, "-B", REPO / "tests" / "lint" / "symbols")


@pytest.fixture
def copy(tmp_path):
    """As much of the tree as the symbol lint reads."""
    for name in ("include", "tests/lint"):
        shutil.copytree(REPO / name, tmp_path / name)
    (tmp_path / "src").mkdir()
    shutil.copy(MAP, tmp_path / "src")
    shutil.copy(REPO / "Makefile", tmp_path)
    return tmp_path


def lint(tree):
    done = subprocess.run([sys.executable, "-B", tree / "tests" / "lint" / "symbols"],
                          capture_output=True, text=True, timeout=60 * SLOW)
    return done.returncode, done.stdout


def test_a_function_that_is_not_in_the_list_is_noticed(copy):
    assert lint(copy) == (0, "")
    header = copy / "include" / "slidecache" / "version.h"
    text = header.read_text()
    at = text.index("void sc_versions_close")
    header.write_text(text[:at] + "SC_MUST const char *\nsc_new_one(int a);\n" + text[at:])
    code, said = lint(copy)
    assert code == 1 and "sc_new_one" in said and "version.h:" in said


def test_a_listed_function_without_declaration_is_noticed(copy):
    listed_here = copy / "src" / MAP.name
    listed_here.write_text(listed_here.read_text().replace("\t\tsc_log;", "\t\tsc_gone;\n\t\tsc_log;"))
    code, said = lint(copy)
    assert code == 1 and "sc_gone" in said


def test_the_shared_library_knows_no_slides(dest):
    out = run("readelf", "-d", library(dest, "libslidecache.so.1"))
    assert re.findall(r"\(SONAME\).*\[(.*)\]", out) == ["libslidecache.so.1"]
    needed = re.findall(r"\(NEEDED\).*\[(.*?)\.so", out)
    # ld-linux comes with variables of each thread.
    own = {"libsodium", "libxxhash", "libhiredis", "libmemcached", "libz", "liblmdb",
           "libjansson", "libc", "ld"}
    assert {n.split("-")[0] for n in needed} - {"libasan", "libubsan"} <= own, needed


def test_the_archive_has_our_names_only(dest):
    out = run("nm", "-g", "--defined-only", library(dest, "libslidecache.a"))
    names = {line.split()[2] for line in out.splitlines() if len(line.split()) == 3}
    assert set(listed()) <= names
    assert [n for n in sorted(names) if not re.match(r"sc_|(__|\.)?(odr_)?asan|_*ubsan", n)] == []


# The README's example.


def readme_example():
    (source,) = EXAMPLE.findall((REPO / "README.md").read_text())
    return source


SERVER = '.backend = "redis", .location = "redis://127.0.0.1/1"'


def example_at(dest, folder, static, *places):
    """The example, built with these places (backend, location) of versions and cache."""
    parts = readme_example().split(SERVER)
    assert len(parts) == 3
    named = [f'.backend = "{backend}", .location = "{location}"' for backend, location in places]
    return build(dest, folder, parts[0] + named[0] + parts[1] + named[1] + parts[2], static=static)


def invalidate(state_dir, backend, location, env, what):
    run(BUILD / "slidecachectl", "--state-dir", state_dir, "--set", f"versions.backend={backend}",
        "--set", f"versions.location={location}", *what, env=env)


@pytest.fixture(params=["embedded", *sorted(servers.KINDS)])
def places(request, tmp_path):
    """Backend and location of the versions, and of the cache."""
    if request.param == "embedded":
        yield ("embedded", tmp_path / "versions"), ("embedded", tmp_path / "cache")
    else:
        with servers.KINDS[request.param]() as server:
            yield ((request.param, server.location()),) * 2


def test_the_example_is_short():
    source = readme_example()
    body = source[source.index("int main"):].splitlines()
    assert len([line for line in body if line.strip(" \t{}")]) <= 30


@pytest.mark.parametrize("static", [False, True])
def test_the_example_computes_once_until_invalidated(dest, places, static, tmp_path):
    env = environment(dest, tmp_path)
    example = example_at(dest, tmp_path, static, *places)
    said = [run(example, env=env) for _ in range(2)]
    # By its own name, by the image's, and all.
    for what in (["invalidate", "reports"], ["invalidate", "image/7"],
                 ["invalidateversionedcaches"]):
        invalidate(tmp_path, *places[0], env, what)
        said += [run(example, env=env) for _ in range(2)]
    words = ["computed", "stored"] * 4
    assert said == [f"{word}: 4711 cells\n" for word in words]


@pytest.mark.parametrize("kind", sorted(servers.KINDS))
def test_the_example_goes_on_without_its_server(dest, kind, tmp_path):
    with servers.KINDS[kind]() as server:
        example = example_at(dest, tmp_path, False, *((kind, server.location()),) * 2)
        server.kill()
        done = subprocess.run([example], capture_output=True, text=True, timeout=60 * SLOW,
                              env=environment(dest, tmp_path))
    assert (done.returncode, done.stdout) == (0, "computed: 4711 cells\n")
    assert kind in done.stderr.splitlines()[-1]


def test_the_example_says_what_is_wrong_with_its_options(dest, tmp_path):
    example = example_at(dest, tmp_path, False, ("redis", ""), ("radish", ""))
    done = subprocess.run([example], capture_output=True, text=True, timeout=60 * SLOW,
                          env=environment(dest, tmp_path))
    assert done.returncode == 1 and "radish" in done.stderr


# What a library may not do to its program.

PROGRAM = r"""
#include <slidecache/cache.h>
#include <slidecache/log.h>
#include <slidecache/metrics.h>
#include <slidecache/version.h>
#include <stdio.h>

static int lines;

static void hear(void *arg, enum sc_log_level level, const char *text)
{
	(void)arg;
	lines += text[0] != '\0' && level <= SC_LOG_INFO;
}

/* Asks once for each line of standard input, and says how it went. */
int main(int argc, char **argv)
{
	struct sc_cache_options o = { .name = "test", .backend = argv[1], .location = argv[2],
				      .key_prefix = "test", .timeout_ms = 1000 };
	struct sc_cache *cache = NULL;
	struct sc_err err;

	if (argc > 3)
		sc_log_to(hear, NULL);
	if (sc_cache_open(&o, &cache, &err))
		return fprintf(stderr, "%s\n", err.text), 1;
	while (getchar() != EOF) {
		SC_AUTO_ENTRY found = SC_ENTRY_INIT;
		enum sc_status status = sc_cache_get(cache, "abcdefgh", sc_bytes_str("a"),
						     &found, &err);

		if (status == SC_MISS)
			status = sc_cache_set(cache, "abcdefgh", sc_bytes_str("a"), "text/plain",
					      sc_bytes_str("1"), &err);
		printf("%s %d %llu\n", sc_status_name(status), lines,
		       (unsigned long long)sc_cache_metric_value(0, SC_CM_STORES));
		fflush(stdout);
	}
	sc_cache_close(cache);
	return 0;
}
"""


class Asking:
    """The program above, with its defaults for signals."""

    def __init__(self, argv, env):
        self.popen = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
                                      preexec_fn=default_signals)

    def ask(self):
        """(status, log lines heard, entries stored)"""
        self.popen.stdin.write(b"\n")
        self.popen.stdin.flush()
        line = self.popen.stdout.readline().split()
        assert line, f"ended with {self.popen.wait()}"
        return line[0].decode(), int(line[1]), int(line[2])

    def end(self):
        """What it wrote to standard error."""
        _, said = self.popen.communicate(timeout=60 * SLOW)
        assert self.popen.returncode == 0, said
        return said.decode()


def default_signals():
    """Python ignores SIGPIPE, and so would its children."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


@pytest.fixture(scope="module")
def program(dest, tmp_path_factory):
    return build(dest, tmp_path_factory.mktemp("program"), PROGRAM)


@pytest.mark.parametrize("kind", sorted(servers.KINDS))
@pytest.mark.parametrize("silent", [False, True])
def test_a_server_that_ends_costs_no_signal(dest, program, kind, silent, tmp_path):
    """Neither SIGPIPE nor an error of the program's; one line says it, where it should."""
    with servers.KINDS[kind]() as server:
        argv = [program, kind, server.location(), *(["silent"] if silent else [])]
        asking = Asking(argv, environment(dest, tmp_path))
        try:
            assert asking.ask() == ("ok", 0, 1)
            assert asking.ask() == ("ok", 0, 1)
            server.kill()
            said = [asking.ask() for _ in range(3)]
            assert {s for s, _, _ in said} == {"unavailable"}
            server.start()
            service.wait_for(lambda: asking.ask()[0] == "ok", "it is asked again")
            heard = asking.ask()[1]
        finally:
            if asking.popen.poll() is None:
                stderr = asking.end()
        assert (heard > 0) == silent
        assert (stderr == "") == silent
