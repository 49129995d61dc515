# SPDX-License-Identifier: MIT
"""The assembled pages, and a browser. A module has a fixture "live" of its own: the service
that "page" opens pages of."""

import subprocess

import pytest

import service
from browsing import complaints, start_browser


@pytest.fixture(scope="session")
def www():
    """The pages with OpenSeadragon, as the build assembles them."""
    out = service.BUILD / "www"
    subprocess.run([service.REPO / "deploy" / "build-www", out], check=True)
    return out


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """Without WebGL, which is slow in software: OpenSeadragon draws on a canvas then."""
    browser = start_browser(tmp_path_factory.mktemp("chromium"), "--disable-3d-apis")
    yield browser
    browser.quit()


@pytest.fixture
def page(live, driver):
    """Opens a path; at the end no script may have complained."""

    def open_path(path):
        complaints(driver)
        driver.get(f"http://127.0.0.1:{live.web.http.port}{live.base}{path}")
        return driver

    yield open_path
    said = complaints(driver)
    assert not said, "\n".join(said)
