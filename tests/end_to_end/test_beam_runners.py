"""The Beam steps of the compiled pipeline give the same on each runner."""

import dataclasses
import pathlib
import sys
from collections.abc import Iterator

import pytest
import yaml

from tests.beam_outputs import BeamOutputs, different_statistics, read_metrics, read_outputs
from tests.beam_runners import BEAM_RUNNERS, BeamRunner
from tests.end_to_end.project import FEW_STEPS, Workplace, only_tasks, steps, succeeded, workplace

pytestmark = pytest.mark.whole

_BEFORE_TRAINING = ("csvexamplegen", "statisticsgen", "importschemagen", "transform")


@dataclasses.dataclass(frozen=True)
class Reference:
    """A whole run on the first of the runners."""

    place: Workplace
    workflow: pathlib.Path
    outputs: BeamOutputs
    metrics: dict[str, float]


def _compile(place: Workplace, name: str, settings: list[str]) -> pathlib.Path:
    # So that a model of a few steps is evaluated like one that is blessed.
    overrides = [*settings, "evaluation.auc_lower_bound=0.1"]
    compiled = place.command(
        [
            *(sys.executable, "-m", "orchestration", "compile", "--output-filename", name),
            *(word for override in overrides for word in ("--set", override)),
        ]
    )
    assert compiled.returncode == 0, compiled.stderr
    return place.folder / name


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    place = workplace(tmp_path_factory.mktemp("reference"))
    with BEAM_RUNNERS[0].settings(place.folder) as settings:
        workflow = _compile(place, "reference.yaml", settings)
        succeeded(place.run(workflow, *FEW_STEPS))
    return Reference(place, workflow, read_outputs(place.volume), read_metrics(place.volume))


@pytest.fixture(
    scope="module", params=BEAM_RUNNERS[1:], ids=[runner.name for runner in BEAM_RUNNERS[1:]]
)
def runner(request: pytest.FixtureRequest) -> BeamRunner:
    if reason := request.param.missing():
        pytest.skip(reason)
    return request.param


@pytest.fixture(scope="module")
def settings(runner: BeamRunner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    with runner.settings(tmp_path_factory.mktemp("servers")) as settings:
        yield settings


@pytest.fixture(scope="module")
def outputs(settings: list[str], tmp_path_factory: pytest.TempPathFactory) -> BeamOutputs:
    """What the steps before the training write on the runner."""
    place = workplace(tmp_path_factory.mktemp("place"))
    workflow = _compile(place, "all.yaml", settings)
    succeeded(place.run(only_tasks(place.folder, *_BEFORE_TRAINING, workflow=workflow)))
    return read_outputs(place.volume)


def test_the_same_examples_fall_into_the_same_splits(
    reference: Reference, outputs: BeamOutputs
) -> None:
    assert len(reference.outputs.examples["train"]) > 4_000
    assert outputs.examples == reference.outputs.examples


def test_the_statistics_are_the_same(reference: Reference, outputs: BeamOutputs) -> None:
    assert len(reference.outputs.statistics["train"]) > 100
    assert different_statistics(outputs, reference.outputs) == []


def test_the_vocabulary_and_the_transformed_examples_are_the_same(
    reference: Reference, outputs: BeamOutputs
) -> None:
    assert outputs.vocabulary == reference.outputs.vocabulary
    assert outputs.transformed == reference.outputs.transformed


def test_the_same_model_is_evaluated_alike(reference: Reference, settings: list[str]) -> None:
    place = reference.place
    other = _compile(place, "other.yaml", settings)
    mixed = _with_step_of(reference.workflow, other, "evaluator", place.folder / "mixed.yaml")

    record = succeeded(place.run(mixed, *FEW_STEPS))

    cached = {name: step["cached"] for name, step in steps(record).items()}
    assert cached["trainer"]
    assert not cached["evaluator"]
    assert read_metrics(place.volume) == pytest.approx(reference.metrics, abs=1e-6, nan_ok=True)


def test_a_job_server_that_does_not_answer_is_one_line_with_its_address(
    tmp_path: pathlib.Path,
) -> None:
    place = workplace(tmp_path)
    # Nothing listens at a reserved port.
    settings = [
        "beam.runner=PortableRunner",
        "beam.job_endpoint=localhost:1",
        "beam.options=[--job_server_timeout=1]",
    ]
    workflow = _compile(place, "lost.yaml", settings)

    done = place.run(only_tasks(tmp_path, "csvexamplegen", workflow=workflow))

    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Beam's job server at localhost:1 does not answer" in line
    assert "beam.job_endpoint" in line


def _with_step_of(
    workflow: pathlib.Path, other: pathlib.Path, step: str, path: pathlib.Path
) -> pathlib.Path:
    """Writes a workflow with one step of another."""
    manifest, of_other = (yaml.safe_load(file.read_text()) for file in (workflow, other))
    (taken,) = [each for each in of_other["spec"]["templates"] if each["name"] == step]
    manifest["spec"]["templates"] = [
        taken if each["name"] == step else each for each in manifest["spec"]["templates"]
    ]
    path.write_text(yaml.safe_dump(manifest))
    return path
