# SPDX-License-Identifier: MIT
"""What an allowed peer can send that no web server would: a table of named cases.

A case is bytes, or pieces of them, and what comes of it: the status of the answer, or none
(the connection is closed). "stays": the peer does not end its side; everything else is
followed by an end of file, as libfcgi's traps lie on both ways.
"""

import collections
import random

import fcgi
from fcgi import ABORT, BEGIN, DATA, END, GET_VALUES, PARAMS, STDIN, STDOUT, record

Case = collections.namedtuple("Case", "name pieces status stays")

NONE = 0  # no answer
BEGUN = record(BEGIN, b"\0\1\0\0\0\0\0\0")
NO_MORE_PARAMS, NO_MORE_STDIN = record(PARAMS, b""), record(STDIN, b"")
MB = 1 << 20


def pair(name, value):
    return fcgi.encode_params({name: value})


def variables(target, **more):
    """The least that a request needs."""
    return {"REQUEST_METHOD": "GET", "REQUEST_URI": target, "CONTENT_LENGTH": "", **more}


def request(params, body=b"", tail=b""):
    """params: the encoded ones."""
    return BEGUN + fcgi.stream(PARAMS, params) + fcgi.stream(STDIN, body) + tail


class Table:
    def __init__(self, target):
        self.cases = []
        self.target = target
        self.params = fcgi.encode_params(variables(target))
        self.good = request(self.params)

    def add(self, name, data, status=NONE, stays=False):
        pieces = data if isinstance(data, list) else [data]
        self.cases.append(Case(name, pieces, status, stays))

    def more(self, encoded):
        """A request with further parameters."""
        return request(self.params + encoded)

    def with_length(self, said, body):
        return request(fcgi.encode_params(variables(self.target, CONTENT_LENGTH=said)), body)


def add_lawful(t):
    """Unusual, and right."""
    t.add("a request", t.good, 200)
    t.add("and stays", t.good, 200, stays=True)
    t.add("kept connection", t.good.replace(BEGUN, record(BEGIN, b"\0\1\1\0\0\0\0\0")), 200)
    t.add("two requests at once", t.good + t.good, 200)
    t.add("a hundred requests at once", t.good * 100, 200)
    t.add("abort after the end", t.good + record(ABORT, b""), 200)  # a hit costs nothing
    t.add("junk after the end", t.good + b"\xff" * 1000, 200)
    t.add("1 MB after the end", [t.good, b"\0" * MB], 200)
    t.add("stdin ended twice", t.good + NO_MORE_STDIN, 200)
    t.add("reserved bits set", BEGUN[:11] + b"\xff" * 5 + t.good[16:], 200)
    for number in (2, 255, 256, 65535):
        other = record(BEGIN, b"\0\1\0\0\0\0\0\0", number)
        other += record(PARAMS, t.params, number) + record(PARAMS, b"", number)
        t.add(f"id {number}", other + record(STDIN, b"", number), 200)
    for padding in (1, 7, 8, 255):
        padded = record(BEGIN, b"\0\1\0\0\0\0\0\0", padding=padding)
        padded += record(PARAMS, t.params, padding=padding)
        padded += record(PARAMS, b"", padding=padding) + record(STDIN, b"", padding=padding)
        t.add(f"padding {padding}", padded, 200)
    singles = b"".join(record(PARAMS, t.params[i : i + 1]) for i in range(len(t.params)))
    t.add("a record a byte", BEGUN + singles + NO_MORE_PARAMS + NO_MORE_STDIN, 200)
    padded = b"".join(record(PARAMS, bytes([b]), padding=255) for b in t.params)
    t.add("a padded record a byte", BEGUN + padded + NO_MORE_PARAMS + NO_MORE_STDIN, 200)
    t.add("a duplicate target", t.more(pair("REQUEST_URI", "/other")), 200)
    t.add("lengths of four bytes", t.more(b"\x80\0\0\1\x80\0\0\1AB"), 200)
    t.add("an empty value", t.more(pair("EMPTY", "")), 200)
    t.add("bytes of 8 bits", t.more(pair(b"\xff\xfe", b"\x80\x81")), 200)
    t.add("control bytes", t.more(pair("HTTP_X", b"\r\n\t\x1b[2J")), 200)


def add_types(t):
    """Each type of record, lawful or not, where it does not belong."""
    kinds = [0, ABORT, END, PARAMS, STDIN, STDOUT, 7, DATA, GET_VALUES, 10, 11, 12, 128, 255]
    head = BEGUN + record(PARAMS, t.params)
    for kind in kinds:
        t.add(f"type {kind} first", record(kind, b"") + t.good)
        t.add(f"type {kind} with content first", record(kind, b"x" * 8) + t.good)
        if kind != PARAMS:
            t.add(f"type {kind} among the parameters", head + record(kind, b"") + NO_MORE_PARAMS)
        if kind != STDIN:
            late = head + NO_MORE_PARAMS + record(kind, b"")
            t.add(f"type {kind} for a body", late + NO_MORE_STDIN)
    t.add("begun twice", BEGUN + t.good)
    t.add("begun anew among the parameters", head + t.good)
    t.add("parameters behind a body", head + NO_MORE_PARAMS + record(STDIN, b"x") + head[16:])
    t.add("stdin before the parameters' end", head + record(STDIN, b"x") + NO_MORE_PARAMS)
    t.add("parameters ended twice", head + NO_MORE_PARAMS * 2 + NO_MORE_STDIN)
    lawful = record(GET_VALUES, pair("FCGI_MAX_CONNS", ""), 0)
    t.add("asks for values", lawful)
    t.add("asks for values, and stays", lawful, stays=True)
    t.add("asks for values that are none", record(GET_VALUES, b"\xff" * 100, 0))
    t.add("asks for 64 kB of values", record(GET_VALUES, b"\1\0x" * 21000, 0))
    t.add("asks for values of no length", record(GET_VALUES, b"\x80", 0))
    t.add("asks for values within", head + lawful + NO_MORE_PARAMS + NO_MORE_STDIN)
    t.add("unknown management record", record(99, b"", 0))


def add_headers(t):
    """What the eight bytes of a record say."""
    for at, name in ((0, "first"), (16, "second"), (len(t.good) - 8, "last")):
        for version in (0, 2, 127, 255):
            changed = bytearray(t.good)
            changed[at] = version
            t.add(f"version {version} in the {name} record", bytes(changed))
    for number in (0, 2, 256, 65535):
        t.add(f"parameters of request {number}", BEGUN + record(PARAMS, t.params, number))
        body = t.good[:-8] + record(STDIN, b"", number)
        t.add(f"body of request {number}", body)
        aborted = BEGUN + record(ABORT, b"", number)
        t.add(f"abort of request {number}", aborted + t.good[16:])
    t.add("begun with id 0", record(BEGIN, b"\0\1\0\0\0\0\0\0", 0) + t.good[16:])
    for size in (0, 1, 7, 9, 16, 65535):
        said = record(BEGIN, b"\0\1\0\0\0\0\0\0", size=size)
        t.add(f"begun with {size} bytes", said + t.good[16:])
    for role in (0, 2, 3, 4, 255, 256, 257, 65535):
        begun = record(BEGIN, role.to_bytes(2, "big") + bytes(6))
        t.add(f"role {role}", begun + t.good[16:])
    n = len(t.params)
    for size in (0, 1, n - 1, n + 1, n + 8, 65535):
        said = BEGUN + record(PARAMS, t.params, size=size) + NO_MORE_PARAMS + NO_MORE_STDIN
        t.add(f"parameters of {n} bytes that say {size}", said)


def add_params(t):
    for name, encoded in {
        "a length without its end": b"\x80\0\0",
        "one length only": b"\1",
        "a name past the end": b"\x7f\0A",
        "a value past the end": b"\1\x7fAB",
        "a name of 2 GB": b"\xff\xff\xff\xff\0A",
        "a value of 2 GB": b"\1\xff\xff\xff\xffA",
        "two lengths that sum up to 4 GB": b"\xff\xff\xff\xff\xff\xff\xff\xffA",
        "two lengths of 1 GB": b"\xc0\0\0\0\xc0\0\0\0A",
        "lengths of the int's end": b"\xff\xff\xff\xfe\xff\xff\xff\xffA",
        "an empty name": pair("", "x"),
        "nothing at all": pair("", ""),
        "NUL in a name": pair(b"A\0B", "x"),
        "NUL in a value": pair("HTTP_X", b"a\0b"),
        "NUL alone": pair("HTTP_X", b"\0"),
        "= in a name": pair("REQUEST_URI=/x", "y"),
        "= for a name": pair("=", "y"),
    }.items():
        t.add(name, t.more(encoded), 400)
        t.add(f"{name}, and stays", t.more(encoded), 400, stays=True)
    t.add("NUL in the target", request(fcgi.encode_params(variables("/a\0b"))), 400)
    t.add("no parameters", BEGUN + NO_MORE_PARAMS + NO_MORE_STDIN, 400)
    t.add("no target", request(pair("REQUEST_METHOD", "GET")), 400)
    t.add("an empty target", request(pair("REQUEST_URI", "")), 400)
    t.add("a target of 8193 bytes", request(pair("REQUEST_URI", "/" * 8193)), 414)
    t.add("a target of 60 000 bytes", request(pair("REQUEST_URI", "/" * 60000)), 414)


def add_sizes(t):
    """More than is kept."""
    room = 65536 - len(t.params) - 100
    t.add("a value that just fits", t.more(pair("HTTP_X", b"x" * room)), 200)
    t.add("a value of 64 kB", t.more(pair("HTTP_X", b"x" * 65536)), 431)
    t.add("a value of 5 MB", t.more(pair("HTTP_X", b"x" * 5 * MB)), 431)
    t.add("a name of 5 MB", t.more(pair(b"X" * 5 * MB, b"")), 431)
    t.add("5 MB, and stays", t.more(pair("HTTP_X", b"x" * 5 * MB)), 431, stays=True)
    for n, status in ((253, 200), (254, 431), (1000, 431), (100_000, 431)):
        many = b"".join(pair(f"X{i}", "v") for i in range(n))
        t.add(f"{n} further parameters", t.more(many), status)
    same = pair("REQUEST_URI", "/x") * 100_000
    t.add("100 000 of one name", t.more(same), 431)
    t.add("5 MB without an end", [BEGUN] + [record(PARAMS, b"x" * 60000)] * 84, 431)
    for said, body, status in (
        ("10", b"x" * 300_000, 400),
        ("10", b"x" * 11, 400),
        ("300000", b"x" * 10, 413),
        ("11", b"x" * 10, 400),
        ("10", b"", 400),
        ("", b"x", 400),
        ("0", b"x" * 70_000, 400),
        ("65537", b"x" * 65_537, 413),
        ("65536", b"x" * 65_537, 400),
        ("-1", b"", 400),
        ("1e1", b"x" * 10, 400),
        ("10 ", b"x" * 10, 400),
        ("0x0a", b"x" * 10, 400),
        ("9223372036854775807", b"x", 413),
        ("9223372036854775808", b"x", 400),
        ("9" * 60, b"x", 400),
    ):
        t.add(f"length {said!r} of {len(body)} bytes", t.with_length(said, body), status)
    t.add("a body of 5 MB", t.with_length("5242880", b"x" * 5 * MB), 413)
    stays = t.with_length("5242880", b"x" * 5 * MB)
    t.add("a body of 5 MB, and stays", stays, 413, stays=True)
    t.add("a body of 5 MB, not announced", t.with_length("7", b"x" * 5 * MB), 400)
    head = t.with_length("10", b"")[:-8]
    t.add("a body that is not ended", head + record(STDIN, b"x" * 10))
    t.add("a body in records of a byte", head + record(STDIN, b"x") * 9 + NO_MORE_STDIN, 400)


def add_others(t):
    """Other protocols, and noise."""
    noise = random.Random(4)
    for name, data in {
        "nothing": b"",
        "HTTP/1.0": b"GET / HTTP/1.0\r\n\r\n",
        "HTTP/1.1": b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
        "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + noise.randbytes(500),
        "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
        "SCGI": b"24:CONTENT_LENGTH\x000\x00SCGI\x001\x00,",
        "uwsgi": b"\x00\x10\x00\x00\x03\x00FOO\x03\x00BAR",
        "AJP": b"\x12\x34\x00\x01\x0a",
        "Redis": b"*1\r\n$4\r\nPING\r\n",
        "memcached": b"stats\r\n",
        "a byte 0": b"\0",
        "a byte 1": b"\1",
        "1 MB of 0": bytes(MB),
        "1 MB of 1": b"\1" * MB,
        "1 MB of 255": b"\xff" * MB,
        "1 MB of noise": noise.randbytes(MB),
        "BEGIN for ever": BEGUN * 20_000,
        "empty records for ever": BEGUN + NO_MORE_PARAMS * 100_000,
    }.items():
        t.add(name, data)
    for i in range(20):
        t.add(f"noise behind a beginning {i}", BEGUN + noise.randbytes(noise.randrange(1, 400)))


def add_cuts(t):
    """A request in two pieces, or in one that is not all of it, at each byte."""
    for at in range(1, len(t.good)):
        t.add(f"in two at byte {at}", [t.good[:at], t.good[at:]], 200)
        t.add(f"cut at byte {at}", t.good[:at])


def table(target):
    """target: what is asked for where there is an answer."""
    t = Table(target)
    for add in (
        add_lawful,
        add_types,
        add_headers,
        add_params,
        add_sizes,
        add_others,
        add_cuts,
    ):
        add(t)
    names = [case.name for case in t.cases]
    assert len(set(names)) == len(names), "a name twice"
    return t.cases


def silences(target):
    """Who sends a part, and stays: its worker is free again all the same."""
    t = Table(target)
    parts = (1, 2, 7, 8, 9, 15, 16, 17, 24, 30, len(t.good) - 9, len(t.good) - 8, len(t.good) - 1)
    for at in (0, *parts):
        t.add(f"stops after {at} bytes", t.good[:at], NONE, stays=True)
    return t.cases
