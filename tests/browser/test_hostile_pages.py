# SPDX-License-Identifier: MIT
"""Slides whose names are markup, in headless Chromium: the pages show them as text, on each
page, and no script of theirs runs."""

import pytest
from selenium.webdriver.common.by import By

import service
import tiff
from browsing import LOAD_S
from hostile_names import HOSTILE_NAMES
from management import ANNA, USERS
from service import wait_for

STRANGE = """return [...document.querySelectorAll("body *")].filter(e =>
    e.matches("iframe, svg[onload], img[onerror], [onmouseover], [srcdoc], b") ||
    (e.tagName === "SCRIPT" && !e.src)).map(e => e.outerHTML)"""


@pytest.fixture(scope="module")
def live(www, tmp_path_factory):
    tmp = tmp_path_factory.mktemp("names")
    (tmp / "users").write_text(USERS)
    config = {"slides": {"scan": False}, "access": {"htpasswd_file": str(tmp / "users")}}
    running = service.Service(config, web=True)
    running.web.www = www
    file = tiff.write_noise(tmp / "s.tiff", 1, 300, 200)
    for name in HOSTILE_NAMES:
        running.add_file(file, f"{name}.tiff")
    running.ctl("images", "scan")
    with running:
        yield running


def check_harmless(driver):
    assert driver.execute_script("return window.hostile") is None
    assert driver.execute_script(STRANGE) == []
    assert "hostile" not in driver.current_url.partition("?")[0]


def test_list(live, page, driver):
    page("/?limit=200")
    script = "return [...document.querySelectorAll('#list > li.card')].map(c => c.textContent)"
    cards = wait_for(lambda: len(found := driver.execute_script(script)) == len(HOSTILE_NAMES)
                     and found, "one card a slide", LOAD_S)
    for name in HOSTILE_NAMES:
        assert [text for text in cards if name in text], ascii(name)
    check_harmless(driver)


def test_list_is_asked_for_a_name(live, page, driver):
    """A name in the address, and typed."""
    for name in HOSTILE_NAMES[:6]:
        page("/")
        field = driver.find_element(By.ID, "q")
        field.send_keys(name.replace("\u2215", ""))
        check_harmless(driver)
    page("/?q=%3Cimg%20src=x%20onerror=window.hostile=1%3E&limit=%3Cb%3E#%3Cb%3E")
    check_harmless(driver)


def test_viewer(live, page, driver):
    images = live.images()
    for name in HOSTILE_NAMES[:11]:
        im = images[f"{name}.tiff"]
        page(f"/viewer/{im['id']}/?v=%3Cimg%20src=x%20onerror=window.hostile=1%3E")
        wait_for(lambda n=im["name"]: n in driver.execute_script(
            "return document.body.textContent + document.title"), "the name is shown", LOAD_S)
        check_harmless(driver)


def test_cache_page(live, page, driver):
    """As one to choose, and as one of a job, which is another's."""
    im = live.images()[f"{HOSTILE_NAMES[2]}.tiff"]
    body = f'{{"image": {im["id"]}}}'.encode()
    headers = {**ANNA, "Content-Type": "application/json"}
    assert live.fcgi.request("POST", "/api/v1/cache/jobs/", headers, body).status == 202
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": ANNA})
    try:
        page("/cache/")
        wait_for(lambda: im["name"] in driver.execute_script(
            "return document.body.textContent"), "the job's slide is named", LOAD_S)
        check_harmless(driver)
    finally:
        driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})
