# SPDX-License-Identifier: MIT
"""A service with access lists: users, tokens and images of three kinds, for tests of who may
what."""

import hashlib
import json
import os

import service
import tiff
from management import PASSWORDS, USERS, basic

# Anybody may read OPEN; a team has TEAM; nobody but anna has SECRET; MISSING is none. All have
# as many digits, so that what is said of them has as many bytes.
OPEN, TEAM, SECRET, MISSING = 11, 17, 71, 18
FOLDERS = {OPEN: "open", TEAM: "team", SECRET: "secret"}

TOKENS = {name: "sc_" + name[0] * 43 for name in ("helper", "capped", "warmer")}
CAPS = {
    "helper": ["read", "manage"],
    "capped": ["read"],  # whatever the lists grant it
    "warmer": ["manage"],
}

LISTS = {
    "groups": {"team": ["ida", "token:helper", "token:capped"]},
    "images": {"open": {"folders": ["open"]}, "team": {"ids": [TEAM]}},
    "rules": [
        {"who": ["strangers"], "images": ["open"], "rights": ["read"]},
        {"who": ["group:team"], "images": ["team"], "rights": ["read"]},
        {"who": ["token:helper", "token:capped", "token:warmer"], "images": ["team"],
         "rights": ["manage"]},
        {"who": ["user:anna"], "images": ["all"], "rights": ["read", "manage", "label"]},
    ],
}

# otto is known, and that is all.
ROLES = {
    "stranger": {},
    **{name: basic(name, word) for name, word in PASSWORDS.items()},
    **{name: {"Authorization": f"Bearer {text}"} for name, text in TOKENS.items()},
}


def token_row(name):
    digest = hashlib.blake2b(TOKENS[name].encode(), digest_size=32).hexdigest()
    return {
        "name": name,
        "hash": f"blake2b-256:{digest}",
        "rights": CAPS[name],
        "created": "2026-01-02T03:04:05Z",
        "expires": None,
    }


def write(path, value):
    """As one rename."""
    fresh = path.with_suffix(".new")
    fresh.write_text(value if isinstance(value, str) else json.dumps(value))
    os.rename(fresh, path)


def without(*rules):
    """LISTS without these rules, by their numbers."""
    kept = [rule for i, rule in enumerate(LISTS["rules"]) if i not in rules]
    return {**LISTS, "rules": kept}


class Guarded:
    """A service with LISTS; config: more of its configuration. Use as a context manager."""

    def __init__(self, folder, config=None, **options):
        self.users, self.tokens = folder / "users", folder / "tokens.json"
        self.file = folder / "acl.json"
        self.users.write_text(USERS)
        write(self.tokens, {"tokens": [token_row(name) for name in TOKENS]})
        self.tokens.chmod(0o600)
        self.grant(LISTS)
        base = {
            "slides": {"scan": False},
            "workers": 2,
            "access": {
                "htpasswd_file": str(self.users),
                "tokens_file": str(self.tokens),
                "acl_file": str(self.file),
            },
        }
        self.live = service.Service(service.merge(base, config), **options)
        self.add_images(tiff.write_noise(folder / "s.tiff", 1, 700, 500))

    def add_images(self, file):
        catalogue = self.live.dir / "state" / "images.json"
        images = []
        for image, name in FOLDERS.items():
            catalogue.write_text(json.dumps({"next_id": image, "images": images}))
            self.live.add_file(file, f"{name}/{image}.tiff")
            self.live.ctl("images", "add", f"{name}/{image}.tiff")
            images = json.loads(catalogue.read_text())["images"]
        assert [im["id"] for im in images] == list(FOLDERS)

    def grant(self, value):
        write(self.file, value)

    def __enter__(self):
        self.live.__enter__()
        return self

    def __exit__(self, *about):
        self.live.__exit__(*about)

    def ask(self, role, target, method="GET", body=None, headers=None, client=None):
        sent = {**ROLES[role], **(headers or {})}
        raw = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            sent["Content-Type"] = "application/json"
        return (client or self.live.fcgi).request(method, target, sent, raw)

    def document(self, role, target, **more):
        reply = self.ask(role, target, **more)
        assert reply.status in (200, 201, 202), reply
        return json.loads(reply.body)
