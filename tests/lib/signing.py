# SPDX-License-Identifier: MIT
"""Signed URLs as include/slidecache/signature.h describes them, made by hashlib; and a
service whose slides only anna may read, but for one that everybody may."""

import base64
import hashlib
import json
import os
import time

import management
import service
import tiff

KEY = b"a key that has thirty-two bytes!"
WRONG, EXPIRED = "signature is wrong", "signature has expired"
HOUR_S = 3600

# In the order of their ids; the last one is everybody's.
CLOSED, OTHER, PUBLIC = 1, 2, 3
FILES = ("closed.tiff", "other.tiff", "public.tiff")
UNKNOWN = 999

RULES = {
    "images": {"public": {"ids": [PUBLIC]}},
    "rules": [
        {"who": ["user:anna"], "images": ["all"], "rights": ["read", "manage", "label"]},
        {"who": ["strangers"], "images": ["public"], "rights": ["read"]},
    ],
}

READING = {
    "dzi": "/images/image/{}/1/1/tile/",
    "dzi by its name": "/images/image/{}/1/1/tile.dzi",
    "tile": "/images/image/{}/1/1/tile_files/9/0_0.jpeg",
    "png": "/images/image/{}/1/1/tile_files/9/0_0.png",
    "api dzi": "/api/v1/images/images/{}/1/1/tile/",
    "api tile": "/api/v1/images/images/{}/1/1/tile_files/10/1_1.jpeg",
    "thumbnail": "/api/v1/images/images/{}/thumbnail/",
    "information": "/api/v1/images/images/{}/slide_information/",
    "patch": "/api/v1/images/images/{}/get_patch/?x=3&y=4&level=0&width=50&height=60",
    "image": "/api/v1/images/images/{}/",
}


def mac(key, image, expires):
    secret = hashlib.blake2b(key, digest_size=32).digest()
    text = f"slidecache url 1\n{image}\n{expires}".encode()
    made = hashlib.blake2b(text, digest_size=16, key=secret).digest()
    return base64.urlsafe_b64encode(made).decode().rstrip("=")


def sign(image, life_s=HOUR_S, key=KEY):
    expires = int(time.time()) + life_s
    return f"{expires}.{mac(key, image, expires)}"


def with_signature(target, signature):
    return f"{target}{'&' if '?' in target else '?'}sig={signature}"


def write_key(path, key=KEY, mode=0o600):
    """As one rename, so that nobody reads half of it."""
    fresh = path.with_name("fresh")
    fresh.write_bytes(key)
    fresh.chmod(mode)
    os.rename(fresh, path)


def start(tmp, config=None, acl=True, **options):
    """A service with the three images; not started yet. key and acl are its files."""
    (tmp / "users").write_text(management.USERS)
    (tmp / "acl.json").write_text(json.dumps(RULES))
    write_key(tmp / "key")
    access = {
        "htpasswd_file": str(tmp / "users"),
        "acl_file": str(tmp / "acl.json") if acl else None,
        "signing_key_file": str(tmp / "key"),
    }
    base = {"slides": {"scan": False}, "access": access}
    live = service.Service(service.merge(base, config), **options)
    live.key, live.acl = tmp / "key", tmp / "acl.json"
    for seed, name in enumerate(FILES, 1):
        live.add_file(tiff.write_noise(tmp / "slide.tiff", seed, 700, 500), name)
        assert live.ctl("images", "add", name) == f"{seed}\n"
    return live
