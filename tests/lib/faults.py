# SPDX-License-Identifier: MIT
"""What a cache server can do wrong: one object a fault, with how it begins and ends.

A fault is given a world: .server (servers.py), .wire (relay.py, between the service and
the server), .item(target), .fill(), .wait_until_warm(). Where a server can be brought to
misbehave by itself, it is; otherwise the relay speaks for it. memcached has no replicas,
no loading and no disk: in their place stand the lines by which it, or a proxy before it,
refuses.
"""

import relay
import servers
import service

ANY = {"HIT", "MISS", "BYPASS"}


class Fault:
    """x_cache: what requests for what was stored may say meanwhile. acked: whether an
    invalidation must succeed (True), cannot (False), or may (None). forgets: the server
    loses what it holds. counter: grows in "slidecachectl stats" when the caches, but not
    the versions, are on that server. silent: whoever asks waits for nothing, so that it
    shows whether somebody asks again and again. logged: the log has a line, for what it
    refuses as for a server that is not asked any more (False: one of this kind was just
    before, and they come once in a while)."""

    x_cache = frozenset({"BYPASS"})
    acked = False
    forgets = False
    counter = ""
    silent = False
    logged = True

    def __init__(self, name, **more):
        self.name = name
        for attribute, value in more.items():
            assert hasattr(self, attribute), attribute
            setattr(self, attribute, value)

    def __repr__(self):
        return self.name

    def begin(self, world):
        pass

    def each(self, world):
        """Before each request."""

    def end(self, world):
        pass


class Lie(Fault):
    """The relay does it: make is a mode, or makes one of the world."""

    def __init__(self, name, make, **more):
        super().__init__(name, **more)
        self.make = make

    def begin(self, world):
        world.wire.set(self.make(world) if callable(self.make) else self.make)

    def end(self, world):
        world.wire.set(relay.Pass())


def says(name, line, **more):
    """One answer to everything that is asked."""
    return Lie(name, relay.Fixed(line.encode() + b"\r\n"), **more)


def other_key(asked, read, as_asked):
    return lambda w: relay.OtherKey(w.item(asked), w.item(read), as_asked)


class Refused(Fault):
    """Nobody listens. remove: and the socket's name is gone."""

    remove = False

    def begin(self, world):
        world.wire.refuse(self.remove)

    def end(self, world):
        world.wire.listen()


class Stopped(Fault):
    def begin(self, world):
        world.server.pause()

    def end(self, world):
        world.server.resume()


class Down(Fault):
    forgets = True

    def begin(self, world):
        world.server.kill()

    def end(self, world):
        world.server.start()


class Restarted(Fault):
    forgets = True

    def begin(self, world):
        world.server.restart_empty()


class Flushed(Fault):
    forgets = True

    def begin(self, world):
        world.server.flush()


class HangsUp(Lie):
    """Whoever connects is sent away."""

    def begin(self, world):
        super().begin(world)
        world.wire.cut()


class Cut(Fault):
    """Connections are closed from the middle, again and again."""

    def each(self, world):
        world.wire.cut()


def common(asked, read):
    """asked, read: targets of two tiles whose keys are of one length."""
    return [
        Refused("refused", counter="errors_refused"),
        Refused("socket removed", remove=True, counter="errors_refused"),
        Stopped("stopped", silent=True, counter="errors_timeout"),
        Down("down", counter="errors_closed"),
        Restarted("restarted", x_cache=ANY, acked=None),
        Flushed("flushed", x_cache=ANY, acked=True),
        Cut("connections cut", x_cache=ANY, acked=True),
        Lie("200 ms late", relay.Delay(0.2), silent=True, acked=None, counter="errors_timeout"),
        Lie("half-open", relay.Silent(), silent=True, counter="errors_timeout"),
        HangsUp("hangs up", relay.HangUp(), counter="errors_closed"),
        Lie("closes when asked", relay.CloseOnRequest(), counter="errors_closed"),
        Lie("garbage", relay.Garbage(), counter="errors_protocol"),
        Lie("truncated", relay.Truncate(), counter="errors_closed"),
        Lie("trickles", relay.Trickle(), silent=True, acked=None, counter="errors_timeout"),
        Lie(
            "another entry",
            other_key(asked, read, True),
            x_cache={"MISS"},
            acked=True,
            counter="rejects",
            logged=False,
        ),
    ]


# Redis.


class OutOfMemory(Fault):
    def begin(self, world):
        world.server.config(maxmemory=1)

    def end(self, world):
        world.server.config(maxmemory=0)


class Evicting(Fault):
    def begin(self, world):
        used = int(world.server.info("memory")["used_memory"])
        world.server.config(maxmemory_policy="allkeys-lru", maxmemory=used + (1 << 20))

    def each(self, world):
        world.fill()

    def end(self, world):
        world.server.config(maxmemory=0, maxmemory_policy="noeviction")


class Replica(Fault):
    """Of a master that is not there: it answers from what it has, and takes no writes."""

    def begin(self, world):
        world.server.command("REPLICAOF", "127.0.0.1", "1")

    def end(self, world):
        world.server.command("REPLICAOF", "NO", "ONE")


class BusyScript(Fault):
    def begin(self, world):
        self.client = world.server.connect()
        self.client.send("EVAL", "while true do end", 0)
        service.wait_for(lambda: self.is_busy(world.server), "a script that does not end")

    @staticmethod
    def is_busy(server):
        try:
            return not server.command("PING")
        except servers.ServerError as e:
            return str(e).startswith("BUSY")

    def end(self, world):
        world.server.command("SCRIPT", "KILL")
        self.client.close()


class Locked(Fault):
    """A password is wanted that the service does not have."""

    password = "secret"

    def begin(self, world):
        """Connections that there are would keep their rights."""
        world.server.config(requirepass=self.password)
        self.run(world, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def run(self, world, *words):
        with world.server.connect() as client:
            client.command("AUTH", self.password)
            client.command(*words)

    def end(self, world):
        self.run(world, "CONFIG", "SET", "requirepass", "")


class Killed(Fault):
    """Redis closes the connections of its clients, again and again."""

    def each(self, world):
        world.server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


class DiskFull(Fault):
    """As far as Redis can tell: it cannot write its file."""

    def begin(self, world):
        (world.server.dir / "full.rdb").mkdir(exist_ok=True)
        (world.server.dir / "full.rdb" / "file").touch()
        world.server.config(dbfilename="full.rdb", save="3600 1")
        world.server.command("BGSAVE")
        service.wait_for(lambda: self.has_failed(world.server), "a snapshot that fails")

    @staticmethod
    def has_failed(server):
        return server.info("persistence")["rdb_last_bgsave_status"] == "err"

    def end(self, world):
        world.server.config(save="", dbfilename="dump.rdb")


def redis(asked, read):
    return [
        *common(asked, read),
        Lie("1 GB announced", relay.Announce(), counter="errors_protocol"),
        OutOfMemory("OOM", x_cache={"HIT"}, counter="errors_full"),
        Evicting("evicting", x_cache=ANY, acked=None),
        Replica("READONLY", x_cache=ANY, counter="errors_read_only"),
        says("LOADING", "-LOADING Redis is loading", counter="errors_busy"),
        BusyScript("BUSY", counter="errors_busy"),
        Locked("NOAUTH", counter="errors_denied"),
        says("NOPERM", "-NOPERM no permissions to run it", counter="errors_denied"),
        Killed("CLIENT KILL", x_cache=ANY, acked=True),
        DiskFull("MISCONF", x_cache={"HIT"}, counter="errors_full", logged=False),
        says("MASTERDOWN", "-MASTERDOWN the link is down", counter="errors"),
        says("unknown error", "-WHAT is this", counter="errors"),
    ]


# memcached.


class Small(Fault):
    """Another memcached, with little memory, that others fill."""

    options = ()
    forgets = True

    def begin(self, world):
        world.server.restart("-m", "2", *self.options)
        world.wait_until_warm()

    def each(self, world):
        world.fill()

    def end(self, world):
        world.server.restart()


class WithPassword(Fault):
    forgets = True

    def begin(self, world):
        users = world.server.dir / "users"
        users.write_text("somebody:secret\n")
        world.server.restart("-Y", users)

    def end(self, world):
        world.server.restart()


NO_MEMORY = b"SERVER_ERROR out of memory storing object\r\n"
WRITES = (b"set", b"add", b"cas", b"replace", b"append")


def memcached(asked, read):
    return [
        *common(asked, read),
        # Under one key that is an entry to be rejected; what else it says is no answer.
        Lie("1 GB announced", relay.Announce(), x_cache={"BYPASS", "MISS"}, counter="rejects"),
        Small("OOM", options=("-M",), x_cache=ANY, acked=None, counter="errors_full"),
        Small("evicting", x_cache=ANY, acked=None),
        Lie(
            "no writes",
            relay.Fixed(NO_MEMORY, WRITES),
            x_cache={"HIT"},
            counter="errors_full",
            logged=False,
        ),
        says("SERVER_ERROR", "SERVER_ERROR backend failure", counter="errors"),
        says("ERROR", "ERROR", counter="errors"),
        WithPassword("NOAUTH", counter="errors"),
        Lie(
            "another key",
            other_key(asked, read, False),
            x_cache={"MISS", "BYPASS"},
            acked=True,
        ),
    ]


KINDS = {"redis": redis, "memcached": memcached}
