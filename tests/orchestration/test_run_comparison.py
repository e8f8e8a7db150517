"""Runs compared: the values, the JSON and the table."""

import json
from typing import Any

import pytest

from components.errors import RunError
from orchestration.comparison_page import comparison_page
from orchestration.local.run_record import StepRecord
from orchestration.run_comparison import Metric, compare, comparison_json
from orchestration.run_view import RunView
from tests.console_text import text_of


def view(name: str, **more: Any) -> RunView:
    values = {"state": "Succeeded", "pipeline": "p.yaml", "started": 1000.0, "ended": 1090.0}
    return RunView(id=name, name=name, **{**values, **more})


def page(*views: RunView, width: int = 80, all_parameters: bool = False) -> str:
    comparison = compare(views, all_parameters=all_parameters)
    return text_of(comparison_page(comparison, width), width)


def row(text: str, name: str) -> list[str]:
    """The cells of a row, the name left out."""
    (line,) = (line for line in text.splitlines() if line.strip().startswith(f"{name} "))
    return line.split()[len(name.split()) :]


@pytest.mark.parametrize(
    ("other", "differs"),
    [({"example_count": 90.0}, True), ({"span": 3.0}, True), ({"auc": 0.75}, False)],
)
def test_metrics_of_other_complaints_come_with_a_caution(
    other: dict[str, float], differs: bool
) -> None:
    metrics = {"auc": 0.5, "example_count": 100.0, "span": 2.0}

    text = page(view("a", metrics=metrics), view("b", metrics={**metrics, **other}))

    assert ("evaluated on different complaints" in text) is differs


def test_a_metric_that_a_run_lacks_has_no_value_and_no_difference() -> None:
    (auc, loss) = compare(
        [view("a", metrics={"auc": 0.5}), view("b", metrics={"auc": 0.75, "loss": 1.0})]
    ).metrics

    assert (auc.name, auc.values, auc.differences) == ("auc", (0.5, 0.75), (0.0, 0.25))
    assert (loss.name, loss.values, loss.differences) == ("loss", (None, 1.0), (None, None))


@pytest.mark.parametrize(
    ("name", "values", "best"),
    [
        ("auc", (0.5, 0.7, None), (1,)),
        ("val_auc", (0.7, 0.5, 0.7), (0, 2)),
        ("binary_accuracy", (0.1, 0.2), (1,)),
        ("val_loss", (0.5, 0.7, None), (0,)),
        ("binary_crossentropy", (2.0, 1.0), (1,)),
        ("example_count", (1.0, 2.0), ()),
        ("auc", (0.5, 0.5), ()),
        ("auc", (0.5, None), ()),
        ("auc", (0.5, 0.5 + 1e-12), ()),
        ("auc", (0.4, 0.5, 0.5 + 1e-12), (1, 2)),
        ("calibration", (0.7, 1.25, 1.4), (1,)),
        ("calibration", (0.75, 1.25), (0, 1)),
        ("calibration_error", (0.2, 0.1), (1,)),
    ],
)
def test_the_best_of_a_metric_is_known_by_its_name(
    name: str, values: tuple[float | None, ...], best: tuple[int, ...]
) -> None:
    assert Metric(name, values).best == best


@pytest.mark.parametrize(
    ("name", "values", "better"),
    [
        ("auc", (0.5, 0.7), True),
        ("loss", (0.5, 0.7), False),
        ("calibration", (1.4, 0.9), True),
        ("calibration", (0.75, 1.25), None),
        ("example_count", (1.0, 2.0), None),
        ("auc", (0.5, None), None),
    ],
)
def test_a_run_is_better_or_worse_than_the_first(
    name: str, values: tuple[float | None, ...], better: bool | None
) -> None:
    assert Metric(name, values).is_better(1) is better


def test_only_parameters_that_differ_are_kept_unless_all_are_asked_for() -> None:
    views = [
        view("a", parameters={"same": "1", "other": "2"}),
        view("b", parameters={"same": "1", "other": "3", "new": "4"}),
    ]

    some = {item.name: item.values for item in compare(views).parameters}
    every = [item.name for item in compare(views, all_parameters=True).parameters]

    assert some == {"other": ("2", "3"), "new": (None, "4")}
    assert every == ["same", "other", "new"]


def test_a_run_given_twice_is_refused() -> None:
    with pytest.raises(RunError, match="a: this run is given twice"):
        compare([view("a"), view("b"), view("a")])


def test_one_run_is_refused() -> None:
    with pytest.raises(RunError, match="name two or more"):
        compare([view("a")])


def test_json_has_whole_values_and_null_for_what_nobody_knows() -> None:
    long = '{"num_steps": 1, "more": "' + "x" * 500 + '"}'
    known = view(
        "a",
        metrics={"auc": 0.5},
        parameters={"train-args": long},
        steps=[StepRecord("s", "Succeeded", cached=True), StepRecord("t", "Failed")],
        result={"blessed": True, "pushed": False},
    )
    going_on = view("b", state="Running", ended=None, metrics={"auc": 0.75})

    answer = json.loads(json.dumps(comparison_json(compare([known, going_on])), allow_nan=False))

    first, second = answer["runs"]
    told = ("seconds", "blessed", "pushed", "cached_steps", "steps")
    assert [first[name] for name in told] == [90.0, True, False, 1, 2]
    assert [second[name] for name in told] == [None, None, None, None, 0]
    assert answer["metrics"] == [
        {"name": "auc", "values": [0.5, 0.75], "differences": [0.0, 0.25], "best": ["b"]}
    ]
    assert answer["parameters"] == [{"name": "train-args", "values": [long, None], "differs": True}]


def test_two_runs_are_shown_with_their_difference() -> None:
    metrics = {"auc": 0.7031, "example_count": 500.0, "loss": 0.00012, "only": 1.0}
    other = {"auc": 0.6922, "example_count": 500.0, "loss": 0.00024}

    text = page(view("a", metrics=metrics), view("b", metrics=other))

    assert row(text, "auc") == ["0.7031", "0.6922", "-0.0109"]
    assert row(text, "example_count") == ["500", "500", "0"]
    assert row(text, "loss") == ["0.00012", "0.00024", "+0.00012"]
    assert row(text, "only") == ["1", "-", "-"]


def test_of_more_runs_the_best_is_marked() -> None:
    text = page(
        *(
            view(name, metrics={"auc": auc})
            for name, auc in zip("abc", (0.5, 0.7, 0.6), strict=True)
        )
    )

    assert row(text, "auc") == ["0.5000", "*", "0.7000", "0.6000"]
    assert "* the best of its row" in text
    assert "difference" not in text


def test_how_the_runs_went_is_shown() -> None:
    done = view(
        "a",
        steps=[StepRecord("s", "Succeeded", cached=True), StepRecord("t", "Succeeded")],
        result={"blessed": False, "pushed": True},
    )

    text = page(done, view("b", state="Failed", ended=None))

    assert row(text, "state") == ["Succeeded", "Failed"]
    assert row(text, "time") == ["1", "min", "30", "s", "-"]
    assert row(text, "cached steps") == ["1", "of", "2", "-"]
    assert row(text, "blessed") == ["no", "-"]
    assert row(text, "pushed") == ["yes", "-"]


def test_runs_without_metrics_and_parameters_say_so() -> None:
    text = page(view("a", parameters={"p": "1"}), view("b", parameters={"p": "1"}))

    assert "none of these runs has metrics" in text
    assert "all run parameters are the same" in text


def test_long_values_are_shortened_to_where_they_differ() -> None:
    values = ["/tfx-data/" + "x" * 100 + f"/2026-0{month}/" + "y" * 100 for month in (1, 2)]

    text = page(
        *(view(name, parameters={"data-root": v}) for name, v in zip("ab", values, strict=True))
    )

    first, second = row(text, "data-root")
    assert first.startswith("…")
    assert first.endswith("…")
    assert ("-01/" in first, "-02/" in second) == (True, True)


@pytest.mark.parametrize("count", [2, 3, 9])
def test_a_narrow_terminal_shows_all_runs_whole(count: int) -> None:
    views = [
        view(
            f"consumer-complaint-pipeline-kubeflow-x7k2{number}",
            metrics={"auc_precision_recall": 0.5 + number / 100, "a_metric_of_a_long_name": 1.0},
            parameters={"train-args": f'{{"num_steps": {number}000, "batch": "{"x" * 99}"}}'},
        )
        for number in range(count)
    ]

    text = page(*views)

    assert max(map(len, text.splitlines())) <= 80
    for number, shown in enumerate(views):
        assert shown.id in text
        assert f"{0.5 + number / 100:.4f}" in text
        assert f"{number}000" in text


def test_what_a_run_was_given_is_not_obeyed_by_the_terminal() -> None:
    text = page(
        view("a", parameters={"p": "[red]\x1b[2J one\ntwo"}), view("b", parameters={"p": "x"})
    )

    assert row(text, "p") == ["[red]", "one", "two", "x"]
