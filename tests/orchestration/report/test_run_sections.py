"""A run's summary, its steps over time, and its graph."""

import pytest

from components.approvals import Decision
from components.charts.section import Chart, Diagram, Note, Table
from orchestration.local import run_record
from orchestration.local.run_record import RunAttempt, StepRecord
from orchestration.report.run_sections import memory, steps_section, summary_section
from orchestration.run_view import RunView
from orchestration.workflow import Resources
from orchestration.workflow_parser import parse_workflow
from tests.shell_workflow import container, workflow


def view(**more: object) -> RunView:
    values: dict[str, object] = {
        "id": "run-1",
        "name": "run-1",
        "state": run_record.FAILED,
        "pipeline": "/a/pipeline.yaml",
        "started": 1_700_000_000.0,
        "ended": 1_700_000_042.0,
        "message": "second: <b>broken</b>",
        "parameters": {"data-root": "/data"},
        "result": {"blessed": False, "missed": ["auc is 0.5; the least is 0.6"], "pushed": False},
        "steps": [
            StepRecord(
                name="first",
                state=run_record.SUCCEEDED,
                attempts=1,
                cached=True,
                started=1_700_000_001.0,
                ended=1_700_000_011.0,
                cpu_seconds=9.5,
                peak_bytes=3 * 1024**3,
            ),
            StepRecord(
                name="second",
                state=run_record.FAILED,
                attempts=2,
                started=1_700_000_011.0,
                ended=1_700_000_041.0,
                message="broken",
            ),
            StepRecord(name="third", state=run_record.OMITTED),
        ],
        "resources": {"first": Resources(memory_request=1024**3, memory_limit=2 * 1024**3)},
    }
    return RunView(**{**values, **more})  # type: ignore[arg-type]


def tables(blocks: object) -> dict[str, Table]:
    return {block.title: block for block in blocks if isinstance(block, Table)}  # type: ignore[attr-defined]


def test_the_summary_says_how_it_ended_and_what_it_missed() -> None:
    section = summary_section(view(labels={"code-hash": "abc"}))

    notes = [(block.text, block.level) for block in section.blocks if isinstance(block, Note)]
    assert notes == [("Failed in 42 s", "failure"), ("second: <b>broken</b>", "failure")]
    rows = tables(section.blocks)["The run"].rows
    assert ("started", "2023-11-14 22:13:20 UTC") in rows
    assert ("steps from the cache", "1 of 3") in rows
    assert ("blessed", "no (auc is 0.5; the least is 0.6)") in rows
    assert ("pushed model", "none, because the model was not blessed") in rows
    assert ("code-hash", "abc") in rows


def test_the_summary_says_who_has_decided_what() -> None:
    decisions = [
        Decision(approved=False, by="Ann", note="too few rows", milliseconds=1_700_000_000_000),
        Decision(approved=True, by="Bo", note="", milliseconds=1_700_000_060_000),
    ]

    rows = tables(summary_section(view(), decisions).blocks)["The run"].rows

    assert [text for name, text in rows if name == "approval"] == [
        "rejected by Ann, 2023-11-14 22:13:20 UTC: too few rows",
        "approved by Bo, 2023-11-14 22:14:20 UTC",
    ]


def test_a_run_that_goes_on_has_no_end() -> None:
    section = summary_section(view(state=run_record.RUNNING, ended=None, message=None))

    note = section.blocks[0]
    assert isinstance(note, Note)
    assert note.text.startswith("Running for ")
    assert note.level == "warning"


def test_each_step_has_a_bar_from_its_start_to_its_end() -> None:
    section = steps_section(view(), None)

    (gantt,) = [block for block in section.blocks if isinstance(block, Chart)]
    cached, failed = gantt.figure.data
    assert (cached.name, cached.base[0], cached.x[0]) == ("From the cache", 0.0, 10.0)
    assert (failed.name, failed.base[0], failed.x[0]) == (run_record.FAILED, 10.0, 30.0)
    assert gantt.description == "2 steps; the longest is second with 30.0 s."


def test_a_retried_runs_bars_begin_at_the_first_step_without_the_wait() -> None:
    attempts = [
        RunAttempt(started=1_700_000_000.0, ended=1_700_000_011.0),
        RunAttempt(started=1_700_003_611.0, ended=1_700_003_642.0),
    ]
    first, second, _ = view().steps
    second.started, second.ended = 1_700_003_612.0, 1_700_003_641.0

    section = steps_section(view(steps=[first, second], attempts=attempts), None)

    (gantt,) = [block for block in section.blocks if isinstance(block, Chart)]
    starts = [trace.base[0] for trace in gantt.figure.data]
    assert starts == [0.0, 11.0]
    assert "Waits for a retry are left out: 1 h 0 min." in gantt.description


def test_bars_begin_at_0_where_only_the_retry_has_run_steps() -> None:
    attempts = [
        RunAttempt(started=1_700_000_000.0, ended=1_700_000_001.0),
        RunAttempt(started=1_700_003_600.0, ended=1_700_003_620.0),
    ]
    step = StepRecord(
        name="first",
        state=run_record.SUCCEEDED,
        attempts=2,
        started=1_700_003_601.0,
        ended=1_700_003_620.0,
    )

    section = steps_section(view(steps=[step], attempts=attempts), None)

    (gantt,) = [block for block in section.blocks if isinstance(block, Chart)]
    assert [list(trace.base) for trace in gantt.figure.data] == [[0.0]]
    assert "Waits" not in gantt.description


def test_what_a_step_used_stands_beside_what_it_asks_for() -> None:
    (table,) = tables(steps_section(view(), None).blocks).values()

    first, _, third = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    assert first["peak memory"] == "3.00 GiB"
    assert (first["memory asked"], first["memory limit"]) == ("1.00 GiB", "2.00 GiB")
    assert first["state"] == "From the cache"
    assert (third["seconds"], third["peak memory"]) == (None, None)


def test_the_diagram_has_a_box_for_each_step_with_its_state_in_words_and_colour() -> None:
    steps = [container(name, "true") for name in ("first", "second", "third")]
    parsed = parse_workflow(workflow(steps, dependencies={"second": ["first"]}))

    (diagram,) = [b for b in steps_section(view(), parsed).blocks if isinstance(b, Diagram)]

    boxes = {box.name: box for box in diagram.boxes}
    assert {name: box.subtitle for name, box in boxes.items()} == {
        "first": "From the cache, 10.0 s",
        "second": "Failed, 30.0 s",
        "third": "Omitted",
    }
    assert len({box.colour for box in boxes.values()}) == 3
    assert "second (Failed) after first" in diagram.description


def test_an_arrow_leads_to_each_step_from_those_right_before_it() -> None:
    steps = [container(name, "true") for name in "abc"]
    parsed = parse_workflow(workflow(steps, dependencies={"b": ["a"], "c": ["a", "b"]}))

    (diagram,) = [b for b in steps_section(view(), parsed).blocks if isinstance(b, Diagram)]

    # That c waits for a follows from the others.
    assert len(diagram.arrows) == 2
    assert diagram.description.endswith("; c (Pending) after b.")


@pytest.mark.parametrize(
    ("size", "text"), [(None, None), (350 * 1024**2, "350 MiB"), (1024**3, "1.00 GiB")]
)
def test_sizes(size: int | None, text: str | None) -> None:
    assert memory(size) == text
