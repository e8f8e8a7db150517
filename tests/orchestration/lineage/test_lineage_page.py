"""The page in a real browser: it draws, fetches nothing, and runs nothing that a name brings."""

import contextlib
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from orchestration.lineage.answer import ask
from orchestration.lineage.page import write_page
from orchestration.lineage.store import open_reader
from orchestration.metadata_target import SqliteTarget

pytestmark = pytest.mark.whole

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


class Opened(NamedTuple):
    """A page in a browser, and what went wrong or out while it was opened."""

    page: Any
    problems: list[str]
    requests: list[str]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium here")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser: Any, path: pathlib.Path, width: int = 1280) -> Iterator[Opened]:
    page = browser.new_page(viewport={"width": width, "height": 900})
    found = Opened(page, [], [])
    page.on("console", lambda message: found.problems.append(message.text))
    page.on("pageerror", lambda error: found.problems.append(str(error)))
    page.on("dialog", lambda dialog: (found.problems.append("dialog"), dialog.dismiss()))
    page.on("request", lambda request: found.requests.append(request.url))
    page.goto(path.as_uri())
    yield found
    page.close()


def page_of(store: pathlib.Path, query: str, path: pathlib.Path) -> pathlib.Path:
    reader = open_reader(SqliteTarget(store), None)
    write_page(ask(reader, query, is_forward=False, home=None), path)
    return path


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("query", ["102", "/data/a.csv"])
def test_it_draws_its_boxes_and_fetches_nothing(
    browser: Any, four_runs: pathlib.Path, tmp_path: pathlib.Path, query: str, width: int
) -> None:
    path = page_of(four_runs, query, tmp_path / "lineage.html")

    with opened(browser, path, width) as found:
        sizes = found.page.locator("svg .box").evaluate_all(
            "all => all.map(box => box.getBoundingClientRect().width)"
        )
        drawn = found.page.evaluate("document.documentElement.scrollWidth")

    assert found.problems == []
    assert found.requests == [path.as_uri()]
    assert len(sizes) > 10
    assert all(size > 0 for size in sizes)
    assert drawn <= width


def test_each_artifact_execution_and_file_has_a_box_and_each_link_a_curve(
    browser: Any, four_runs: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with opened(browser, page_of(four_runs, "102", tmp_path / "lineage.html")) as found:
        boxes = found.page.locator("svg .box").count()
        curves = found.page.locator("svg .curve").count()

    # 6 artifacts, 10 executions and 2 files; 17 links, and each file is read once.
    assert (boxes, curves) == (18, 19)


@pytest.mark.parametrize("with_keyboard", [False, True])
def test_a_chosen_box_tells_what_it_is_and_dims_what_it_has_nothing_to_do_with(
    browser: Any, four_runs: pathlib.Path, tmp_path: pathlib.Path, *, with_keyboard: bool
) -> None:
    with opened(browser, page_of(four_runs, "102", tmp_path / "lineage.html")) as found:
        box = found.page.locator("[data-key=execution-12]")
        if with_keyboard:
            box.focus()
            found.page.keyboard.press("Enter")
        else:
            box.click()
        text = found.page.locator("#panel").inner_text()
        far = found.page.locator("svg .box.far").evaluate_all("all => all.map(b => b.dataset.key)")

    assert found.problems == []
    assert "execution-13" in far
    assert not {"artifact-6", "execution-10", "execution-1"} & set(far)
    assert "Approval" in text
    assert "approved by Ada [bold]<script>, 2026-11-25 07:00:00 UTC: looks good" in text


def test_a_folded_box_hides_what_lies_behind_it_until_it_is_unfolded(
    browser: Any, four_runs: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with opened(browser, page_of(four_runs, "102", tmp_path / "lineage.html")) as found:
        shown = found.page.locator("svg .box:visible")
        before = shown.count()
        found.page.locator("[data-key=artifact-2]").click()
        found.page.locator("#fold").click()
        folded = shown.count()
        found.page.locator("#unfold").click()
        after = shown.count()

    assert folded < before == after == 18
    assert found.problems == []


@pytest.mark.parametrize("query", ["2", "1"])
def test_hostile_names_are_text(
    browser: Any, hostile: pathlib.Path, tmp_path: pathlib.Path, query: str
) -> None:
    path = page_of(hostile, query, tmp_path / "lineage.html")

    with opened(browser, path, 390) as found:
        # The panel takes a box's texts anew.
        for box in found.page.locator("svg .box").all():
            box.dispatch_event("click")
        scripts = found.page.locator("script").count()
        text = found.page.locator("main").inner_text()
        wide = found.page.evaluate("document.documentElement.scrollWidth")

    assert found.problems == []
    assert found.requests == [path.as_uri()]
    assert scripts == 1
    assert "<script>alert(1)</script>" in text
    assert "\u202e" not in text
    assert wide <= 390
