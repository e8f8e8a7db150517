"""The page of runs compared."""

import pathlib
import re

from orchestration.local.run_record import StepRecord
from orchestration.report.comparison import write_comparison
from orchestration.run_comparison import compare
from orchestration.run_view import RunView


def _view(name: str, **metrics: float) -> RunView:
    return RunView(
        id=name,
        name=name,
        state="Succeeded",
        pipeline="p.yaml",
        parameters={"name": name},
        metrics=metrics,
        steps=[StepRecord(name="train")],
    )


def _page(folder: pathlib.Path, *views: RunView) -> str:
    write_comparison(compare(views), None, folder / "page.html")
    text = (folder / "page.html").read_text(encoding="utf-8")
    return text[text.index("<main") :]


def _row(page: str, name: str) -> list[str]:
    (row,) = [
        row for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL) if f">{name}</th>" in row
    ]
    return re.findall(r"<td[^>]*>(.*?)</td>", row)


def test_no_two_headings_are_alike(tmp_path: pathlib.Path) -> None:
    page = _page(tmp_path, _view("a", auc=0.5), _view("b", auc=0.6))

    headings = re.findall(r"<(?:h2|caption|figcaption)[^>]*>(.*?)</", page)
    assert "Metrics side by side" in headings
    assert len(headings) == len(set(headings)) == 7


def test_the_best_run_is_named_or_that_all_are_equal(tmp_path: pathlib.Path) -> None:
    page = _page(
        tmp_path,
        _view("a", auc=0.5, calibration=1.5, recall=0.25),
        _view("b", auc=0.6, calibration=0.9, recall=0.25),
        _view("c", auc=0.6, calibration=1.2, recall=0.25),
    )

    assert _row(page, "auc")[0] == "run 2, run 3"
    assert _row(page, "calibration")[0] == "run 2"
    assert _row(page, "recall")[0] == "equal"


def test_counts_are_whole_numbers_beside_metrics_of_four_decimals(tmp_path: pathlib.Path) -> None:
    views = (_view("a", auc=0.5, example_count=561.0), _view("b", auc=1.0, example_count=562.0))

    page = _page(tmp_path, *views)

    assert _row(page, "auc")[1:4] == ["0.5000", "1.0000", "0.5000"]
    assert _row(page, "example_count")[1:4] == ["561", "562", "1"]
