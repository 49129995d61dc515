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
        slides.make_slide(folder, LARGE, 16000, 12000),
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
    access = {"htpasswd_file": str(users)}
    config = {"base_path": BASE, "access": access, "warm": {"threads": 1}}
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
        self.source = live.web.http.source

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


def texts_of_shown(driver, selector):
    script = """return [...document.querySelectorAll(arguments[0])].filter(
        (e) => e.checkVisibility()).map((e) => e.innerText)"""
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
    assert f"{told['tiles']['done']} tiles" in words and "not stored" not in words
    assert f"Job {job} · image {told['image']} ·" in words
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


def test_tiles_that_the_budget_did_not_reach_are_said(opened, manager):
    driver = opened()
    job = start_job(driver, manager, LARGE, "0.5")
    wait_for(lambda: jobs(driver)[job][0] == "done", "the job ends", LOAD_S)
    (told,) = [j for j in listed(manager) if j["id"] == job]
    left = told["total_tiles"] - told["tiles"]["done"] - told["skipped_tiles"]
    assert told["failed_tiles"] == 0 and left > 0
    assert f"budget used, {left:,} tiles not stored" in jobs(driver)[job][2]


@pytest.mark.parametrize(
    ("reason", "failure", "said"),
    [
        ("", "no light", "No light."),
        ("no tile can be had: no light", "no light", "No tile can be had: no light."),
        ("the cache is gone", "no light", "The cache is gone. No light."),
    ],
)
def test_nothing_is_said_twice(live, opened, reason, failure, said):
    driver = opened()
    told = show_jobs(driver, [ended_job(live, 1, reason=reason, failure=failure)])
    assert told == [said]


def test_many_jobs_leave_room(live, opened):
    """They scroll by themselves; the last one is within reach."""
    driver = opened()
    show_jobs(driver, [ended_job(live, n) for n in range(1, 41)])
    script = """const box = document.getElementById("jobs");
        box.scrollTop = box.scrollHeight;
        const last = box.lastElementChild.getBoundingClientRect().bottom;
        return [box.offsetHeight / innerHeight, last - box.getBoundingClientRect().bottom];"""
    share, below = driver.execute_script(script)
    assert 0.2 < share < 0.55 and below < 1


def ended_job(live, number, **more):
    """As the service tells it."""
    there = live.image_id(SMALL)
    job = {"id": number, "image": there, "z_dimension": 1, "frame": 1, "mem_size_mb": 1}
    at = {"created_at": None, "started_at": None, "ended_at": None}
    none = {"done": 0, "planned": 0}
    tiles = {"tiles": none, "total_tiles": 0, "skipped_tiles": 0, "failed_tiles": 0}
    rest = {"by": "", "reason": "", "failure": "", "bytes": none, "waiting": False}
    return {**job, "state": "failed", **at, **tiles, **rest, **more}


def show_jobs(driver, these):
    """Has the page show them, until it looks again; that is once it is idle. Returns what
    their troubles are then said to be."""
    script = """const [jobs, done] = arguments;
        const page = document.querySelector("script[type=module]").src;
        const said = () => [...document.querySelectorAll("#jobs .trouble")].map((e) => e.innerText);
        import(new URL("jobs.js", page)).then((m) => m.showJobs({ jobs })).then(said).then(done);"""
    return driver.execute_async_script(script, these)


def test_what_is_refused_is_said(opened, manager):
    driver = opened()
    fill_in(driver, SMALL, "99999999")
    click(driver, "#warm button")
    said = driver.find_element(By.ID, "warm-said")
    wait_for(said.is_displayed, "a sentence")
    assert "“MiB at most” wants a number" in said.text
    assert any(" 422 " in text for text in complaints(driver))
    assert not any(job["state"] == "queued" for job in listed(manager))


def test_planes_are_asked_for(live, opened):
    """Only where there are several."""
    driver = opened()
    for name, shown in ((SMALL, False), (STACK, True)):
        fill_in(driver, name, "1")
        assert driver.find_element(By.ID, "z").is_displayed() == shown, name
        assert not driver.find_element(By.ID, "frame").is_displayed(), name


def test_who_signs_in_later_sees_the_rest(opened):
    """Chromium without a screen asks nobody: the answers are made up."""
    driver = opened()
    script = """window.answered = fetch;
        window.fetch = async () => new Response("{}", { status: 401 });
        document.dispatchEvent(new Event("visibilitychange"));"""
    driver.execute_script(script)
    wait_for(lambda: texts_of_shown(driver, "h2") == ["Versions"], "less of it")
    driver.execute_script("window.fetch = window.answered")
    click(driver, "#notice button")
    wait_for(lambda: "Warm a slide" in texts_of_shown(driver, "h2"), "the rest of it")
    assert not driver.find_element(By.ID, "notice").is_displayed()
    assert "Invalidate all" in texts_of_shown(driver, "button")


def test_without_users_it_says_how_to_have_them(live, page, driver):
    """Whoever only looks sees the versions, and nothing that cannot work."""
    live.reconfigure({"access": {"htpasswd_file": None}})
    page("/cache/")
    notice = driver.find_element(By.ID, "notice")
    wait_for(notice.is_displayed, "a notice", LOAD_S)
    assert "htpasswd_file" in notice.text
    assert NAME in rows(driver, "versions")
    assert texts_of_shown(driver, "h2, h3, main button") == ["Try again", "Versions"]
    below = driver.find_element(By.CSS_SELECTOR, "[aria-labelledby=versions-title]")
    assert below.rect["y"] - notice.rect["y"] - notice.rect["height"] >= 10
    save_screenshot(driver, "cache-no-users")
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
