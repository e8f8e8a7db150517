"""The report of a real run, opened in a real browser; and the notebook on the same run."""

import contextlib
import dataclasses
import itertools
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.end_to_end.project import FEW_STEPS, PROJECT, WORKFLOW, Workplace, succeeded, workplace

pytestmark = pytest.mark.whole

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return workplace(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def report(place: Workplace) -> pathlib.Path:
    path = place.folder / "report.html"
    succeeded(place.run(WORKFLOW, *FEW_STEPS, "--report", str(path)))
    return path


@dataclasses.dataclass
class Opened:
    """A page in a browser, and what went wrong or out while it was opened."""

    page: Any
    problems: list[str]
    requests: list[str]


@contextlib.contextmanager
def opened(path: pathlib.Path, width: int) -> Iterator[Opened]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        found = Opened(page, [], [])
        page.on("console", lambda message: found.problems.append(message.text))
        page.on("pageerror", lambda error: found.problems.append(str(error)))
        page.on("request", lambda request: found.requests.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_selector(".js-plotly-plot .main-svg")
        yield found
        browser.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_it_opens_without_a_network_and_draws_every_chart(report: pathlib.Path, width: int) -> None:
    assert report.stat().st_size < 8_000_000
    with opened(report, width) as found:
        charts = found.page.locator("figure.chart").count()
        drawn = found.page.locator("figure.chart .js-plotly-plot .main-svg >> nth=0").count()
        wide = found.page.evaluate("document.documentElement.scrollWidth")
        buttons = found.page.locator(".modebar-btn").count()
        each_is_drawn = found.page.evaluate(
            "[...document.querySelectorAll('figure.chart')]"
            ".every(chart => chart.querySelector('.main-svg'))"
        )

    assert found.problems == []
    assert found.requests == [report.as_uri()]
    assert charts > 10
    assert drawn
    assert each_is_drawn
    # One of plotly's would upload the data.
    assert buttons == 0
    assert wide <= width


def test_its_charts_fit_on_paper_and_then_on_the_screen_again(report: pathlib.Path) -> None:
    widths = (
        "[...document.querySelectorAll('.main-svg')].map(svg => svg.getBoundingClientRect().width)"
    )
    with opened(report, 1280) as found:
        before = found.page.evaluate(widths)
        # What the browser says before and after it prints.
        on_paper = found.page.evaluate(f"dispatchEvent(new Event('beforeprint')); {widths}")
        found.page.evaluate("dispatchEvent(new Event('afterprint'))")
        found.page.wait_for_function(f"Math.max(...{widths}) > 700")
        after = found.page.evaluate(widths)

    assert max(before) > 700
    assert max(on_paper) <= 660
    assert after == before
    assert found.problems == []


def test_the_first_column_of_a_wide_table_stays_in_sight_on_a_phone(report: pathlib.Path) -> None:
    with opened(report, 390) as found:
        offsets = found.page.evaluate(
            """[...document.querySelectorAll('div.table')]
            .filter(region => region.scrollWidth > region.clientWidth + 20)
            .map(region => {
                region.scrollLeft = region.scrollWidth;
                const name = region.querySelector('tbody th').getBoundingClientRect();
                return name.left - region.getBoundingClientRect().left;
            })"""
        )

    assert len(offsets) > 3
    assert max(map(abs, offsets)) < 1


def test_the_graph_of_the_steps_is_whole_on_a_phone(report: pathlib.Path) -> None:
    with opened(report, 390) as found:
        boxes = found.page.locator("figure.diagram rect.box").evaluate_all(
            "all => all.map(box => box.getBoundingClientRect().toJSON())"
        )
        texts = found.page.locator("figure.diagram g").evaluate_all(
            """all => all.map(group => {
                const right = group.querySelector('.box').getBoundingClientRect().right;
                const lines = [...group.querySelectorAll('text')];
                return right - Math.max(...lines.map(line => line.getBoundingClientRect().right));
            })"""
        )

    assert len(boxes) == 11
    assert max(box["right"] for box in boxes) <= 390
    assert not [
        (one, other)
        for one, other in itertools.combinations(boxes, 2)
        if one["left"] < other["right"]
        and other["left"] < one["right"]
        and one["top"] < other["bottom"]
        and other["top"] < one["bottom"]
    ]
    # No text leaves its box.
    assert min(texts) > 0


def test_its_parts_are_reached_by_links_and_named_for_screen_readers(
    report: pathlib.Path,
) -> None:
    with opened(report, 1280) as found:
        links = found.page.locator("nav a").evaluate_all("all => all.map(a => a.hash)")
        targets = found.page.evaluate(
            "hashes => hashes.every(hash => document.querySelector(hash))", links
        )
        unnamed = found.page.evaluate(
            "[...document.querySelectorAll('figure.chart [role=img]')]"
            ".filter(image => !image.getAttribute('aria-label')).length"
        )

    assert {"#summary", "#steps", "#statistics", "#evaluation", "#lineage"} <= set(links)
    assert targets
    assert unnamed == 0


def test_a_hostile_value_of_the_data_is_text(tmp_path: pathlib.Path) -> None:
    place = workplace(tmp_path)
    sample = place.volume / "data" / "complaints_sample.csv"
    hostile = "<script>document.title='broken'</script><img src=x onerror=document.title='broken'>"
    rows = sample.read_text(encoding="utf-8").replace("Bank of America", hostile)
    narrative = "\u202e" + "long \u0627\u0644\u0639\u0631\u0628\u064a\u0629 " * 2000
    rows += f'Mortgage,,Other,,"{narrative}",X,NY,10001,Closed,Yes,1\n'
    sample.write_text(rows, encoding="utf-8")
    path = tmp_path / "report.html"
    succeeded(place.run(WORKFLOW, *FEW_STEPS, "--report", str(path)))

    with opened(path, 390) as found:
        title = found.page.title()
        text = found.page.inner_text("main")
        wide = found.page.evaluate("document.documentElement.scrollWidth")

    assert found.problems == []
    assert found.requests == [path.as_uri()]
    assert title != "broken"
    assert "<script>document.title" in text
    assert wide <= 390


def test_the_command_writes_it_anew(place: Workplace, report: pathlib.Path) -> None:
    done = place.command(
        [*(sys.executable, "-m", "orchestration", "report"), *("--home", str(place.home), "--json")]
    )

    assert done.returncode == 0, done.stderr
    written = json.loads(done.stdout)
    path = pathlib.Path(written["report"])
    assert path == place.home / "runs" / place.record()["id"] / "report.html"
    assert written["bytes"] == path.stat().st_size > 1_000_000


def test_the_steps_show_their_part_in_kubeflows_ui(place: Workplace, report: pathlib.Path) -> None:
    folder = place.home / "runs" / place.record()["id"] / "steps"

    views = {
        step: json.loads((folder / step / "artifacts/mlpipeline-ui-metadata.json").read_text())
        for step in ("statisticsgen", "examplevalidator", "evaluator", "pusher")
    }

    for step, view in views.items():
        kinds = [output["type"] for output in view["outputs"]]
        # TFX's own table of inputs and outputs stays.
        assert kinds[0] == "markdown", step
        (page,) = [output for output in view["outputs"] if output["type"] == "web-app"]
        assert page["storage"] == "inline"
        assert len(page["source"]) < 1_000_000
        assert "<script" not in page["source"]
    assert "<svg" in views["statisticsgen"]["outputs"][-1]["source"]


def test_tensorboard_opens_on_the_logs_of_the_run(place: Workplace, report: pathlib.Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "orchestration", "tensorboard", "--home", str(place.home)]
    logs = place.command([*command, "--json"])
    (folder,) = json.loads(logs.stdout).values()
    assert any(pathlib.Path(folder).rglob("events.out.tfevents.*"))

    server = subprocess.Popen(
        [*command, "--port", str(port)], cwd=place.folder, env=place.environment()
    )
    try:
        runs = _answer(f"http://127.0.0.1:{port}/data/runs", server)
    finally:
        server.terminate()
        server.wait(30)

    assert any(place.record()["id"] in run for run in runs)


def _answer(url: str, server: "subprocess.Popen[bytes]") -> Any:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(requests.ConnectionError):
            if found := requests.get(url, timeout=30).json():
                return found
        time.sleep(0.5)
    raise AssertionError("TensorBoard did not show the runs")


def test_the_notebook_runs(
    place: Workplace, report: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nbclient
    import nbformat

    monkeypatch.setenv("COMPLAINT_PIPELINE_HOME", str(place.home))
    monkeypatch.setenv("PYTHONPATH", str(PROJECT))
    notebook = nbformat.read(PROJECT / "docs/notebooks/charts.ipynb", as_version=4)

    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()

    figures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "application/vnd.plotly.v1+json" in output.get("data", {})
    ]
    assert len(figures) == 2
