# SPDX-License-Identifier: MIT
"""The cache page in headless Chromium, as lighttpd sends it, below a prefix: versions, what
caches hold, and warming. The browser knows the password; who has none is asked by it."""

import re

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

import management
import service
import slides
import tiff
from browsing import LOAD_S, complaints, save_screenshot
from service import wait_for

BASE = "/some/where"
STACK = "stack.tiff"
LARGE = "large.tiff"
SMALL = "small.tiff"
NAME = "tiles"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One to be warmed at once, one that takes a while."""
    folder = tmp_path_factory.mktemp("files")
    return [
        tiff.write_smooth(folder / SMALL, 3, 1021, 517, 3, tile=64),
        slides.make_slide(folder, LARGE, 12000, 9000),
    ]


def add_stack(live, file):
    """A slide of two planes."""
    live.add_file(file, STACK)
    for z in (1, 2):
        live.add_file(file, f"{STACK.partition('.')[0]}/{z}_1_{STACK}")


@pytest.fixture(scope="module")
def live(www, files, tmp_path_factory):
    users = tmp_path_factory.mktemp("users") / "users"
    users.write_text(management.USERS)
    config = {"base_path": BASE, "access": {"htpasswd_file": str(users)}}
    running = service.Service(config, files=files, web=True)
    running.web.www = www
    add_stack(running, files[0])
    with running:
        running.image_id(STACK)
        for file in files:
            running.image_id(file.name)
        yield running


@pytest.fixture(scope="module")
def manager(live):
    return management.Manager(Below(live))


class Below:
    """A client of the service's prefix."""

    def __init__(self, live):
        self.live = live

    def request(self, method, target, headers=None, body=b""):
        return self.live.web.http.request(method, self.live.base + target, headers, body)


@pytest.fixture
def opened(page, driver):
    """Opens the page as somebody who may manage."""

    def open_page(query=""):
        sign_in(driver, management.ANNA)
        page(f"/cache/{query}")
        wait_for(lambda: rows(driver, "caches"), "the tables", LOAD_S)
        return driver

    yield open_page
    sign_in(driver, {})


def sign_in(driver, headers):
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": headers})


def rows(driver, table):
    """The texts of its cells, by the first one of each row; in one call, as the page may
    change at any moment."""
    script = """return [...document.querySelectorAll(`#${arguments[0]} > tr`)].map(
        (row) => [...row.children].map((cell) => cell.innerText))"""
    return {cells[0]: cells[1:] for cells in driver.execute_script(script, table)}


def jobs(driver):
    """State, bar (of 1; None while nobody knows) and words of each job, by its id."""
    script = """return [...document.querySelectorAll("#jobs > li")].map((job) => {
        const bar = job.querySelector("progress");
        return [job.dataset.id, job.dataset.state,
            bar.hasAttribute("value") ? bar.value : null, job.innerText];
    })"""
    return {int(row[0]): tuple(row[1:]) for row in driver.execute_script(script)}


def click(driver, selector):
    driver.find_element(By.CSS_SELECTOR, selector).click()


def answer(driver, word):
    box = driver.find_element(By.ID, "sure")
    wait_for(box.is_displayed, "the question")
    click(driver, f"#sure button[value={word}]")
    wait_for(lambda: not box.is_displayed(), "the question is gone")


def fill_in(driver, name, budget):
    """Chooses a slide by its name; the form is sent by the next click."""
    field = driver.find_element(By.ID, "filter")
    field.clear()
    field.send_keys(name)
    choice = Select(driver.find_element(By.ID, "image"))
    wait_for(lambda: texts_of(driver, "#image > option") == [name], f"{name} to choose")
    choice.select_by_visible_text(name)
    budget_field = driver.find_element(By.ID, "budget")
    budget_field.clear()
    budget_field.send_keys(budget)


def texts_of(driver, selector):
    script = "return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText)"
    return driver.execute_script(script, selector)


def start_job(driver, manager, name, budget="100"):
    """By the form; returns the id."""
    before = {job["id"] for job in listed(manager)}
    fill_in(driver, name, budget)
    click(driver, "#warm button")
    return wait_for(lambda: set(jobs(driver)) - before, f"a job of {name}").pop()


def listed(manager):
    return management.document(manager.get("/jobs/"))["jobs"]


def test_page_is_a_file_with_and_without_its_slash(live):
    requests = live.counter("requests")
    reply = live.web.http.get(f"{BASE}/cache?image=1")
    assert reply.status in (301, 302) and reply.headers["location"] == f"{BASE}/cache/?image=1"
    reply = live.web.http.get(f"{BASE}/cache/?image=1")
    assert reply.status == 200 and b'id="versions"' in reply.body
    assert "default-src 'self'" in reply.headers["content-security-policy"]
    assert live.counter("requests") == requests
    assert live.web.http.get(f"{BASE}/cache/more").headers["content-type"] == "application/json"


def test_versions_and_what_caches_hold(live, opened, manager):
    image = live.image_id(LARGE)
    live.tile(image, 9)
    assert live.tile(image, 9).x_cache == "HIT"
    driver = opened()
    versions = manager.versions()
    shown = rows(driver, "versions")
    assert set(shown) == set(versions)
    for name, version in versions.items():
        assert version in shown[name], name
    caches = rows(driver, "caches")
    assert set(caches) == {"default", "tiles_cache"}
    assert re.fullmatch(r"[0-9.]+%", caches["tiles_cache"][2]), caches
    assert caches["tiles_cache"][:2] == ["embedded", "ok"]
    save_screenshot(driver, "cache")


def test_invalidate_one(opened, manager):
    driver = opened()
    before = manager.versions()
    click(driver, f"[data-key='{NAME}'] button")
    answer(driver, "no")
    assert manager.versions() == before
    click(driver, f"[data-key='{NAME}'] button")
    answer(driver, "yes")
    shown = wait_for(lambda: rows(driver, "versions")[NAME][0] != before[NAME]
                     and rows(driver, "versions"), "another version is shown")
    now = manager.versions()
    assert shown[NAME][0] == now[NAME]
    assert "anna" in shown[NAME][2]
    assert {n for n in before if before[n] != now[n]} == {NAME}


def test_invalidate_all(opened, manager):
    driver = opened()
    before = manager.versions()
    click(driver, "#all")
    answer(driver, "yes")
    wait_for(lambda: all(cells[0] != before.get(name)
                         for name, cells in rows(driver, "versions").items()), "new versions")
    now = manager.versions()
    assert {"tiles", "thumbnails", "slides", "acl"} <= set(now)
    assert not [name for name in now if now[name] == before.get(name)]


def test_warm_to_the_end(live, opened, manager):
    driver = opened()
    job = start_job(driver, manager, SMALL)
    wait_for(lambda: jobs(driver)[job][0] == "done", "the job ends", LOAD_S)
    state, bar, words = jobs(driver)[job]
    assert bar == 1 and SMALL in words
    (told,) = [j for j in listed(manager) if j["id"] == job]
    assert told["mem_size_mb"] == 100 and told["failed_tiles"] == 0
    assert f"{told['tiles']['done']} tiles" in words
    assert live.tile(live.image_id(SMALL), 10, fmt="jpeg").x_cache == "HIT"
    save_screenshot(driver, "cache-warmed")
    click(driver, f"[data-id='{job}'] button")
    wait_for(lambda: job not in jobs(driver), "the job is forgotten")
    assert job not in {j["id"] for j in listed(manager)}


def test_bar_moves_and_a_job_is_cancelled(live, opened, manager):
    driver = opened(f"?image={live.image_id(LARGE)}")
    wait_for(lambda: texts_of(driver, "#image > option") == [LARGE], "the slide of the address")
    job = start_job(driver, manager, LARGE, "4096")
    first = wait_for(lambda: jobs(driver)[job][1], "the bar begins", LOAD_S)
    wait_for(lambda: jobs(driver)[job][1] > first, "the bar moves", LOAD_S)
    assert jobs(driver)[job][0] == "running"
    save_screenshot(driver, "cache-warming")
    click(driver, f"[data-id='{job}'] button")
    wait_for(lambda: jobs(driver)[job][0] == "cancelled", "the job is cancelled")
    assert jobs(driver)[job][1] < 1


def test_what_is_refused_is_said(opened, manager):
    driver = opened()
    fill_in(driver, SMALL, "99999999")
    click(driver, "#warm button")
    said = driver.find_element(By.ID, "warm-said")
    wait_for(said.is_displayed, "a sentence")
    assert "“MB at most” wants a number" in said.text
    assert any(" 422 " in text for text in complaints(driver))
    assert not any(job["state"] == "queued" for job in listed(manager))


def test_planes_are_asked_for(live, opened):
    """Only where there are several."""
    driver = opened()
    for name, shown in ((SMALL, False), (STACK, True)):
        fill_in(driver, name, "1")
        assert driver.find_element(By.ID, "z").is_displayed() == shown, name
        assert not driver.find_element(By.ID, "frame").is_displayed(), name


def test_without_users_it_says_how_to_have_them(live, page, driver):
    """Whoever only looks sees the versions."""
    live.reconfigure({"access": {"htpasswd_file": None}})
    page("/cache/")
    notice = driver.find_element(By.ID, "notice")
    wait_for(notice.is_displayed, "a notice", LOAD_S)
    assert "htpasswd_file" in notice.text
    assert NAME in rows(driver, "versions")
    assert any(" 403 " in text for text in complaints(driver))


def test_links_lead_there_and_back(live, page, driver):
    driver = page("/")
    link = "#list a.warm"
    wait_for(lambda: driver.find_elements(By.CSS_SELECTOR, link), "cards", LOAD_S)
    driver.execute_script("arguments[0].focus()", driver.find_element(By.CSS_SELECTOR, link))
    click(driver, link)
    wait_for(lambda: f"{BASE}/cache/?image=" in driver.current_url, "the cache page", LOAD_S)
    click(driver, ".places a")
    wait_for(lambda: driver.current_url.endswith(f"{BASE}/"), "the list", LOAD_S)
    complaints(driver)  # of what the page was not allowed to see
