# SPDX-License-Identifier: MIT
"""Tries, as a program under slidecached.service's rights, what the service must be able to do
and what it must not; prints {name: "ok" or the error's name} as JSON."""

import ctypes
import errno
import json
import os
import resource
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)
WAIT_S = 1
# Nobody listens there: who gets through hears so.
REACHED = {errno.ECONNREFUSED, 0}
PROT_READ, PROT_WRITE, PROT_EXEC, PRIVATE_ANONYMOUS = 1, 2, 4, 0x22
IO_URING_SETUP, USERFAULTFD = 425, 323
SECCOMP, GET_ACTION_AVAIL, LANDLOCK_CREATE_RULESET, CREATE_VERSION = 317, 2, 444, 1
CLONE_NEWUSER, PTRACE_ATTACH = 0x10000000, 16


def call(name, *args):
    ctypes.set_errno(0)
    if getattr(libc, name)(*args) in (-1, ctypes.c_void_p(-1).value):
        raise OSError(ctypes.get_errno(), name)


def write(path):
    with open(path, "w", encoding="ascii") as f:
        f.write("#!/bin/sh\n")


def make(path):
    write(path)
    os.remove(path)


def read(path):
    with open(path, "rb") as f:
        f.read(1)


def execute(folder):
    path = folder + "/program"
    write(path)
    os.chmod(path, 0o755)
    try:
        if os.spawnv(os.P_WAIT, path, [path]) == 127:
            raise OSError(errno.EACCES, path)
    finally:
        os.remove(path)


def connect(address):
    with socket.socket() as s:
        s.settimeout(WAIT_S)
        number = s.connect_ex((address, 9))
    if number not in REACHED:
        raise OSError(number, address)


def open_socket(family, kind=socket.SOCK_STREAM, protocol=0):
    socket.socket(family, kind, protocol).close()


def map_code():
    libc.mmap.restype = ctypes.c_void_p
    call("mmap", None, ctypes.c_size_t(4096), PROT_READ | PROT_WRITE | PROT_EXEC,
         PRIVATE_ANONYMOUS, -1, 0)


def make_device():
    os.mknod("/tmp/device", 0o600 | 0o020000, os.makedev(1, 3))


def see_others():
    """Another user's process in /proc."""
    os.stat("/proc/1")


def set_id_bit(path):
    write(path)
    try:
        os.chmod(path, 0o4755)
    finally:
        os.remove(path)


action = ctypes.byref(ctypes.c_uint32(0))  # of seccomp: to end a thread


def confine_files():
    """A kernel may be without it; the filter of the unit must not be."""
    try:
        call("syscall", LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), CREATE_VERSION)
    except OSError as e:
        if e.errno not in (errno.ENOSYS, errno.EOPNOTSUPP):
            raise


HOME, STATE, CACHE = "/home", "/var/lib/slidecache", "/var/cache/slidecache"
TRIED = {
    "write state": lambda: make(STATE + "/probe"),
    "write cache": lambda: make(CACHE + "/probe"),
    "write log": lambda: make("/var/log/slidecache/probe"),
    "write run": lambda: make("/run/slidecache/probe"),
    "write tmp": lambda: make("/tmp/probe"),
    "read slides": lambda: os.listdir("/srv/slides"),
    "read configuration": lambda: read("/etc/slidecache/slidecache.json"),
    "read boot id": lambda: read("/proc/sys/kernel/random/boot_id"),
    "idle scheduling": lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)),
    "be nicer": lambda: os.nice(10),
    "limit memory": lambda: resource.setrlimit(resource.RLIMIT_DATA, (2**34, 2**34)),
    "confine calls": lambda: call("syscall", SECCOMP, GET_ACTION_AVAIL, 0, action),
    "confine files": confine_files,
    "connect here": lambda: connect("127.0.0.1"),
    "unix socket": lambda: open_socket(socket.AF_UNIX),
    "queue length": lambda: open_socket(socket.AF_NETLINK, socket.SOCK_RAW, 4),
    "write slides": lambda: make("/srv/slides/probe"),
    "write configuration": lambda: make("/etc/slidecache/probe"),
    "write programs": lambda: make("/usr/sbin/probe"),
    "write home": lambda: make(HOME + "/probe"),
    "read home": lambda: os.listdir(HOME),
    "read shadow": lambda: read("/etc/shadow"),
    "read kernel log": lambda: read("/dev/kmsg"),
    "tune kernel": lambda: write("/proc/sys/kernel/hostname"),
    "see others": see_others,
    "run what it wrote": lambda: execute(STATE),
    "run from tmp": lambda: execute("/tmp"),
    "set-user-id": lambda: set_id_bit(STATE + "/probe"),
    "become root": lambda: os.setuid(0),
    "connect elsewhere": lambda: connect(sys.argv[1]),
    "raw socket": lambda: open_socket(socket.AF_INET, socket.SOCK_RAW, 1),
    "packet socket": lambda: open_socket(socket.AF_PACKET, socket.SOCK_RAW),
    "vsock": lambda: open_socket(socket.AF_VSOCK),
    "writable code": map_code,
    "device": make_device,
    "user namespace": lambda: call("unshare", CLONE_NEWUSER),
    "mount": lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
    "ptrace": lambda: call("ptrace", PTRACE_ATTACH, os.getppid(), 0, 0),
    "io_uring": lambda: call("syscall", IO_URING_SETUP, 1, 0),
    "userfaultfd": lambda: call("syscall", USERFAULTFD, 1),
    "chroot": lambda: os.chroot("/tmp"),
    "real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
    "personality": lambda: call("personality", 8),
    "hostname": lambda: socket.sethostname("probe"),
    "clock": lambda: call("adjtimex", None),
}


def attempt(action):
    try:
        action()
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))
    return "ok"


print(json.dumps({name: attempt(action) for name, action in TRIED.items()}))
