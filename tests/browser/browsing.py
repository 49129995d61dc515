# SPDX-License-Identifier: MIT
"""Headless Chromium, and screenshots, which are left in BUILD/screenshots for people to
look at."""

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

import service

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
]
LOAD_S = 30


def start_browser(profile, *flags):
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, *flags, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    browser.set_page_load_timeout(LOAD_S)
    return browser


def complaints(driver):
    """What scripts complained of since it was asked last."""
    severe = [e for e in driver.get_log("browser") if e["level"] == "SEVERE"]
    return [e["message"] for e in severe if not is_expected(e["message"])]


def is_expected(message):
    """Chromium reports each failed thumbnail of a damaged slide itself."""
    return "/thumbnail/" in message and " 422 " in message


def save_screenshot(driver, name):
    folder = service.BUILD / "screenshots"
    folder.mkdir(exist_ok=True)
    driver.save_screenshot(str(folder / f"{name}.png"))
