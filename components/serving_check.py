"""Checks an exported model in a process of its own, as a server would load it.

``python -m components.serving_check`` reads a ``Request`` as JSON from its input, and writes a
``Report`` as JSON, or what is wrong in one line with status 1. It imports TensorFlow, and nothing
of TFX.
"""

import dataclasses
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from components import object_storage
from components.errors import PipelineError, RunError
from components.features import NARRATIVE_KEY, TEXT_COLUMNS

#: Custom property of a blessing with what was found, as JSON of a ``Report``.
REPORT_PROPERTY = "serving_check"

#: Both signatures answer the same rows, but in graphs that round apart.
TOLERANCE = 1e-5

_BATCH = 256
_SAMPLE_ROWS = 512

#: Longer than any published narrative; a model that reads all of it would need gigabytes.
_LONG_NARRATIVE = 200_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be checked.

    Attributes:
        model: Folder or URI of the SavedModel.
        examples: Files of serialized examples, as TFRecords packed by gzip.
        mean_prediction: The mean of the predictions on all of them, as the Evaluator has measured
            it; ``None`` to compare with nothing.
    """

    model: str
    examples: Sequence[str]
    mean_prediction: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """What was found; everything that was checked was as it should be.

    Attributes:
        load_seconds: How long loading took.
        rows: Examples that both signatures have answered.
        largest_difference: The largest one between the answers of the two signatures.
        unusual_rows: Rows with missing columns, empty texts and a very long narrative.
        evaluated_rows: Examples whose mean prediction was compared with the Evaluator's; or 0.
        mean_prediction: Their mean prediction; ``None`` for none.
        evaluator_mean_prediction: The Evaluator's; ``None`` for none.
    """

    load_seconds: float
    rows: int
    largest_difference: float
    unusual_rows: int
    evaluated_rows: int = 0
    mean_prediction: float | None = None
    evaluator_mean_prediction: float | None = None


def check(request: Request) -> Report:
    """Loads a model and asks it.

    Args:
        request: What is to be checked.

    Raises:
        RunError: If the model cannot be loaded, or an answer is not as it should be.
    """
    import tensorflow as tf

    place = object_storage.location(request.model)
    if place is not None:
        object_storage.register([place.scheme])
    started = time.monotonic()
    try:
        model = tf.saved_model.load(request.model)
    # A file that is cut off is an IndexError.
    except (OSError, ValueError, LookupError, tf.errors.OpError) as error:
        raise RunError(f"{request.model}: cannot be loaded: {_line(error)}") from error
    signatures = {}
    for name in ("serving_default", "serving_raw"):
        if name not in model.signatures:
            raise RunError(f"{request.model}: has no signature {name}; export it in run_fn")
        signatures[name] = model.signatures[name]
    load_seconds = time.monotonic() - started

    sample = _sample(request.examples)
    by_example = _answers(signatures["serving_default"], examples=tf.constant(sample))
    by_column = _answers(signatures["serving_raw"], **_columns(sample))
    difference = max(abs(a - b) for a, b in zip(by_example, by_column, strict=True))
    if difference > TOLERANCE:
        raise RunError(
            f"{request.model}: serving_default and serving_raw answer the same complaints "
            f"differently, by up to {difference:.3g}"
        )
    unusual = _check_unusual(signatures)
    evaluated, mean = 0, None
    if request.mean_prediction is not None:
        evaluated, mean = _mean(signatures["serving_default"], request.examples)
        if not math.isclose(mean, request.mean_prediction, abs_tol=TOLERANCE):
            raise RunError(
                f"{request.model}: answers other than in the evaluation: the mean prediction of "
                f"{evaluated:,} examples is {mean:.6f} here and {request.mean_prediction:.6f} there"
            )
    return Report(
        load_seconds=round(load_seconds, 3),
        rows=len(sample),
        largest_difference=difference,
        unusual_rows=unusual,
        evaluated_rows=evaluated,
        mean_prediction=mean,
        evaluator_mean_prediction=request.mean_prediction,
    )


def _sample(files: Sequence[str]) -> list[bytes]:
    sample: list[bytes] = []
    for batch in _batches(files):
        sample += batch.tolist()
        if len(sample) >= _SAMPLE_ROWS:
            break
    if not sample:
        raise RunError("there is no example to ask the model about")
    return sample[:_SAMPLE_ROWS]


def _batches(files: Sequence[str]) -> Iterator[Any]:
    import tensorflow as tf

    dataset = tf.data.TFRecordDataset(list(files), "GZIP").batch(_BATCH)
    yield from dataset.as_numpy_iterator()


def _columns(examples: Sequence[bytes]) -> dict[str, Any]:
    """Returns examples as raw columns, empty where a value is missing."""
    import tensorflow as tf

    columns: dict[str, list[bytes]] = {name: [] for name in TEXT_COLUMNS}
    for example in examples:
        feature = tf.train.Example.FromString(example).features.feature
        for name, values in columns.items():
            found = feature[name].bytes_list.value if name in feature else ()
            values.append(found[0] if found else b"")
    return {name: tf.constant(values) for name, values in columns.items()}


def _check_unusual(signatures: dict[str, Any]) -> int:
    """Asks about complaints of which little, or far too much, is known."""
    import tensorflow as tf

    def example(**columns: bytes) -> bytes:
        made = tf.train.Example()
        for name, value in columns.items():
            made.features.feature[name].bytes_list.value.append(value)
        return made.SerializeToString()

    narratives = {
        "a very long narrative": b"I was charged twice. " * (_LONG_NARRATIVE // 21),
        "a narrative of one long word": b"x" * _LONG_NARRATIVE,
        "a narrative that is not UTF-8": b"\xff\xfe caf\xe9",
        "a narrative of spaces": b" \t\r\n ",
    }
    rows = {
        "no column at all": example(),
        "only empty texts": example(**dict.fromkeys(TEXT_COLUMNS, b"")),
        "values that were never seen": example(**dict.fromkeys(TEXT_COLUMNS, b"\xe2\x98\x83")),
        **{name: example(**{NARRATIVE_KEY: text}) for name, text in narratives.items()},
    }
    for name, row in rows.items():
        _answers_to(name, signatures["serving_default"], examples=tf.constant([row]))
        _answers_to(name, signatures["serving_raw"], **_columns([row]))
    return len(rows)


def _answers_to(name: str, signature: Any, **inputs: Any) -> None:
    try:
        _answers(signature, **inputs)
    except RunError as error:
        raise RunError(f"a complaint with {name}: {error}") from error


def _answers(signature: Any, **inputs: Any) -> list[float]:
    import tensorflow as tf

    try:
        output = signature(**inputs)
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise RunError(f"the model does not answer: {_line(error)}") from error
    if "probability" not in output:
        raise RunError(f"the model's answer has no 'probability' but {', '.join(sorted(output))}")
    values = [float(value) for value in tf.reshape(output["probability"], [-1]).numpy()]
    wrong = next((value for value in values if not 0 <= value <= 1), None)
    if wrong is not None:
        raise RunError(f"the model's answer is {wrong}, which is no probability")
    return values


def _mean(signature: Any, files: Sequence[str]) -> tuple[int, float]:
    import tensorflow as tf

    count, total = 0, 0.0
    for batch in _batches(files):
        values = _answers(signature, examples=tf.constant(batch))
        count += len(values)
        total += math.fsum(values)
    return count, total / max(count, 1)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def main() -> None:
    """Answers the request on the standard input."""
    try:
        report = check(Request(**json.load(sys.stdin)))
    except PipelineError as error:
        sys.stdout.write(f"{error}\n")
        sys.exit(1)
    sys.stdout.write(f"{json.dumps(dataclasses.asdict(report))}\n")


if __name__ == "__main__":
    main()
