# SPDX-License-Identifier: MIT
"""Documents and pixels of every slide against openslide-python.

Tiles that nothing scales are identical, scaled ones at least 40 dB, JPEG tiles at least
36 dB from the PNG ones, or, where the contract's own encoding (Pillow, quality 90, 4:2:0)
cannot keep saturated detail that well, as good as that. 200 tiles a slide, all levels; all
tiles of small slides.
"""

import io
import json
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

import oracle
import slides

TILES = 200
SCALED_DB, JPEG_DB = 40, 36
ENCODERS_MAY_DIFFER_DB = 0.2
CLIENTS = 4


@pytest.fixture(params=[p.name for p in slides.shared("")] + slides.MADE)
def slide(request, good):
    opened = oracle.Oracle(good.root / request.param)
    yield opened, good.image_id(request.param)
    opened.close()


def sample(opened):
    """All tiles, or the corners of every level and more up to TILES, always the same."""
    addresses = list(opened.addresses())
    if len(addresses) <= TILES:
        return addresses
    chosen = set()
    for level, (cols, rows) in enumerate(opened.dz.level_tiles):
        chosen |= {(level, c, r) for c in (0, cols - 1) for r in (0, rows - 1)}
    rest = [a for a in addresses if a not in chosen]
    return sorted(chosen) + random.Random(TILES).sample(rest, TILES - len(chosen))


def fetch(live, image, address, fmt):
    reply = live.tile(image, *address, fmt=fmt)
    assert reply.status == 200, (address, reply)
    return oracle.decode(reply.body, fmt.upper())


def check_png(png, expected):
    """"" or what is wrong: some right picture must be near enough."""
    wrong = []
    for want, exact in expected:
        if png.size != want.size:
            wrong.append(f"size {png.size} instead of {want.size}")
            continue
        near = oracle.psnr(png, want)
        if near == float("inf") or (not exact and near >= SCALED_DB):
            return ""
        wrong.append(f"{near:.1f} dB" + (" though nothing is scaled" if exact else ""))
    return " / ".join(wrong)


def encoded_by_pillow(png):
    out = io.BytesIO()
    png.save(out, "JPEG", quality=90, subsampling="4:2:0")
    return oracle.decode(out.getvalue(), "JPEG")


def check_jpeg(png, jpeg):
    if png.size != jpeg.size:
        return f"size {jpeg.size} instead of {png.size}"
    near = oracle.psnr(png, jpeg)
    if near >= JPEG_DB:
        return ""
    reachable = oracle.psnr(png, encoded_by_pillow(png))
    if near >= reachable - ENCODERS_MAY_DIFFER_DB:
        return ""
    return f"{near:.1f} dB where {min(reachable, JPEG_DB):.1f} dB can be had"


def check_tile(opened, address, png, jpeg):
    wrong = check_png(png, opened.tiles(*address))
    if wrong:
        return f"{address}: PNG: {wrong}"
    wrong = check_jpeg(png, jpeg)
    return f"{address}: JPEG: {wrong}" if wrong else ""


def test_tiles(slide, good):
    opened, image = slide
    addresses = sample(opened)
    with ThreadPoolExecutor(CLIENTS) as pool:
        pngs = pool.map(lambda a: fetch(good, image, a, "png"), addresses)
        jpegs = pool.map(lambda a: fetch(good, image, a, "jpeg"), addresses)
    # Only now, with no other thread: Pillow closes the descriptor of a TIFF file twice, and
    # the second time it may be a client's socket.
    pairs = zip(addresses, pngs, jpegs)
    wrong = [w for a, p, j in pairs if (w := check_tile(opened, a, p, j))]
    assert not wrong, f"{len(wrong)} of {len(addresses)}:\n" + "\n".join(wrong[:20])


def test_documents(slide, good):
    opened, image = slide
    reply = good.fcgi.get(f"/images/image/{image}/1/1/tile/")
    assert reply.body == opened.document()
    reply = good.fcgi.get(f"/api/v1/images/images/{image}/slide_information/")
    assert json.loads(reply.body) == opened.information(image)


def test_outside_the_pyramid(slide, good):
    opened, image = slide
    for level, (cols, rows) in enumerate(opened.dz.level_tiles):
        assert good.tile(image, level, cols, 0).status == 404
        assert good.tile(image, level, 0, rows).status == 404
    assert good.tile(image, opened.dz.level_count, 0, 0).status == 404


def test_thumbnail(slide, good):
    opened, image = slide
    reply = good.fcgi.get(f"/api/v1/images/images/{image}/thumbnail/")
    assert reply.status == 200, reply
    got = oracle.decode(reply.body, "PNG")
    width, height = opened.slide.dimensions
    assert max(got.size) == min(128, max(width, height))
    scale = max(got.size) / max(width, height)
    for side, full in zip(got.size, (width, height)):
        assert abs(side - max(1, full * scale)) <= 1
    whole = opened.read((0, 0), 0, opened.slide.dimensions)
    assert oracle.psnr(got, oracle.fit(whole, got.size)) >= 24, "another picture"
