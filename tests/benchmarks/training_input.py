"""Times a pass over the training data against the plain input of TensorFlow's guides.

    python -m tests.benchmarks.training_input --rows 67000 --pairs 3

Both train the same model on the same transformed complaints of the generator, in one process and
in turn. The plain loop reads ``make_batched_features_dataset(batch_size=64)``; the other is the
Trainer's own, with the default batch size. Each trains for a number of passes, the first of which
compiles the graph and fills the cache; the time is the median of the others. The AUC is that on the
eval split after the last pass.
"""

import argparse
import pathlib
import random
import statistics
import tempfile
import time
from typing import Any

from components.complaints_csv import Complaint, read_complaints
from components.features import LABEL_KEY, transformed_name
from components.hyperparameters import Hyperparameters
from data.generator import write_complaints
from tests.transformed_data import Transformed, transform

_PLAIN_BATCH_SIZE = 64


def main() -> None:
    """Prints a row a pair and the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=67_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--passes", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = pathlib.Path(name)
        data = transform(folder, _splits(folder, options.rows), {"kind": "hashed"})
        ratios = []
        for pair in range(1, options.pairs + 1):
            plain_seconds, plain_auc = _train(data, options.passes, seed=pair, plain=True)
            seconds, auc = _train(data, options.passes, seed=pair, plain=False)
            ratios.append(seconds / plain_seconds)
            examples = options.rows * 0.9
            _print(
                f"pair {pair}: plain {plain_seconds:.2f} s a pass "
                f"({examples / plain_seconds:,.0f} examples/s), AUC {plain_auc:.4f}; ours "
                f"{seconds:.2f} s ({examples / seconds:,.0f} examples/s), AUC {auc:.4f}; "
                f"ratio {ratios[-1]:.2f}"
            )
        _print(f"median ratio {statistics.median(ratios):.2f}")


def _splits(folder: pathlib.Path, rows: int) -> dict[str, list[Complaint]]:
    csv = folder / "complaints.csv"
    write_complaints(csv, rows=rows, seed=7)
    with csv.open("rb") as stream:
        complaints = list(read_complaints(stream, csv.name))
    random.Random(7).shuffle(complaints)
    held_out = rows // 10
    return {"train": complaints[held_out:], "eval": complaints[:held_out]}


def _train(data: Transformed, passes: int, *, seed: int, plain: bool) -> tuple[float, float]:
    """Returns the seconds of a pass, and the AUC after the last one."""
    import tensorflow_transform as tft
    from tensorflow import keras

    from components import input_data
    from components.model import TextEncoder, build_model

    keras.utils.set_random_seed(seed)
    spec = tft.TFTransformOutput(data.graph).transformed_feature_spec()
    split = input_data.summarize(input_data.read_serialized(data.files["train"]))
    hyperparameters = Hyperparameters(seed=seed)
    if plain:
        batch_size = _PLAIN_BATCH_SIZE
        batches = _plain_batches(data.files["train"], spec)
    else:
        batch_size = hyperparameters.batch_size
        batches = input_data.batches(
            input_data.read_serialized(data.files["train"]),
            spec,
            batch_size=batch_size,
            shuffle_seed=seed,
            cache=True,
            shuffle_buffer=split.examples,
        )
    steps = split.examples // batch_size
    model = build_model(
        hyperparameters,
        TextEncoder(),
        positive_rate=split.positive / split.examples,
        train_examples=split.examples,
        decay_steps=steps * passes,
    )
    times: list[float] = []

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.started = time.monotonic()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            times.append(time.monotonic() - self.started)

    model.fit(batches, epochs=passes, steps_per_epoch=steps, callbacks=[Clock()], verbose=0)
    evaluated = input_data.batches(
        input_data.read_serialized(data.files["eval"]), spec, batch_size=256
    )
    auc = model.evaluate(evaluated, return_dict=True, verbose=0)["auc"]
    return statistics.median(times[1:]), auc


def _plain_batches(files: list[str], spec: dict[str, Any]) -> Any:
    import tensorflow as tf

    from components.input_data import model_inputs

    return tf.data.experimental.make_batched_features_dataset(
        files,
        _PLAIN_BATCH_SIZE,
        spec,
        reader=lambda paths: tf.data.TFRecordDataset(paths, compression_type="GZIP"),
        label_key=transformed_name(LABEL_KEY),
    ).map(lambda features, label: (model_inputs(features), label))


def _print(line: str) -> None:
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
