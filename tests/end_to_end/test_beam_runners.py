"""The compiled pipeline gives the same on each of Beam's runners."""

import dataclasses
import pathlib
import sys

import pytest

from tests.beam_outputs import BeamOutputs, different_statistics, read_metrics, read_outputs
from tests.beam_runners import BEAM_RUNNERS, BeamRunner
from tests.end_to_end.project import FEW_STEPS, Workplace, only_tasks, succeeded, workplace

pytestmark = pytest.mark.whole


@dataclasses.dataclass(frozen=True)
class Run:
    """What a whole run has written.

    Attributes:
        outputs: What Beam has written before the training.
        metrics: The evaluation of the model that the run has trained.
    """

    outputs: BeamOutputs
    metrics: dict[str, float]


def _compile(place: Workplace, settings: list[str]) -> pathlib.Path:
    compiled = place.command(
        [
            *(sys.executable, "-m", "orchestration", "compile", "--output-filename", "w.yaml"),
            *(word for setting in settings for word in ("--set", setting)),
        ]
    )
    assert compiled.returncode == 0, compiled.stderr
    return place.folder / "w.yaml"


def _run(runner: BeamRunner, folder: pathlib.Path) -> Run:
    place = workplace(folder)
    with runner.settings(folder) as settings:
        succeeded(place.run(_compile(place, settings), *FEW_STEPS))
    return Run(read_outputs(place.volume), read_metrics(place.volume))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return _run(BEAM_RUNNERS[0], tmp_path_factory.mktemp("reference"))


@pytest.fixture(
    scope="module", params=BEAM_RUNNERS[1:], ids=[runner.name for runner in BEAM_RUNNERS[1:]]
)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    if reason := request.param.missing():
        pytest.skip(reason)
    return _run(request.param, tmp_path_factory.mktemp("run"))


def test_the_same_examples_fall_into_the_same_splits(reference: Run, run: Run) -> None:
    assert len(reference.outputs.examples["train"]) > 4_000
    assert run.outputs.examples == reference.outputs.examples


def test_the_statistics_are_the_same(reference: Run, run: Run) -> None:
    assert len(reference.outputs.statistics["train"]) > 100
    assert different_statistics(run.outputs, reference.outputs) == []


def test_the_vocabulary_and_the_transformed_examples_are_the_same(reference: Run, run: Run) -> None:
    assert run.outputs.vocabulary == reference.outputs.vocabulary
    assert run.outputs.transformed == reference.outputs.transformed


def test_the_model_that_the_run_has_trained_is_evaluated_alike(reference: Run, run: Run) -> None:
    assert len(reference.metrics) > 100
    assert run.metrics == pytest.approx(reference.metrics, abs=1e-6, nan_ok=True)


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
    workflow = _compile(place, settings)

    done = place.run(only_tasks(tmp_path, "csvexamplegen", workflow=workflow))

    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Beam's job server at localhost:1 does not answer" in line
    assert "beam.job_endpoint" in line
