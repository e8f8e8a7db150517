"""A real evaluation: TFMA on two small models, configured as the pipeline's Evaluator is."""

import pathlib
import random

from components.features import LABEL_KEY

#: A product that no markup may come of, and one of which all examples are of one class.
HOSTILE, ONE_CLASS = "<script>alert(1)</script>", "Payday loan"

_PRODUCTS = ("Mortgage", "Credit card", HOSTILE)


def evaluate(
    folder: pathlib.Path, *, rows: int = 300, auc_lower_bound: float = 0.6, baseline: bool = True
) -> str:
    """Evaluates a model whose scores tell the classes apart, against one that is better.

    Args:
        folder: Where data, models and the evaluation go.
        rows: How many examples there are, besides five of one class.
        auc_lower_bound: The least AUC.
        baseline: Whether there is the better model to compare with.

    Returns:
        Folder of the evaluation.
    """
    import tensorflow as tf
    import tensorflow_model_analysis as tfma
    from tensorflow_model_analysis.utils import config_util

    from pipelines.base_pipeline import eval_config

    data = str(folder / "data.tfrecord")
    with tf.io.TFRecordWriter(data) as writer:
        for example in _examples(rows):
            writer.write(example.SerializeToString())
    config = config_util.update_eval_config_with_defaults(
        eval_config(auc_lower_bound=auc_lower_bound, auc_tolerance=0.0, decision_threshold=0.25),
        has_baseline=baseline,
        rubber_stamp=not baseline,
    )
    noises = {spec.name: 0.5 if spec.is_baseline else 2.0 for spec in config.model_specs}
    models = []
    for name, noise in noises.items():
        path = str(folder / (name or "model"))
        _save_model(path, noise)
        models.append(
            tfma.default_eval_shared_model(
                path, eval_config=config, model_name=name, rubber_stamp=not baseline
            )
        )
    output = str(folder / "evaluation")
    tfma.run_model_analysis(
        eval_shared_model=models, eval_config=config, data_location=data, output_path=output
    )
    return output


def _examples(rows: int):  # type: ignore[no-untyped-def]
    import tensorflow as tf

    rng = random.Random(5)

    def example(product: str, label: int):  # type: ignore[no-untyped-def]
        return tf.train.Example(
            features=tf.train.Features(
                feature={
                    "product": tf.train.Feature(
                        bytes_list=tf.train.BytesList(value=[product.encode()])
                    ),
                    LABEL_KEY: tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                    "noise": tf.train.Feature(
                        float_list=tf.train.FloatList(value=[rng.gauss(0, 1)])
                    ),
                }
            )
        )

    for _ in range(rows):
        yield example(rng.choice(_PRODUCTS), int(rng.random() < 0.3))
    for _ in range(5):
        yield example(ONE_CLASS, 0)


def _save_model(path: str, noise: float) -> None:
    import tensorflow as tf

    spec = {
        LABEL_KEY: tf.io.FixedLenFeature([1], tf.int64),
        "noise": tf.io.FixedLenFeature([1], tf.float32),
    }

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def serve(self, examples):  # type: ignore[no-untyped-def]
            parsed = tf.io.parse_example(examples, spec)
            label = tf.cast(parsed[LABEL_KEY], tf.float32)
            return {"probability": tf.sigmoid(label - 1.2 + noise * parsed["noise"])}

    model = Model()
    tf.saved_model.save(model, path, signatures={"serving_default": model.serve})
