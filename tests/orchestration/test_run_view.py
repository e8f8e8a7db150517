"""The table and the JSON of runs, which are the same here and on Kubeflow."""

import io

import pytest
from rich.console import Console

from components.errors import RunError
from orchestration.local.run_record import RunAttempt, StepRecord
from orchestration.run_view import (
    RunView,
    finite_numbers,
    run_json,
    run_page,
    runs_table,
    watch,
)
from tests.console_text import text_of


def view(state: str = "Running", **more: object) -> RunView:
    values: dict[str, object] = {"id": "i", "name": "n", "pipeline": "p", **more}
    return RunView(state=state, **values)  # type: ignore[arg-type]


def test_an_id_is_whole_in_a_narrow_terminal() -> None:
    identity = "3b0d4a7e-0f4c-4d3e-9a57-6c1b7a1e2f90"

    table = text_of(runs_table([view(id=identity, name="a long name" * 5)], width=80), width=80)

    assert identity in table
    assert "Running" in table


def test_what_nobody_has_is_no_column() -> None:
    local = text_of(runs_table([view(id="x", name="x")]))
    cluster = text_of(runs_table([view(experiment="e")]))

    assert "experiment" not in local
    assert "name" not in local
    assert "experiment" in cluster


def test_the_auc_is_a_column_where_it_is_known_and_fits() -> None:
    views = [view(metrics={"auc": 0.70312}), view(metrics={"loss": 0.5})]

    assert "AUC" in text_of(runs_table(views))
    assert "0.7031" in text_of(runs_table(views))
    assert "AUC" not in text_of(runs_table(views, width=80), width=80)
    assert "AUC" not in text_of(runs_table([view()]))


@pytest.mark.parametrize(
    ("values", "finite"),
    [
        ({"auc": 0.5, "examples": 3}, {"auc": 0.5, "examples": 3.0}),
        ({"a": float("nan"), "b": float("inf"), "c": None, "d": "0.5"}, {}),
        (None, {}),
        ([0.5], {}),
    ],
)
def test_only_finite_numbers_are_metrics(values: object, finite: dict[str, float]) -> None:
    assert finite_numbers(values) == finite


@pytest.mark.parametrize(
    ("ended", "took"), [(42, "42 s"), (132, "2 min 12 s"), (7260, "2 h 1 min")]
)
def test_a_run_says_how_long_it_took(ended: float, took: str) -> None:
    assert f"run n: Succeeded in {took}\n" in text_of(
        run_page(view("Succeeded", started=0.0, ended=ended))
    )


def test_a_retried_run_counts_from_its_first_start_and_says_so() -> None:
    attempts = [RunAttempt(started=0.0, ended=10.0), RunAttempt(started=130.0, ended=132.0)]

    page = text_of(run_page(view("Succeeded", started=0.0, ended=132.0, attempts=attempts)))

    assert "run n: Succeeded in 2 min 12 s with 1 retry\n" in page
    assert "time without waits: 12 s in 2 attempts\n" in page


@pytest.mark.parametrize(("width", "is_said"), [(80, False), (120, True)])
def test_the_list_says_that_a_run_was_retried_where_there_is_room(
    width: int, is_said: bool
) -> None:
    attempts = [RunAttempt(started=0.0, ended=10.0), RunAttempt(started=130.0, ended=132.0)]
    retried = view("Succeeded", started=0.0, ended=132.0, attempts=attempts)

    table = text_of(runs_table([retried], width), width)

    assert "2 min 12 s" in table
    assert ("with 1 retry" in table) is is_said


def test_the_time_without_waits_is_unknown_where_nobody_saw_an_end() -> None:
    attempts = [RunAttempt(started=0.0), RunAttempt(started=130.0, ended=132.0)]

    page = text_of(run_page(view("Succeeded", started=0.0, ended=132.0, attempts=attempts)))

    assert "time without waits" not in page


def test_a_page_has_the_auc_with_its_thresholds_the_blessing_and_the_push() -> None:
    def threshold(metric: str, demand: str, *, baseline: float | None, reached: bool) -> object:
        return {
            "metric": metric,
            "of_all_examples": True,
            "demand": demand,
            "measured": 0.7,
            "baseline": baseline,
            "reached": reached,
        }

    result = {
        "thresholds": [
            threshold("auc", "not below the baseline", baseline=0.71, reached=False),
            threshold("auc", "at least 0.6", baseline=None, reached=True),
            threshold("recall", "at least 0.1", baseline=None, reached=True),
        ],
        "blessed": False,
        "missed": ["auc is 0.0100 below"],
        "pushed": False,
    }
    steps = [
        StepRecord("a", "Succeeded", cached=True),
        StepRecord("b", "Succeeded", cached=False),
    ]

    page = text_of(
        run_page(view("Succeeded", steps=steps, metrics={"auc": 0.7}, result=result)), 200
    )

    assert page.splitlines()[-4:] == [
        "steps from the cache: 1 of 2",
        "AUC: 0.7000 (at least 0.6: reached; not below the baseline of 0.7100: missed)",
        "blessed: no (auc is 0.0100 below)",
        "pushed model: none, because the model was not blessed",
    ]


@pytest.mark.parametrize(("first", "text"), [(2.0, "spans: 2 to 3\n"), (3.0, "spans: 3\n")])
def test_a_page_has_the_spans(first: float, text: str) -> None:
    result = {"spans": {"first_span": first, "span": 3.0}}

    assert text in text_of(run_page(view("Succeeded", result=result)))


def test_a_page_has_the_first_warnings_about_the_data() -> None:
    page = text_of(run_page(view("Succeeded", result={"warnings": ["a: b", *"cdef"]})))

    assert "data: warning: a: b; c; d; and 2 more\n" in page


def test_an_auc_without_thresholds_stands_alone() -> None:
    assert "AUC: 0.7000\n" in text_of(run_page(view("Succeeded", metrics={"auc": 0.7})))


def test_a_page_has_steps_message_and_address() -> None:
    steps = [StepRecord("train", "Failed", attempts=2, message="OOMKilled")]

    page = text_of(run_page(view("Failed", steps=steps, message="it failed", url="http://x/#/1")))

    for words in ("train", "OOMKilled", "attempt 2", "it failed", "http://x/#/1"):
        assert words in page


def test_what_was_not_measured_is_null() -> None:
    known = StepRecord("a", "Succeeded", cpu_seconds=1.5, peak_bytes=2)
    unknown = StepRecord("b", "Succeeded")

    steps = run_json(view(steps=[known, unknown]))["steps"]

    assert (steps[0]["cpu_seconds"], steps[0]["peak_bytes"]) == (1.5, 2)
    assert (steps[1]["cpu_seconds"], steps[1]["peak_bytes"]) == (None, None)


def test_watching_prints_each_change_once_and_ends_with_the_run() -> None:
    def at(state: str, step: str) -> RunView:
        return view(state, steps=[StepRecord("a", step, attempts=1)])

    looks = iter([at("Running", "Running"), at("Running", "Running"), at("Succeeded", "Succeeded")])
    text = io.StringIO()

    ended = watch(lambda: next(looks), Console(file=text), every_seconds=0.01)

    assert ended.state == "Succeeded"
    lines = text.getvalue().splitlines()
    assert [line.partition(",")[0] for line in lines] == ["a: Running", "a: Succeeded"]


def test_watching_ends_at_the_timeout() -> None:
    with pytest.raises(RunError, match="still Running"):
        watch(view, Console(quiet=True), every_seconds=0.01, timeout_seconds=0.03)


def test_what_a_terminal_would_obey_is_not_shown() -> None:
    console = Console(width=100, file=io.StringIO())
    hostile = "\x1b[31mbad\x1b]0;title\x07"
    step = StepRecord(name="first", state="Failed", message=hostile)
    view = RunView(
        id="1", name=hostile, state="Failed", pipeline="p", message=hostile, steps=[step]
    )

    console.print(run_page(view))
    console.print(runs_table([view], 200))

    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b" not in printed
    assert "\x07" not in printed
    assert "bad" in printed


@pytest.mark.parametrize("value", [10**400, float("nan"), float("inf"), "0.5", None])
def test_a_metric_that_is_no_finite_number_is_left_out(value: object) -> None:
    assert finite_numbers({"auc": 0.5, "other": value}) == {"auc": 0.5}
