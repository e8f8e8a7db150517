"""What a run shows while it goes, and at its end."""

import io

import pytest
from rich.console import Console

from orchestration.local.display import Display, memory_warning, run_table
from orchestration.local.run_record import RunRecord, StepRecord
from orchestration.local.summary import verdict
from orchestration.workflow import Resources, Workflow
from orchestration.workflow_parser import parse_workflow
from tests.shell_workflow import container, workflow

GIB = 1024**3


def shown() -> Workflow:
    resources = {"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}}
    return parse_workflow(
        workflow([container("train", "true", container={"resources": resources})])
    )


def record(step: StepRecord, **more: object) -> RunRecord:
    return RunRecord(
        id="run-1",
        uid="u",
        package="p.yaml",
        parameters={},
        folders={},
        metadata="sqlite:x",
        max_parallel=1,
        steps=[step],
        **more,  # type: ignore[arg-type]
    )


def test_plain_lines_name_each_change_once() -> None:
    text = io.StringIO()
    step = StepRecord(name="train")
    with Display(Console(file=text, width=200), shown()) as display:
        display.update(record(step))
        step.state, step.attempts, step.started = "Running", 1, 10.0
        display.update(record(step))
        display.update(record(step))
        step.state, step.ended, step.cached, step.peak_bytes = "Succeeded", 12.5, True, GIB
        display.update(record(step))

    assert text.getvalue().splitlines() == [
        "train: Running",
        "train: Succeeded, cached, 2.5 s, cpu 0.0 s, peak 1.00Gi",
    ]


def test_a_peak_above_the_limit_is_warned_of() -> None:
    limits = Resources(memory_limit=2 * GIB)

    assert memory_warning(StepRecord(name="a", peak_bytes=2 * GIB), limits) is None
    warning = memory_warning(StepRecord(name="a", peak_bytes=2 * GIB + 1), limits)
    assert warning is not None
    assert "OOM-killed" in warning


def test_the_table_has_request_and_limit_beside_the_peak() -> None:
    step = StepRecord(name="train", state="Failed", attempts=1, started=0, ended=1, message="[why]")
    text = io.StringIO()

    Console(file=text, width=200).print(
        run_table(record(step), {"train": shown().steps[0].resources})
    )

    assert "1.00Gi 2.00Gi" in " ".join(text.getvalue().split())
    assert "train: [why]" in text.getvalue()


def test_the_table_fits_a_terminal_of_80_columns() -> None:
    step = StepRecord(
        name="examplevalidator",
        state="Succeeded",
        cached=True,
        attempts=1,
        started=0,
        ended=1234.5,
        cpu_seconds=1234.5,
        peak_bytes=12 * GIB,
    )
    text = io.StringIO()

    Console(file=text, width=80).print(
        run_table(record(step), {step.name: Resources(memory_request=GIB, memory_limit=2 * GIB)})
    )

    row = "examplevalidator Succeeded cached 1234.5 s 1234.5 s 12.00Gi 1.00Gi 2.00Gi"
    assert row in " ".join(text.getvalue().split())
    assert "OOM-killed" in text.getvalue()


@pytest.mark.parametrize(
    ("result", "lines"),
    [
        ({}, []),
        (
            {"blessed": True, "pushed": True, "pushed_model": "/m/1"},
            ["blessed: yes", "pushed model: /m/1"],
        ),
        (
            {"blessed": False, "pushed": False, "missed": ["auc is 0.5; the least is 0.6"]},
            [
                "blessed: no (auc is 0.5; the least is 0.6)",
                "pushed model: none, because the model was not blessed",
            ],
        ),
    ],
)
def test_the_end_names_the_model_and_the_blessing(
    result: dict[str, object], lines: list[str]
) -> None:
    done = record(StepRecord(name="train"), result=result, started=0.0, ended=5.0)

    assert verdict(done)[1:] == lines
