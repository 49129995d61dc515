# SPDX-License-Identifier: MIT
"""The pages on a site where strangers may read nothing, in headless Chromium: a signed
address shows its slide and nothing else, refusals say why, a token manages the caches; and
names of slides stay text.

Tokens are all that this site knows: Chromium without a screen would wait for ever for a
password that nobody types."""

import json

import pytest
from selenium.webdriver.common.by import By

import management
import service
import signing
import slides
from browsing import LOAD_S, complaints, save_screenshot
from service import wait_for

BASE = "/some/where"
NAME, OTHER = "made.tiff", "other.tiff"
HOSTILE = "<img src=x onerror=document.title='gotcha'><b>&amp;\"' {{7*7}}.tiff"
RULES = {"rules": [
    {"who": ["token:manager"], "images": ["all"], "rights": ["read", "manage"]}]}


@pytest.fixture(scope="module")
def live(www, tmp_path_factory):
    tmp = tmp_path_factory.mktemp("closed")
    (tmp / "acl.json").write_text(json.dumps(RULES))
    signing.write_key(tmp / "key")
    config = {"base_path": BASE, "access": {
        "acl_file": str(tmp / "acl.json"), "tokens_file": str(tmp / "tokens"),
        "signing_key_file": str(tmp / "key")}}
    running = service.Service(config, files=[slides.make_slide(tmp, NAME)], web=True)
    running.web.www = www
    running.add_file(running.root / NAME, OTHER)
    running.add_file(running.root / NAME, HOSTILE)
    running.tokens = {name: make_token(running, name) for name in ("manager", "nobody")}
    with running:
        running.ctl("images", "scan")
        running.ids = {im["name"]: im["id"] for im in images(running)}
        yield running


def make_token(live, name):
    """As the command shows it, this once."""
    return live.ctl_json("token", "add", name, "--rights", "read,manage")["token"]


def as_token(live, name):
    return {"Authorization": f"Bearer {live.tokens[name]}"}


def images(live):
    headers = as_token(live, "manager")
    reply = live.web.http.get(f"{BASE}/api/v1/images/images/?limit=100", headers)
    return management.document(reply)["results"]


@pytest.fixture
def visit(live, driver):
    """Opens a path as a stranger, or with these headers; scripts may only complain of what
    was refused."""
    def open_path(path, headers=None):
        complaints(driver)
        driver.execute_cdp_cmd("Network.enable", {})
        driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": headers or {}})
        driver.get(f"http://127.0.0.1:{live.web.http.port}{BASE}{path}")
        return driver

    yield open_path
    driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {}})
    said = [c for c in complaints(driver) if " 401 " not in c and " 403 " not in c]
    assert not said, "\n".join(said)


def notice(driver):
    box = driver.find_element(By.ID, "notice")
    wait_for(box.is_displayed, "a notice", LOAD_S)
    return box.text


def is_loaded(driver):
    return driver.execute_script("""const item = window.viewer?.world?.getItemAt(0);
        return Boolean(item && item.getFullyLoaded());""")


def requests_below(driver, part):
    names = driver.execute_script(
        "return performance.getEntriesByType('resource').map((e) => e.name)")
    return [name for name in names if part in name]


def viewer(live, name, signature):
    return f"/viewer/{live.ids[name]}/?sig={signature}"


# ----- signed addresses ------------------------------------------------------------------


def test_signed_address_shows_its_slide(live, visit):
    address, _ = live.ctl("sign", NAME, "--expires", "15m").splitlines()
    driver = visit(address.removeprefix(BASE))
    wait_for(lambda: is_loaded(driver), "tiles in the viewer", LOAD_S)
    assert not driver.find_element(By.ID, "notice").is_displayed()
    assert driver.find_element(By.ID, "name").text == NAME
    signature = address.partition("sig=")[2]
    tiles = requests_below(driver, "/tile_files/")
    assert tiles and all(t.endswith(f"&sig={signature}") and "?v=" in t for t in tiles), tiles
    assert all(f"sig={signature}" in r for r in requests_below(driver, "/api/"))
    assert not driver.find_element(By.ID, "back").is_displayed()
    save_screenshot(driver, "viewer-signed")


@pytest.mark.parametrize("signature,said", [
    (lambda image: signing.sign(image, -1), "has expired"),
    (lambda image: signing.sign(image + 1), "signature is wrong"),
    (lambda _: "nonsense", "signature is wrong"),
])
def test_bad_signature_is_said(live, visit, signature, said):
    driver = visit(viewer(live, NAME, signature(live.ids[NAME])))
    assert said in notice(driver)
    assert not driver.find_elements(By.CSS_SELECTOR, "#notice button:not([hidden])")
    assert not requests_below(driver, "/tile_files/")
    save_screenshot(driver, "viewer-bad-signature")


def test_a_plane_is_chosen_and_the_signature_stays(live, visit):
    signature = signing.sign(live.ids[NAME])
    driver = visit(viewer(live, NAME, signature) + "&z=1")
    wait_for(lambda: is_loaded(driver), "tiles in the viewer", LOAD_S)
    assert driver.execute_script("return location.search") == f"?sig={signature}&z=1"


@pytest.mark.parametrize("with_version", [False, True])
def test_other_viewers_carry_the_signature_on(live, visit, with_version):
    """OpenSeadragon as it is, told nothing but the address of the DZI."""
    _, dzi = live.ctl("sign", NAME).splitlines()
    if with_version:
        [version] = [im["version"] for im in images(live) if im["name"] == NAME]
        dzi = f"{dzi}&v={version}"
    driver = visit(viewer(live, NAME, "none"))  # that one stays empty
    assert notice(driver)
    driver.execute_script("""window.viewer = OpenSeadragon({ id: "stage", tileSources: arguments[0],
            showNavigationControl: false, drawer: ["canvas"] });""", dzi)
    wait_for(lambda: is_loaded(driver), "tiles in the other viewer", LOAD_S)
    query = dzi.partition("?")[2]
    tiles = requests_below(driver, "/tile_files/")
    assert tiles and all(t.endswith(f".jpeg?{query}") for t in tiles), tiles
    complaints(driver)  # of a style, which it has to do without on our pages


# ----- refusals --------------------------------------------------------------------------


@pytest.mark.parametrize("path,who,said", [
    ("/", None, "You have to sign in to see this."),
    ("/viewer/1/", None, "You have to sign in to see this."),
    ("/viewer/999/", "manager", "No image has the id 999."),
    ("/viewer/1/", "nobody", "No image has the id 1."),
])
def test_refusals_are_said(live, visit, path, who, said):
    driver = visit(path, who and as_token(live, who))
    assert said in notice(driver)
    complaints(driver)


def test_who_may_read_nothing_has_an_empty_list(live, visit):
    driver = visit("/", as_token(live, "nobody"))
    box = driver.find_element(By.ID, "empty")
    wait_for(box.is_displayed, "that it is empty", LOAD_S)
    assert "none that you may see" in box.text


# ----- the cache page --------------------------------------------------------------------


def test_token_manages_and_is_kept_nowhere(live, visit):
    token = live.tokens["manager"]
    driver = visit("/cache/")
    field = driver.find_element(By.ID, "token")
    wait_for(field.is_displayed, "the field for a token", LOAD_S)
    save_screenshot(driver, "cache-sign-in")
    field.send_keys("no-such-token\n")
    wait_for(lambda: "token" in notice(driver).lower(), "that it is wrong", LOAD_S)
    field.send_keys(f" {token} \n")
    rows = "return document.querySelectorAll('#caches > tr').length"
    wait_for(lambda: driver.execute_script(rows) == 2, "the tables", LOAD_S)
    wait_for(lambda: not field.is_displayed(), "the field is gone")
    options = "return document.querySelectorAll('#image > option').length"
    wait_for(lambda: driver.execute_script(options) == len(live.ids), "the slides to warm")
    kept = driver.execute_script("""return [document.getElementById("token").value,
        localStorage.length, sessionStorage.length, document.cookie, location.href,
        document.documentElement.outerHTML]""")
    assert kept[:4] == ["", 0, 0, ""] and token not in kept[4] + kept[5]
    complaints(driver)
    driver.refresh()
    wait_for(driver.find_element(By.ID, "token").is_displayed, "it is asked for again", LOAD_S)


# ----- names are text --------------------------------------------------------------------


def check_text(driver, tags="img[src=x], b"):
    assert driver.title != "gotcha"
    assert not driver.find_elements(By.CSS_SELECTOR, tags)


def test_names_are_text_everywhere(live, visit):
    driver = visit("/", as_token(live, "manager"))
    shown = "return [...document.querySelectorAll('#list h2')].map((e) => e.innerText)"
    wait_for(lambda: HOSTILE in driver.execute_script(shown), "the card", LOAD_S)
    check_text(driver)
    driver = visit(viewer(live, HOSTILE, signing.sign(live.ids[HOSTILE])))
    wait_for(lambda: is_loaded(driver), "tiles in the viewer", LOAD_S)
    assert driver.find_element(By.ID, "name").text == HOSTILE
    check_text(driver)
    driver = visit(f"/cache/?image={live.ids[HOSTILE]}", as_token(live, "manager"))
    chosen = "return [...document.querySelectorAll('#image > option')].map((e) => e.innerText)"
    wait_for(lambda: HOSTILE in driver.execute_script(chosen), "it can be chosen", LOAD_S)
    check_text(driver)


def test_scripts_write_no_html():
    """Nor has any page a script or a style of its own, which the policy would stop."""
    for file in sorted((service.REPO / "src" / "www").rglob("*.*")):
        text = file.read_text()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text, (file.name, word)
        if file.suffix == ".html":
            assert "<script>" not in text and "style=" not in text and " on" + "click" not in text
