# SPDX-License-Identifier: MIT
"""The list and the viewer in headless Chromium, as lighttpd sends them, over real slides."""

import io
import time

import PIL.Image
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import service
import slides
from browsing import LOAD_S, save_screenshot, start_browser
from service import wait_for


@pytest.fixture(scope="module")
def live(www, good_files):
    running = service.Service(files=good_files, web=True)
    running.web.www = www
    for file in slides.shared("broken", "unsupported"):
        running.add_file(file, f"{file.parent.name}/{file.name}")
    (running.root / "broken").mkdir(exist_ok=True)
    (running.root / "broken" / "text.svs").write_text("no slide\n" * 100)
    with running:
        running.image_id("broken/text.svs")
        for file in good_files:
            running.image_id(file.name)
        running.ctl("images", "scan")
        yield running


def cards(driver):
    return driver.find_elements(By.CSS_SELECTOR, "#list > li.card")


def card_texts(driver):
    """In one call: the page may replace its cards at any moment."""
    script = "return [...document.querySelectorAll('#list > li.card')].map(c => c.innerText)"
    return driver.execute_script(script)


def all_cards(driver, live):
    return wait_for(lambda: len(cards(driver)) == len(live.images()) and cards(driver),
                    "one card a slide", LOAD_S)


def picture_shows(driver, card):
    script = """const img = arguments[0].querySelector("img");
        return Boolean(img && img.complete && img.naturalWidth > 0);"""
    return driver.execute_script(script, card)


def test_list(live, page, good_files):
    driver = page("/?limit=200")
    images = {str(im["id"]): im for im in live.images().values()}
    shown = all_cards(driver, live)
    assert {c.get_attribute("data-id") for c in shown} == set(images)
    good = {f.name for f in good_files}
    for card in shown:
        im = images[card.get_attribute("data-id")]
        assert im["name"] in card.text
        driver.execute_script("arguments[0].scrollIntoView()", card)
        if im["filename"] in good:
            wait_for(lambda c=card: picture_shows(driver, c), f"thumbnail of {im['name']}")
        if im["state"] != "ok":
            reason = card.find_element(By.CSS_SELECTOR, ".reason").text
            assert im["reason"].lower() in reason.lower(), im
            assert not card.find_elements(By.CSS_SELECTOR, "a"), "a link to no viewer"
    driver.execute_script("window.scrollTo(0, 0)")
    save_screenshot(driver, "list")


def test_list_is_filtered_by_name(live, page):
    driver = page("/")
    wait_for(lambda: cards(driver), "cards", LOAD_S)
    driver.find_element(By.ID, "q").send_keys("made")
    wait_for(lambda: len(card_texts(driver)) == 1, "one card")
    assert "made.tiff" in card_texts(driver)[0]
    driver.find_element(By.ID, "q").send_keys("no such slide")
    wait_for(lambda: driver.find_element(By.ID, "empty").is_displayed(), "that it is empty")


def test_keyboard_leads_from_the_list_to_the_viewer(live, page):
    driver = page("/?q=made")
    wait_for(lambda: len(cards(driver)) == 1, "one card", LOAD_S)
    link = cards(driver)[0].find_element(By.CSS_SELECTOR, "a")
    for _ in range(12):
        ActionChains(driver).send_keys(Keys.TAB).perform()
        if driver.switch_to.active_element == link:
            break
    assert driver.switch_to.active_element == link, "Tab does not reach the slide"
    ActionChains(driver).send_keys(Keys.ENTER).perform()
    image = live.image_id("made.tiff")
    wait_for(lambda: driver.current_url.endswith(f"/viewer/{image}/"), "the viewer", LOAD_S)
    wait_for(lambda: is_loaded(driver), "tiles", LOAD_S)


def is_loaded(driver):
    script = """const item = window.viewer?.world?.getItemAt(0);
        return Boolean(item && item.getFullyLoaded());"""
    return driver.execute_script(script)


def zoom(driver):
    return driver.execute_script("return window.viewer.viewport.getZoom()")


def colours(driver):
    """How many colours the stage shows, without the page's own controls."""
    png = driver.find_element(By.ID, "stage").screenshot_as_png
    im = PIL.Image.open(io.BytesIO(png)).convert("RGB")
    w, h = im.size
    middle = im.crop((w // 3, h // 3, 2 * w // 3, 2 * h // 3)).resize((64, 64), 0)
    return len(middle.getcolors(64 * 64))


def open_viewer(driver):
    wait_for(lambda: is_loaded(driver), "tiles in the viewer", LOAD_S)
    wait_for(lambda: colours(driver) > 16, "pixels of the slide", LOAD_S)


def test_viewer(live, page):
    image = live.image_id("made.tiff")
    driver = page(f"/viewer/{image}/")
    open_viewer(driver)
    assert "made.tiff" in driver.title
    save_screenshot(driver, "viewer")
    urls = driver.execute_script(
        "return performance.getEntriesByType('resource').map((e) => e.name)")
    tiles = [u for u in urls if "/tile_files/" in u]
    token = live.images()["made.tiff"]["version"]
    assert tiles and all(u.endswith(f".jpeg?v={token}") for u in tiles), tiles[:3]


@pytest.mark.parametrize("key,grows", [("+", True), ("=", True), ("-", False)])
def test_keyboard_zooms(live, page, key, grows):
    driver = page(f"/viewer/{live.image_id('made.tiff')}/")
    open_viewer(driver)
    driver.execute_script("window.viewer.viewport.zoomTo(2, null, true)")
    before = zoom(driver)
    ActionChains(driver).send_keys(key).perform()
    wait_for(lambda: zoom(driver) > before if grows else zoom(driver) < before, "zoom")
    wait_for(lambda: is_loaded(driver), "tiles of the new zoom", LOAD_S)


def test_keyboard_moves_and_goes_home(live, page):
    driver = page(f"/viewer/{live.image_id('made.tiff')}/")
    open_viewer(driver)
    home = zoom(driver)
    ActionChains(driver).send_keys("1").perform()
    wait_for(lambda: zoom(driver) > home, "one to one")
    wait_for(lambda: is_loaded(driver), "tiles of level 0", LOAD_S)
    save_screenshot(driver, "viewer-one-to-one")
    centre = "return window.viewer.viewport.getCenter().x"
    before = driver.execute_script(centre)
    ActionChains(driver).send_keys(Keys.ARROW_RIGHT).perform()
    wait_for(lambda: driver.execute_script(centre) > before, "the slide moves")
    ActionChains(driver).send_keys("0").perform()
    wait_for(lambda: abs(zoom(driver) - home) < 0.01 * home, "the whole slide")


def test_every_good_slide_opens_in_the_viewer(live, page, good_files):
    for file in good_files:
        driver = page(f"/viewer/{live.image_id(file.name)}/")
        wait_for(lambda: is_loaded(driver), f"tiles of {file.name}", LOAD_S)
        assert not driver.find_element(By.ID, "notice").is_displayed(), file.name


@pytest.mark.long
def test_viewer_draws_with_webgl(live, tmp_path):
    browser = start_browser(tmp_path)
    image = live.image_id("made.tiff")
    try:
        browser.get(f"http://127.0.0.1:{live.web.http.port}/viewer/{image}/")
        open_viewer(browser)
        assert browser.execute_script("return window.viewer.drawer.getType()") == "webgl"
    finally:
        browser.quit()


def test_viewer_of_a_broken_slide_says_why(live, page):
    image = live.images()["broken/text.svs"]
    driver = page(f"/viewer/{image['id']}/")
    notice = driver.find_element(By.ID, "notice")
    wait_for(notice.is_displayed, "a notice", LOAD_S)
    assert image["reason"].split(":")[0].lower() in notice.text.lower()


def test_viewer_of_no_slide(live, driver):
    driver.get(f"http://127.0.0.1:{live.web.http.port}/viewer/999999/")
    notice = driver.find_element(By.ID, "notice")
    wait_for(notice.is_displayed, "a notice", LOAD_S)


def test_pages_do_not_cost_a_worker(live):
    requests = live.counter("requests")
    for path in ("/", "/viewer/1/", "/cache/", "/static/style.css", "/static/index.js"):
        reply = live.web.http.get(path)
        assert reply.status == 200 and reply.body, path
    assert live.counter("requests") == requests


def test_page_is_soon_there(live, page):
    start = time.monotonic()
    driver = page("/")
    wait_for(lambda: cards(driver), "cards", LOAD_S)
    assert time.monotonic() - start < 5 * service.SLOW
