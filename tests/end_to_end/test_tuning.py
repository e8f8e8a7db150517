"""A pipeline that searches for hyperparameters before it trains."""

import json
import pathlib
import sys
from typing import Any

import pytest

from tests.end_to_end.project import FEW_STEPS, Workplace, steps, succeeded, workplace

pytestmark = pytest.mark.whole

TUNED = (
    "learning_rate",
    "linear_learning_rate",
    "l2",
    "linear_l2",
    "text_l2",
    "dropout",
    "embedding_dim",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    return workplace(tmp_path_factory.mktemp("place"))


@pytest.fixture(scope="module")
def workflow(place: Workplace) -> pathlib.Path:
    path = place.folder / "tuned.yaml"
    compiled = place.command(
        [
            *(sys.executable, "-m", "orchestration", "compile", "--output-filename", str(path)),
            *("--set", "tuning.trials=2", "--set", "tuning.train_steps=20"),
            *("--set", "training.hyperparameters={patience: 3}"),
            *("--set", "evaluation.auc_lower_bound=0.1"),
        ]
    )
    assert compiled.returncode == 0, compiled.stderr
    return path


@pytest.fixture(scope="module")
def record(place: Workplace, workflow: pathlib.Path) -> dict[str, Any]:
    return succeeded(place.run(workflow, *FEW_STEPS, "--report", str(place.folder / "report.html")))


def only(place: Workplace, pattern: str) -> Any:
    (path,) = (place.volume / "output").glob(pattern)
    return json.loads(path.read_text())


def test_the_trainer_takes_the_best_of_the_trials(place: Workplace, record: dict[str, Any]) -> None:
    trials = only(place, "*/Tuner/tuner_results/*/tuner_results.json")
    trained = only(place, "*/Trainer/model_run/*/training.json")["hyperparameters"]

    assert len(trials) == 2
    best = max(trials, key=lambda trial: trial["score"])
    assert {name: trained[name] for name in TUNED} == {name: best[name] for name in TUNED}
    # What is not searched is as the settings say.
    assert trained["patience"] == 3
    assert trials[0]["l2"] != trials[1]["l2"]


def test_the_report_shows_the_trials(place: Workplace, record: dict[str, Any]) -> None:
    assert record["result"]["pushed"]
    page = (place.folder / "report.html").read_text()
    assert "Trials, the best first" in page


def test_the_search_comes_from_the_cache_when_nothing_has_changed(
    place: Workplace, workflow: pathlib.Path, record: dict[str, Any]
) -> None:
    again = succeeded(place.run(workflow, *FEW_STEPS))

    assert steps(again)["tuner"]["cached"]
    assert steps(again)["trainer"]["cached"]
