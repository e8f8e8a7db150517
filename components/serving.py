"""The exported model: raw complaints in, probabilities out, with Transform's graph inside."""

from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.features import LABEL_KEY, TEXT_COLUMNS
from components.input_data import model_inputs


class ServingModel(tf.Module):
    """A trained model with the preprocessing it was trained on.

    Attributes:
        model: The Keras model.
        transform: Transform's graph as a layer.
    """

    def __init__(self, model: Any, transform_output: str, decision_threshold: float) -> None:
        """Puts the two together.

        Args:
            model: A trained model from ``build_model``.
            transform_output: Folder or URI of the transform graph.
            decision_threshold: Probability from which a complaint counts as disputed.
        """
        super().__init__(name="complaints")
        output = tft.TFTransformOutput(transform_output)
        # Attributes are tracked, and so exported with their vocabularies and weights.
        self.model = model
        self.transform = output.transform_features_layer()
        self._threshold = decision_threshold
        # Nobody knows the label of the complaint that is to be predicted.
        self._raw_spec = {
            key: spec for key, spec in output.raw_feature_spec().items() if key != LABEL_KEY
        }

    def predict(self, raw: dict[str, Any]) -> dict[str, Any]:
        """Predicts from raw columns as the transform graph takes them.

        Args:
            raw: The columns but the label, dense ``[batch, 1]`` or sparse.

        Returns:
            ``probability`` that the consumer disputes, and ``disputed`` 0 or 1 by the decision
            threshold; both of shape ``[batch, 1]``.
        """
        probability = self.model(model_inputs(self.transform(raw)), training=False)
        disputed = tf.cast(probability >= self._threshold, tf.int64)
        return {"probability": probability, "disputed": disputed}

    # Nothing here branches on a tensor, and AutoGraph would convert Transform's code as well.
    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False
    )
    def serving_default(self, examples: Any) -> dict[str, Any]:
        """Predicts from serialized tf.Examples; the Evaluator calls this."""
        # Columns without a missing value in training are required by the schema, but may miss
        # one in serving.
        spec = {
            key: tf.io.FixedLenFeature(feature.shape, feature.dtype, default_value="")
            if isinstance(feature, tf.io.FixedLenFeature)
            else feature
            for key, feature in self._raw_spec.items()
        }
        return self.predict(tf.io.parse_example(examples, spec))

    @tf.function(autograph=False)
    def serving_raw(self, columns: dict[str, Any]) -> dict[str, Any]:
        """Predicts from one text tensor ``[batch]`` a column; "" is a missing value."""
        raw = {}
        for key, feature in self._raw_spec.items():
            dense = tf.expand_dims(columns[key], 1)
            fixed = isinstance(feature, tf.io.FixedLenFeature)
            raw[key] = dense if fixed else tf.sparse.from_dense(dense)
        return self.predict(raw)


def export(serving_model: ServingModel, path: str) -> None:
    """Writes a SavedModel with signatures ``serving_default`` and ``serving_raw``.

    Args:
        serving_model: What to export.
        path: Folder or URI.
    """
    columns = {key: tf.TensorSpec([None], tf.string, name=key) for key in TEXT_COLUMNS}
    tf.saved_model.save(
        serving_model,
        path,
        signatures={
            "serving_default": serving_model.serving_default,
            "serving_raw": serving_model.serving_raw.get_concrete_function(columns),
        },
    )
