# SPDX-License-Identifier: MIT
"""slidecachectl doctor: what is wrong is found, with its fix; slidecachectl stats tells what
is known while a cache server is away."""

import ctypes
import grp
import json
import os
import pathlib
import pwd
import re
import resource
import shutil
import socket
import subprocess
import tempfile
import time

import pytest

import fcgi
import servers
import service
import tiff

HOUR_S = 3600
ELSEWHERE = "192.0.2.1"  # documentation's network: nobody answers


def caches(backend, location):
    return {"tiles_cache": {"backend": backend, "location": location}}


def config(directory, **over):
    """A configuration for a doctor without a service."""
    for name in ("slides", "state", "cache"):
        (directory / name).mkdir(exist_ok=True)
    file = directory / "config.json"
    file.write_text(json.dumps(service.merge(service.default_config(directory), over)))
    return file


def run_doctor(file, *args, path=None, preexec_fn=None):
    """(exit code, {check: [finding]}, everything that was printed)"""
    env = {**os.environ, **service.sanitizer_environment(file.parent / "reports")}
    if path is not None:
        env["PATH"] = str(path)
    argv = [service.BUILD / "slidecachectl", "--config", file, *args, "doctor", "--json"]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, env=env,
                          stdin=subprocess.DEVNULL, timeout=60 * service.SLOW,
                          preexec_fn=preexec_fn)
    assert done.stdout, done.stderr
    answer = json.loads(done.stdout)
    found = {}
    for finding in answer["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    results = [f["result"] for f in answer["findings"]]
    assert set(results) <= {"ok", "warning", "failure"}
    assert answer["failures"] == results.count("failure")
    assert answer["warnings"] == results.count("warning")
    assert done.returncode == (1 if answer["failures"] else 0), done.stderr
    assert done.stderr.count("\n") == done.returncode, done.stderr
    return done.returncode, found, done.stdout + done.stderr


def one(found, check, result):
    """The first finding of a check, which has this result: with a fix unless all is well."""
    assert result in [f["result"] for f in found[check]], found[check]
    finding = next(f for f in found[check] if f["result"] == result)
    assert finding["finding"]
    assert bool(finding["fix"]) == (result != "ok")
    return finding


def failed(found):
    return {check for check, fs in found.items() if any(f["result"] == "failure" for f in fs)}


@pytest.fixture
def live(tmp_path):
    noise = tiff.write_noise(tmp_path / "noise.tiff", 1, 600, 400)
    with service.Service({"socket_group": None}, files=[noise]) as running:
        running.image_id("noise.tiff")
        yield running


@pytest.fixture(params=sorted(servers.KINDS))
def server(request):
    with servers.KINDS[request.param]() as running:
        yield running


def test_nothing_fails_when_all_is_well(live):
    code, found, said = run_doctor(live.config_file)
    assert code == 0 and failed(found) == set(), said
    for check in ("configuration", "slides.root", "slides.catalogue", "state_dir", "cache_dir",
                  "listen", "peer_users", "caches.default", "caches.tiles_cache", "versions",
                  "clock", "descriptors"):
        one(found, check, "ok")
    assert len(found["packages"]) == 3
    assert "can be read" in one(found, "versions", "ok")["finding"]
    assert "a worker answers" in one(found, "listen", "ok")["finding"]


def test_text_has_a_line_a_finding_and_the_fix_below(live):
    os.chmod(live.socket, 0o600)
    text = live.ctl("doctor")
    lines = text.splitlines()
    (at,) = [i for i, line in enumerate(lines) if "socket_mode" in line]
    assert lines[at].startswith("warning  listen ")
    assert lines[at + 1].strip().startswith("fix: ")
    assert lines[-1].startswith("ok ") and "failure 0" in lines[-1]


def test_it_leaves_nothing_behind(live):
    folders = [live.dir / "state", live.dir / "cache"]
    service.wait_for((live.dir / "state" / "jobs").exists, "the warmer is up")
    before = [sorted(os.listdir(f)) for f in folders]
    run_doctor(live.config_file)
    assert [sorted(os.listdir(f)) for f in folders] == before


def test_before_the_first_start_it_makes_nothing(tmp_path):
    file = config(tmp_path, socket_group=None)
    shutil.rmtree(tmp_path / "state")
    shutil.rmtree(tmp_path / "cache")
    code, found, _ = run_doctor(file)
    assert code == 1
    assert {"state_dir", "cache_dir", "listen"} <= failed(found)
    assert not (tmp_path / "state").exists() and not (tmp_path / "cache").exists()


def test_folders_that_cannot_be_used(tmp_path):
    plain = tmp_path / "file"
    plain.write_text("")
    file = config(tmp_path, cache_dir=f"{plain}/cache", slides={"root": str(plain)})
    _, found, _ = run_doctor(file)
    assert {"cache_dir", "slides.root"} <= failed(found)


def test_folders_of_another_user():
    """Root looks as the user whom state_dir belongs to; others can only look as themselves."""
    if os.geteuid() != 0:
        return
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="sc-") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        file = config(directory)
        os.chown(directory / "state", nobody.pw_uid, nobody.pw_gid)
        (directory / "slides").chmod(0o700)
        _, found, _ = run_doctor(file)
        assert f"uid {nobody.pw_uid}" in one(found, "user", "ok")["finding"]
        assert {"cache_dir", "slides.root"} <= failed(found)
        assert "state_dir" not in failed(found)
        for folder in ("cache", "slides"):
            os.chown(directory / folder, nobody.pw_uid, nobody.pw_gid)
        assert not {"cache_dir", "slides.root"} & failed(run_doctor(file)[1])


def become_nobody():
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)


def test_what_another_user_may_not_look_at(live):
    """That it is not there yet is not for that user to say."""
    if os.geteuid() != 0:
        return
    live.dir.chmod(0o755)
    for folder in ("state", "cache"):
        (live.dir / folder).chmod(0o750)
    _, found, said = run_doctor(live.config_file, preexec_fn=become_nobody)
    for check in ("versions", "caches.default", "caches.tiles_cache", "migrations_dir"):
        finding = one(found, check, "warning")
        assert "this user may not look into" in finding["finding"]
        assert "root" in finding["fix"]
    assert "yet" not in said
    for check in ("state_dir", "slides.catalogue", "listen"):
        assert one(found, check, "failure")["fix"] == "run doctor as root or as the service's user"


def not_versioned(live):
    _, found, _ = run_doctor(live.config_file)
    return [(f["finding"].rpartition(": ")[2], f["fix"]) for f in found["versions"]
            if "not versioned" in f["finding"]]


def test_names_that_are_not_versioned(live):
    assert not not_versioned(live)
    live.ctl("stop", "tiles", "acl")
    assert not_versioned(live) == [
        ("tiles, acl", "slidecachectl migrate, or slidecachectl start tiles acl")
    ]
    live.ctl("start", "tiles", "acl")
    assert not not_versioned(live)


def test_a_damaged_catalogue(tmp_path):
    file = config(tmp_path)
    (tmp_path / "state" / "images.json").write_text("{")
    _, found, _ = run_doctor(file)
    one(found, "slides.catalogue", "failure")


def test_a_service_that_does_not_run(live):
    live.stop()
    try:
        _, found, _ = run_doctor(live.config_file)
        assert "slidecached" in one(found, "listen", "failure")["fix"]
    finally:
        live.start()


def test_a_socket_that_nobody_serves(tmp_path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
        file = config(tmp_path, listen=f"unix:{tmp_path}/dead.sock", socket_group=None)
        _, found, _ = run_doctor(file)
    assert "does not accept" in one(found, "listen", "failure")["finding"]


def test_a_tcp_address_where_nobody_answers(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        file = config(tmp_path, listen=f"127.0.0.1:{port}")
        said = one(run_doctor(file)[1], "listen", "failure")["finding"]
        assert "no worker answers" in said
    said = one(run_doctor(file)[1], "listen", "failure")["finding"]
    assert "does not accept" in said


def test_a_worker_at_a_tcp_address_and_below_a_base_path():
    over = {"listen": f"127.0.0.1:{service.free_port()}", "base_path": "/slides" * 50}
    live = service.Service(over)
    live.fcgi = fcgi.Client(("127.0.0.1", int(over["listen"].rpartition(":")[2])), 30)
    with live:
        assert "a worker answers" in one(run_doctor(live.config_file)[1], "listen", "ok")["finding"]


def test_more_may_wait_than_the_kernel_queues(tmp_path):
    """Three quarters of what is queued may wait; more would be refused by the kernel."""
    file = config(tmp_path, max_waiting=3073)
    said = [f for f in run_doctor(file)[1]["listen"] if "max_waiting" in f["finding"]]
    assert [(f["result"], f["fix"]) for f in said] == [("warning", "set max_waiting to 3072")]
    file = config(tmp_path, max_waiting=3072)
    assert not any("max_waiting" in f["finding"] for f in run_doctor(file)[1]["listen"])
    if os.geteuid() != 0:
        return
    found = run_doctor(file, preexec_fn=lambda: queue_less(128))[1]
    said = [f for f in found["listen"] if "max_waiting" in f["finding"]]
    assert [f["fix"] for f in said] == [
        "set max_waiting to 96, or net.core.somaxconn to 4096 and restart the service"]
    assert "128 connections: 96 may wait" in said[0]["finding"]


def queue_less(n):
    """In a network of its own, whose queues are short."""
    assert ctypes.CDLL(None).unshare(0x40000000) == 0  # CLONE_NEWNET
    pathlib.Path("/proc/sys/net/core/somaxconn").write_text(str(n))


def test_the_socket_of_another_group(live):
    """The group of the socket is ours; nobody's primary group is another one."""
    other = next(g for g in ("nogroup", "daemon", "adm") if os.getgid() != group_id(g))
    _, found, _ = run_doctor(live.config_file, "--set", f"socket_group={other}")
    warning = one(found, "listen", "warning")
    assert warning["fix"] == f"make the service's user a member of {other} and restart it"
    ours = grp.getgrgid(os.stat(live.socket).st_gid).gr_name
    assert f"belongs to the group {ours}, not to {other}:" in warning["finding"]


# As process 1 of a namespace of its own, called as systemd is: holds the socket, runs doctor.
AS_SYSTEMD = """
import ctypes, os, socket, subprocess, sys
assert os.getpid() == 1 and ctypes.CDLL(None).prctl(15, b"systemd") == 0
with socket.socket(socket.AF_UNIX) as held:
    held.bind(sys.argv[1])
    held.listen()
    os.chmod(sys.argv[1], 0o600)
    sys.exit(subprocess.run(sys.argv[2:]).returncode)
"""


def test_a_socket_that_systemd_holds(tmp_path):
    """Its unit says group and mode: the options change nothing."""
    if os.geteuid() != 0:
        return
    other = next(g for g in ("nogroup", "daemon", "adm") if os.getgid() != group_id(g))
    path = tmp_path / "s"
    file = config(tmp_path, listen=f"unix:{path}", socket_group=other)
    argv = ["unshare", "--fork", "--pid", "--mount-proc", "/usr/bin/python3", "-c", AS_SYSTEMD, path,
            service.BUILD / "slidecachectl", "--config", file, "doctor", "--json"]
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True,
                          timeout=60 * service.SLOW)
    fixes = [f["fix"] for f in json.loads(done.stdout)["findings"] if f["check"] == "listen"]
    edit = "systemctl edit slidecached.socket: [Socket] {}; then systemctl restart slidecached.socket"
    assert edit.format("SocketMode=0660") in fixes
    assert edit.format(f"SocketGroup={other}") in fixes


def group_id(name):
    return grp.getgrnam(name).gr_gid


def test_users_that_are_not_there(tmp_path):
    file = config(tmp_path, peer_users=["nobody", "no-such-user"])
    _, found, _ = run_doctor(file)
    assert "no-such-user" in one(found, "peer_users", "warning")["finding"]
    _, found, _ = run_doctor(file, "--set", "user=no-such-user")
    one(found, "user", "failure")


# Cache servers.


def with_server(tmp_path, server, **over):
    place = {"backend": server.name, "location": server.location()}
    return config(tmp_path, versions=place, caches={"default": place, "tiles_cache": place},
                  **over)


def test_a_server_that_is_set_up_well(tmp_path):
    with servers.Redis(options=["--maxmemory", "64mb", "--maxmemory-policy",
                                "allkeys-lru"]) as redis:
        _, found, said = run_doctor(with_server(tmp_path, redis))
    for check in ("caches.default", "caches.tiles_cache", "versions"):
        assert {f["result"] for f in found[check]} == {"ok"}, said
    with servers.Memcached(options=["-m", "1024"]) as memcached:
        _, found, said = run_doctor(with_server(tmp_path, memcached))
    for check in ("caches.default", "caches.tiles_cache", "versions"):
        assert {f["result"] for f in found[check]} == {"ok"}, said


def test_a_redis_that_refuses_when_it_is_full(tmp_path):
    with servers.Redis(options=["--maxmemory", "64mb", "--maxmemory-policy",
                                "noeviction"]) as redis:
        file = with_server(tmp_path, redis)
        _, found, _ = run_doctor(file)
        wrong = [f for f in found["caches.default"] if f["result"] != "ok"]
        (policy,) = [f for f in wrong if "noeviction" in f["finding"]]
        assert "maxmemory-policy" in policy["fix"]
        redis.config(maxmemory_policy="allkeys-lru")
        _, found, _ = run_doctor(file)
        assert not [f for fs in found.values() for f in fs if "noeviction" in f["finding"]]


@pytest.mark.parametrize("option, text", [("-M", "evictions"), ("-e", "old versions")])
def test_a_memcached_started_wrongly(tmp_path, option, text):
    value = [] if option == "-M" else [str(tmp_path / "memory")]
    with servers.Memcached(options=["-m", "1024", option, *value]) as memcached:
        code, found, _ = run_doctor(with_server(tmp_path, memcached))
    wrong = [f for fs in found.values() for f in fs if text in f["finding"]]
    assert code == 1 and wrong and all(option in f["fix"] for f in wrong)


def test_one_server_is_told_of_once(tmp_path):
    """Two caches and the versions are on it; its advice has one place."""
    with servers.Redis(options=["--maxmemory", "64mb"]) as redis:
        _, found, _ = run_doctor(with_server(tmp_path, redis))
    all_findings = [f["finding"] for fs in found.values() for f in fs]
    for text in ("noeviction", "maxmemory is 64 MiB", "saves nothing"):
        assert len([f for f in all_findings if text in f]) == 1, all_findings


def test_the_server_of_the_versions_is_told_of(tmp_path):
    """Also when no cache is on it."""
    with servers.Redis(options=["--maxmemory", "64mb"]) as redis:
        place = {"backend": "redis", "location": redis.location()}
        _, found, _ = run_doctor(config(tmp_path, versions=place))
    assert "noeviction" in one(found, "versions", "failure")["finding"]


def test_an_entry_goes_there_and_back(tmp_path, server):
    """And leaves neither itself nor versions behind."""
    _, found, said = run_doctor(with_server(tmp_path, server))
    for check in ("caches.default", "caches.tiles_cache"):
        assert [f for f in found[check] if "stored, read and removed" in f["finding"]], said
    if server.name == "redis":
        assert server.keys() == []
    else:
        assert int(server.counters()["curr_items"]) == 0
        assert int(server.counters()["cmd_set"]) == 2


ENTRIES = "+get +set +unlink +watch +unwatch +multi +exec +info"
VERSIONS = "+hmget +hset +hdel +hgetall +hlen +hscan"

# Rules of the user, key_prefix, checks that fail, rules that the fix has.
RIGHTS = [
    (f"~exact:* {ENTRIES} {VERSIONS}", "exact", set(), []),
    (f"~exact:* {ENTRIES} {VERSIONS}", "other", {"caches", "versions"}, ["'~other:*'"]),
    (f"~exact:* {ENTRIES} {VERSIONS} -set", "exact", {"caches"}, ["+set"]),
    (f"~exact:* {ENTRIES} {VERSIONS} -get -unlink", "exact", {"caches", "versions"},
     ["+get +unlink"]),
    (f"~exact:* {ENTRIES} {VERSIONS} -hset", "exact", {"versions"}, ["+hset"]),
    (f"~exact:* {ENTRIES} {VERSIONS} -multi", "exact", {"caches", "versions"}, ["+multi"]),
    (f"~exact:* {ENTRIES} {VERSIONS} -exec -hscan", "exact", {"caches", "versions"},
     ["+hscan +exec"]),
    (f"~exact:* {ENTRIES} {VERSIONS} -info", "exact", {"versions"}, ["+info"]),
]


@pytest.mark.parametrize("rules, prefix, wrong, fixes", RIGHTS)
def test_rights_that_are_missing(tmp_path, rules, prefix, wrong, fixes):
    """They are named, and the fix is a command that gives them."""
    with servers.Redis(options=["--maxmemory", "64mb", "--maxmemory-policy",
                                "allkeys-lru"]) as redis:
        redis.command("ACL", "SETUSER", "u", "on", ">p", "-@all", "+select", "+ping",
                      "+client|setname", "+dbsize", "+config|get", *rules.split())
        place = {"backend": "redis", "location": redis.location("u:p@"), "key_prefix": prefix}
        file = config(tmp_path, versions=place, caches={"default": place, "tiles_cache": place})
        _, found, said = run_doctor(file)
        failures = [f for fs in found.values() for f in fs if f["result"] == "failure"]
        assert {f["check"].split(".")[0] for f in failures} & {"caches", "versions"} == wrong, said
        for fix in fixes:
            assert [f for f in failures if fix in f["fix"]], said
        for f in failures:
            if "ACL SETUSER" in f["fix"]:
                subprocess.run(["sh", "-c", f["fix"]], check=True, capture_output=True)
        _, found, said = run_doctor(file)
        assert not {"caches.default", "caches.tiles_cache", "versions"} & failed(found), said


@pytest.mark.parametrize("tcp", [False, True])
def test_fixes_of_redis_can_be_pasted(tmp_path, tcp):
    """Each command line leads to the server that is meant, and mends it."""
    with servers.Redis(tcp=tcp, options=["--maxmemory", "0", "--maxmemory-policy", "noeviction",
                                         "--appendonly", "yes"]) as redis:
        redis.config(save="3600 1")
        file = with_server(tmp_path, redis)
        commands = [f["fix"] for fs in run_doctor(file)[1].values() for f in fs
                    if f["fix"].startswith("redis-cli ")]
        assert len(commands) == 3
        for command in commands:
            done = subprocess.run(["sh", "-c", command], check=True, capture_output=True)
            assert set(done.stdout.split()) == {b"OK"}, (command, done)
        _, found, said = run_doctor(file)
        for check in ("caches.default", "caches.tiles_cache", "versions"):
            assert {f["result"] for f in found[check]} == {"ok"}, said
        assert redis.info("memory")["maxmemory_policy"] == "allkeys-lru"


def test_a_socket_of_others(server):
    """Root becomes the owner of state_dir, who is not in the socket's group."""
    if os.geteuid() != 0:
        return
    nobody = pwd.getpwnam("nobody")
    server.dir.chmod(0o755)
    os.chmod(server.socket, 0o600)
    with tempfile.TemporaryDirectory(prefix="sc-") as name:
        directory = pathlib.Path(name)
        directory.chmod(0o755)
        file = with_server(directory, server)
        for folder in ("state", "cache"):
            os.chown(directory / folder, nobody.pw_uid, nobody.pw_gid)
        _, found, said = run_doctor(file)
        for check in ("caches.default", "caches.tiles_cache", "versions"):
            assert "group" in one(found, check, "failure")["fix"], said


@pytest.mark.parametrize("backend", ["embedded", "redis", "memcached"])
def test_a_secret_file_that_is_not_there(tmp_path, backend):
    file = config(tmp_path, caches={"tiles_cache": {
        "backend": backend, "options": {"secret_file": str(tmp_path / "none")}}})
    _, found, _ = run_doctor(file)
    finding = one(found, "caches.tiles_cache", "failure")
    assert "secret_file" in finding["finding"] and "secret_file" in finding["fix"]
    assert "tiles_cache" not in finding["finding"]


def test_a_password_that_all_can_read(tmp_path):
    file = config(tmp_path, caches=caches("redis", "redis://u:p@127.0.0.1:1/1"))
    file.chmod(0o640)
    assert [f["result"] for f in run_doctor(file)[1]["configuration"]] == ["ok"]
    file.chmod(0o644)
    fix = one(run_doctor(file)[1], "configuration", "warning")["fix"]
    assert fix.startswith(f"chmod 640 {file}")
    file = config(tmp_path, caches=caches("redis", "redis://127.0.0.1:1/1"))
    assert [f["result"] for f in run_doctor(file)[1]["configuration"]] == ["ok"]


def test_a_server_that_is_away(tmp_path, server):
    file = with_server(tmp_path, server)
    server.kill()
    code, found, _ = run_doctor(file)
    assert code == 1
    assert {"caches.default", "caches.tiles_cache", "versions"} <= failed(found)
    server.start()
    assert not {"caches.default", "caches.tiles_cache", "versions"} & failed(run_doctor(file)[1])


def test_a_server_that_hangs(tmp_path, server):
    file = with_server(tmp_path, server)
    server.pause()
    try:
        _, found, _ = run_doctor(file)
    finally:
        server.resume()
    assert {"caches.tiles_cache", "versions"} <= failed(found)


def test_a_password_is_not_printed(tmp_path, server):
    del server  # one kind of server, whichever
    for place in (f"redis://someone:hunter2@127.0.0.1:{service.free_port()}/1",
                  f"redis://someone:hunt@er2@127.0.0.1:{service.free_port()}/1"):
        file = config(tmp_path, caches=caches("redis", place),
                      versions={"backend": "redis", "location": place})
        assert "er2" not in run_doctor(file)[2]
        for word in ("doctor", "versions"):
            done = subprocess.run([service.BUILD / "slidecachectl", "--config", file, word],
                                  capture_output=True, text=True, timeout=60 * service.SLOW)
            assert "er2" not in done.stdout + done.stderr


# Backend, location, and whether another host may share it.
PLACES = [
    ("redis", f"redis://{ELSEWHERE}:6379/1", True),
    ("redis", f"redis://u:p@{ELSEWHERE}:6379/1", True),
    ("memcached", f"127.0.0.1:11211,{ELSEWHERE}:11211", True),
    ("redis", "redis://localhost.example.com:6379/1", True),
    ("redis", "redis://127.example.com", True),
    ("redis", "redis://u:localhost@[2001:db8::1]:6379/1", True),
    ("memcached", f"localhost:1,localhost.{ELSEWHERE}", True),
    ("memcached", f"unix:/no/such/socket,{ELSEWHERE}", True),
    ("memcached", "127.0.0.1:1/?2,[::1]:1,localhost", False),
    ("memcached", "", False),
    ("redis", "redis://localhost", False),
    ("redis", "redis:///1", False),
    ("redis", "redis+unix:///no/such,socket", False),
    ("redis", "", False),
    ("redis", "redis://u:p@127.0.0.1:1/1", False),
    ("redis", "redis://[::1]:1/1", False),
    ("redis", "redis+unix:///no/such@socket?db=1", False),
    ("memcached", "localhost:1", False),
    ("memcached", "unix:/no/such/socket", False),
]


@pytest.mark.parametrize("backend, location, shared", PLACES)
def test_hosts_that_share_a_cache_share_the_versions(tmp_path, backend, location, shared):
    _, found, _ = run_doctor(config(tmp_path, caches=caches(backend, location)))
    warned = [f for f in found["versions"] if "on another host" in f["finding"]]
    assert len(warned) == shared
    if shared:
        assert "versions.backend" in warned[0]["fix"]


# What is configured of the cache and of the versions; how many round trips a hit costs.
TRIPS = [
    ("redis", "redis://127.0.0.1:1/1", "redis", "redis://127.0.0.1:1/1", 1),
    ("redis", "redis://127.0.0.1:1/1", "redis", "redis://127.0.0.1:1/2", 2),
    ("redis", "redis://127.0.0.1:1/1", "memcached", "127.0.0.1:1", 2),
    ("redis", "redis://127.0.0.1:1/1", "embedded", "", 1),
    ("redis", "", "redis", "redis://127.0.0.1:6379/0", 1),
    ("memcached", "127.0.0.1:1", "memcached", "127.0.0.1:1", 1),
    ("memcached", "127.0.0.1:1", "memcached", "127.0.0.1:2", 2),
    ("memcached", "", "memcached", "127.0.0.1:11211", 1),
]


@pytest.mark.parametrize("backend, location, versions, place, trips", TRIPS)
def test_versions_and_entries_kept_apart(tmp_path, backend, location, versions, place, trips):
    over = {"caches": caches(backend, location),
            "versions": {"backend": versions, "location": place}}
    _, found, _ = run_doctor(config(tmp_path, **over))
    said = [f["finding"] for f in found["versions"] if "round trip" in f["finding"]]
    assert len(said) == trips - 1
    assert all("two round trips" in text for text in said)


# The machine.


def fake_dpkg(folder, version):
    """A dpkg-query that knows every package in this version, beside the real dpkg."""
    folder.mkdir()
    program = folder / "dpkg-query"
    program.write_text(f"#!/bin/sh\necho '{version}'\n")
    program.chmod(0o755)
    os.symlink(shutil.which("dpkg"), folder / "dpkg")
    return f"{folder}:/usr/bin:/bin"


def test_libraries_that_are_too_old(tmp_path):
    _, found, _ = run_doctor(config(tmp_path), path=fake_dpkg(tmp_path / "bin", "1.1.3"))
    assert [f["result"] for f in found["packages"]] == ["failure"] * 3
    assert "CVE-2025-23016" in found["packages"][0]["finding"]


def test_libraries_at_their_floor(tmp_path):
    """The last version without the cure, and the first with it, by Debian's order."""
    for version, result in (("2.4.2-2", "failure"), ("2.4.2-2+deb12u1", "ok")):
        path = fake_dpkg(tmp_path / version, version)
        assert run_doctor(config(tmp_path), path=path)[1]["packages"][0]["result"] == result


def test_libraries_without_dpkg(tmp_path):
    empty = tmp_path / "bin"
    empty.mkdir()
    code, found, _ = run_doctor(config(tmp_path), path=empty)
    assert [f["result"] for f in found["packages"]] == ["warning"] * 3
    assert "unknown" in found["packages"][0]["finding"]


def test_a_dpkg_that_hangs(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "dpkg-query").write_text("#!/bin/sh\nexec sleep 1000\n")
    (folder / "dpkg-query").chmod(0o755)
    _, found, _ = run_doctor(config(tmp_path), path=f"{folder}:/usr/bin:/bin")
    assert [f["result"] for f in found["packages"]] == ["warning"] * 3


def test_a_clock_that_is_behind(tmp_path):
    file = config(tmp_path)
    catalogue = tmp_path / "state" / "images.json"
    catalogue.write_text('{"next_id": 1, "images": []}')
    assert "clock" not in failed(run_doctor(file)[1])
    ahead = time.time() + HOUR_S
    os.utime(catalogue, (ahead, ahead))
    assert "catalogue" in one(run_doctor(file)[1], "clock", "failure")["finding"]


def test_more_slides_than_memory(tmp_path):
    file = config(tmp_path, workers=512, slides={"max_open": 1024})
    _, found, _ = run_doctor(file)
    assert "slides.max_open" in one(found, "memory", "warning")["fix"]


def test_memory_of_warmers_and_decoded_tiles(tmp_path):
    """MiB: a slide 32, a process' or thread's decoded tiles 32."""
    few = {"workers": 2, "slides": {"max_open": 1}}
    for warming, most in (({"warmers": 1, "warm": {"threads": 3}}, 2 * 64 + 3 * 64),
                          ({"warmers": 2, "warm": {"threads": 1}}, 2 * 64 + 2 * 64)):
        _, found, _ = run_doctor(config(tmp_path, **few, **warming))
        assert f"may take {most} MiB" in one(found, "memory", "ok")["finding"]


def test_fewer_descriptors_than_slides(tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))

    _, found, _ = run_doctor(config(tmp_path, slides={"max_open": 100}), preexec_fn=limit)
    assert "LimitNOFILE=" in one(found, "descriptors", "warning")["fix"]
    one(run_doctor(config(tmp_path, slides={"max_open": 10}), preexec_fn=limit)[1],
        "descriptors", "ok")


# What the README says.


def test_the_configurations_of_the_readme_are_valid(tmp_path):
    """And its access lists, and its migrations, where another one starts what they stop."""
    text = (service.REPO / "README.md").read_text()
    blocks = re.findall(r"^```json\n(.*?)^```$", text, re.M | re.S)
    lists = [b for b in blocks if '"rules"' in b]
    for n, block in enumerate(lists):
        (tmp_path / f"acl-{n}.json").write_text(block)
    blocks = [b for b in blocks if b not in lists]
    configurations = [b for b in blocks if '"operations"' not in b]
    assert len(configurations) >= 2
    migrations = tmp_path / "migrations"
    migrations.mkdir()
    for n, block in enumerate(b for b in blocks if b not in configurations):
        (migrations / f"0002_{n}.json").write_text(block)
        stopped = [op["StopCacheVersioning"] for op in json.loads(block)["operations"]
                   if "StopCacheVersioning" in op]
        started = [{"StartCacheVersioning": name} for name in stopped]
        (migrations / f"0001_{n}.json").write_text(json.dumps({"operations": started}))
    for block in configurations:
        (tmp_path / "c.json").write_text(block)
        argv = [service.BUILD / "slidecached", "--config", tmp_path / "c.json",
                "--set", f"migrations_dir={migrations}", "--set", "user=", "--slides", tmp_path,
                "--state-dir", tmp_path / "state", "--check-config"]
        for file in [""] + [tmp_path / f"acl-{n}.json" for n in range(len(lists))]:
            more = ["--set", f"access.acl_file={file}"] if file else []
            done = subprocess.run(argv + more, capture_output=True, text=True,
                                  timeout=60 * service.SLOW)
            assert done.returncode == 0, done.stderr


# stats.


def test_stats_say_that_all_is_well(live):
    for cache in live.ctl_json("stats")["caches"].values():
        assert (cache["state"], cache["reason"]) == ("ok", "")
        assert cache["entries"] >= 0 and cache["bytes"] >= 0


def test_stats_while_a_server_is_away(tmp_path, server):
    noise = tiff.write_noise(tmp_path / "noise.tiff", 1, 600, 400)
    over = {"caches": caches(server.name, server.location())}
    with service.Service(over, files=[noise]) as live:
        image = live.image_id("noise.tiff")
        assert [live.tile(image, 9).x_cache for _ in range(2)] == ["MISS", "HIT"]
        assert live.ctl_json("stats")["caches"]["tiles_cache"]["state"] == "ok"
        server.kill()
        here, away = (live.ctl_json("stats")["caches"][c] for c in ("default", "tiles_cache"))
        assert here["state"] == "ok" and here["entries"] is not None
        assert away["state"] == "unavailable" and away["reason"]
        assert away["entries"] is None and away["bytes"] is None
        assert away["hits"] == 1 and away["stores"] == 1
        done = live.run_ctl("stats")
        text = done.stdout
        assert (done.returncode, done.stderr) == (0, "")
        assert "unavailable" in text and away["reason"] in text


def test_stats_are_told_as_what_they_are(tmp_path, server):
    """A server counts what others keep, too; kinds of errors that there were none of are left
    to programs."""
    over = {"caches": caches(server.name, server.location())}
    with service.Service(over) as live:
        default, tiles = live.ctl("stats").split("\n\n")[1:]
        assert "errors_" not in default + tiles and "errors " in default
        assert "entries (whole server)" in tiles and "bytes (whole server)" in tiles
        assert "whole server" not in default and "entries" in default
        assert "errors_timeout" in live.ctl_json("stats")["caches"]["tiles_cache"]
        assert "entries" in live.ctl_json("stats")["caches"]["tiles_cache"]


def test_who_changed_a_version(live):
    """In the form of version.h."""
    live.ctl("invalidate", "tiles")
    user = pwd.getpwuid(os.getuid()).pw_name
    login = os.environ.get("SUDO_USER")
    who = f"{login} as {user}" if login else user
    assert live.ctl_json("versions")["tiles"]["changed_by"] == f"slidecachectl ({who})"


def test_an_invalidation_does_not_wait_for_ever(tmp_path, server):
    """Its server has two seconds, whatever else it is asked with."""
    file = with_server(tmp_path, server)
    argv = [service.BUILD / "slidecachectl", "--config", file]
    assert "2 seconds" in subprocess.run([*argv, "--help"], capture_output=True, text=True,
                                         check=True).stdout
    server.pause()
    try:
        assert any(fails_soon([*argv, "invalidate", "tiles"]) for _ in range(3))
    finally:
        server.resume()


def fails_soon(argv):
    """Before five seconds, which is what a program has unless it says otherwise."""
    begun = time.monotonic()
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60 * service.SLOW)
    assert done.returncode == 1
    return time.monotonic() - begun < 5
