"""Measures the model against a logistic regression on the same complaints.

    python -m tests.benchmarks.model [CSV ...]

The default is the made-up sample. For each seed the complaints are shuffled, and split into 70 % to
train on, 10 % to choose by (the epoch of ours, C of the logistic regression), and 20 % to measure
on. Ours is what the Trainer trains with its default settings, after Transform. The logistic
regression is scikit-learn's, on one-hot categories and the TF-IDF of the narrative's words; both
with its default C = 1 and with the C of the best AUC on the 10 %.

AUC is the area under the ROC curve. ECE is the expected calibration error (Naeini et al., 2015) in
ten buckets of equal width: the mean of |share of disputed - mean probability| by bucket, weighted
by its complaints. Intervals are 95 % of Student's t over the seeds; they are somewhat too narrow,
since the seeds share complaints.
"""

import argparse
import contextlib
import dataclasses
import pathlib
import random
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

import data
from components import features
from components.complaints_csv import Complaint, read_complaints
from tests.transformed_data import Transformed, transform

_SAMPLE = pathlib.Path(data.__path__[0]) / "complaints_sample.csv"
_BUCKETS = 10
_CHOICES_OF_C = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_OURS, _DEFAULT_C, _BEST_C = "ours", "logistic regression, C = 1", "logistic regression, best C"


@dataclasses.dataclass(frozen=True)
class Score:
    """How good probabilities are on complaints that were held out."""

    auc: float
    ece: float


def main() -> None:
    """Prints a row a model, and the differences by seed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("csv", nargs="*", type=pathlib.Path, default=[_SAMPLE])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--train-steps", type=int, default=1_000)
    options = parser.parse_args()
    complaints: list[Complaint] = []
    for path in options.csv:
        with path.open("rb") as stream:
            complaints += read_complaints(stream, path.name)
    disputed = sum(complaint.disputed for complaint in complaints)
    _print(f"{len(complaints):,} complaints, {disputed / len(complaints):.1%} disputed")
    scores: dict[str, list[Score]] = {_OURS: [], _DEFAULT_C: [], _BEST_C: []}
    for seed in range(options.seeds):
        splits = split(complaints, seed)
        labels = np.array([complaint.disputed for complaint in splits["test"]])
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            scores[_OURS].append(
                _our_score(pathlib.Path(folder), splits, seed, options.train_steps)
            )
        for name, probabilities in _regression_answers(splits).items():
            scores[name].append(score(labels, probabilities))
        line = ", ".join(f"{name} {found[-1].auc:.4f}" for name, found in scores.items())
        _print(f"seed {seed}: AUC of {line}")
    for name, found in scores.items():
        _print(
            f"{name:28} AUC {interval([each.auc for each in found])}   "
            f"ECE {interval([each.ece for each in found])}"
        )
    for name in (_DEFAULT_C, _BEST_C):
        differences = [
            ours.auc - theirs.auc for ours, theirs in zip(scores[_OURS], scores[name], strict=True)
        ]
        _print(f"AUC of ours - {name}: {interval(differences)}")


def split(complaints: Sequence[Complaint], seed: int) -> dict[str, list[Complaint]]:
    """Returns complaints in another order, as splits ``train``, ``valid`` and ``test``."""
    shuffled = list(complaints)
    random.Random(seed).shuffle(shuffled)
    test, valid = len(shuffled) // 5, len(shuffled) // 10
    return {
        "train": shuffled[test + valid :],
        "valid": shuffled[test : test + valid],
        "test": shuffled[:test],
    }


def score(labels: Any, probabilities: Any) -> Score:
    """Measures probabilities, ``[complaints]``, against labels 0 and 1."""
    from sklearn.metrics import roc_auc_score

    buckets = np.minimum((probabilities * _BUCKETS).astype(int), _BUCKETS - 1)
    ece = sum(
        abs(labels[inside].mean() - probabilities[inside].mean()) * inside.mean()
        for inside in (buckets == bucket for bucket in range(_BUCKETS))
        if inside.any()
    )
    return Score(float(roc_auc_score(labels, probabilities)), float(ece))


def interval(values: Sequence[float]) -> str:
    """Returns the mean, and half the width of its 95 % interval where there are two or more."""
    mean = f"{np.mean(values):+.4f}".removeprefix("+")
    if len(values) < 2:
        return mean
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return f"{mean} ± {half:.4f}"


def _our_score(
    folder: pathlib.Path, splits: Mapping[str, Sequence[Complaint]], seed: int, train_steps: int
) -> Score:
    """Trains ours, and measures it on split ``test``."""
    import tensorflow_transform as tft
    from tfx.components.trainer.fn_args_utils import FnArgs

    from components import input_data
    from components.training import TrainerConfig, train

    transformed: Transformed = transform(folder, splits, {"kind": "hashed"})
    # Keras tells of each epoch on the standard output.
    with contextlib.redirect_stdout(sys.stderr):
        trained = train(
            FnArgs(
                train_files=transformed.files["train"],
                eval_files=transformed.files["valid"],
                train_steps=train_steps,
                eval_steps=len(splits["valid"]),
                transform_output=transformed.graph,
                model_run_dir=str(folder / "model_run"),
            ),
            TrainerConfig.from_custom_config({"hyperparameters": {"seed": seed}}),
            str(folder / "backup"),
        )
    batches = input_data.batches(
        input_data.read_serialized(transformed.files["test"]),
        tft.TFTransformOutput(transformed.graph).transformed_feature_spec(),
        batch_size=1024,
    )
    answers, labels = [], []
    for inputs, label in batches:
        answers.append(trained.model(inputs, training=False).numpy().ravel())
        labels.append(label.numpy().ravel())
    # Transform may have written the complaints in another order.
    return score(np.concatenate(labels), np.concatenate(answers))


def _regression_answers(splits: Mapping[str, Sequence[Complaint]]) -> dict[str, Any]:
    """Returns the logistic regressions' probabilities for split ``test``."""
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder

    narrative = features.TEXT_COLUMNS.index(features.NARRATIVE_KEY)
    one_hot, tfidf = OneHotEncoder(handle_unknown="ignore"), TfidfVectorizer(min_df=2)

    def categories(complaints: Sequence[Complaint]) -> list[list[str]]:
        return [
            [cell.decode() for place, cell in enumerate(complaint.cells) if place != narrative]
            for complaint in complaints
        ]

    def texts(complaints: Sequence[Complaint]) -> list[str]:
        # A file without narratives still has a vocabulary, of one word that tells nothing.
        return [f"{complaint.cells[narrative].decode()} narrative" for complaint in complaints]

    one_hot.fit(categories(splits["train"]))
    tfidf.fit(texts(splits["train"]))
    inputs = {
        name: sparse.hstack(
            [one_hot.transform(categories(complaints)), tfidf.transform(texts(complaints))]
        ).tocsr()
        for name, complaints in splits.items()
    }
    labels = {
        name: np.array([complaint.disputed for complaint in complaints])
        for name, complaints in splits.items()
    }
    fitted = {
        c: LogisticRegression(C=c, max_iter=1_000).fit(inputs["train"], labels["train"])
        for c in _CHOICES_OF_C
    }
    answers = {
        c: {name: model.predict_proba(inputs[name])[:, 1] for name in ("valid", "test")}
        for c, model in fitted.items()
    }
    best = max(answers, key=lambda c: score(labels["valid"], answers[c]["valid"]).auc)
    return {_DEFAULT_C: answers[1.0]["test"], _BEST_C: answers[best]["test"]}


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
