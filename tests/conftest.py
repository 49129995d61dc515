# SPDX-License-Identifier: MIT
"""Fixtures that several suites share, and the logs of live services at a failure."""


import pytest

import service as harness
import slides

LONG = harness.LONG


def pytest_collection_modifyitems(config, items):
    """Without SLIDECACHE_LONG=1 the long tests are not part of the suite."""
    if not LONG:
        left_out = [i for i in items if i.get_closest_marker("long")]
        items[:] = [i for i in items if not i.get_closest_marker("long")]
        config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for live in harness.LIVE:
            report.sections.append((f"logs of {live.dir}", live.log_tail()))


@pytest.fixture(scope="session")
def good_files(tmp_path_factory):
    """The shared slides that open, and made ones: slides.MADE."""
    return [*slides.shared(""), *slides.make_all(tmp_path_factory.mktemp("slides"))]


@pytest.fixture(scope="session")
def good(good_files):
    """A service with all good slides, behind lighttpd. Tests leave it as it was."""
    with harness.Service(files=good_files, web=True) as live:
        for file in good_files:
            live.image_id(file.name)
        yield live
