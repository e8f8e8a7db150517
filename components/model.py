"""The model: wide and deep, with a text encoder for the narrative.

The wide part is a linear model of the categorical features; the deep part is dense layers over
their embeddings and the encoded narrative (Cheng et al., "Wide & Deep Learning for Recommender
Systems", 2016).
"""

import dataclasses
import math
import types
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from tensorflow import keras

from components import features
from components.hyperparameters import Hyperparameters

#: The features that are ids: how many columns each has, and how many ids.
ID_FEATURES: Mapping[str, tuple[int, int]] = types.MappingProxyType(
    {
        features.CATEGORIES_KEY: (len(features.VOCABULARY_SIZES), features.MISSING_CATEGORY_ID + 1),
        features.ZIP_CODE_KEY: (1, features.MISSING_ZIP_ID + 1),
        features.NARRATIVE_LENGTH_KEY: (1, features.NARRATIVE_LENGTH_BUCKETS),
    }
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextEncoder:
    """How the narrative is encoded.

    Attributes:
        kind: ``hashed``, word embeddings that are trained with the model; or ``hub``.
        handle: For ``hub``: a TF-Hub handle or the path of a SavedModel.
    """

    kind: str = "hashed"
    handle: str | None = None


def build_model(
    hyperparameters: Hyperparameters,
    text_encoder: TextEncoder,
    *,
    decision_threshold: float = 0.5,
    positive_rate: float | None = None,
) -> Any:
    """Builds and compiles the model.

    Args:
        hyperparameters: Sizes, regularisation and learning rate.
        text_encoder: How the narrative is encoded.
        decision_threshold: Probability from which a complaint counts as disputed, for the
            metrics that need one.
        positive_rate: Share of disputed complaints; the model begins by answering it. ``None``
            begins at one half.

    Returns:
        A compiled Keras model. Its inputs are a dict by transformed name: the ids of
        ``ID_FEATURES``, ``[batch, columns]``, and the narrative as ids ``[batch, tokens]``
        padded with 0 (``hashed``) or as text ``[batch, 1]`` (``hub``). Its output is a
        probability, ``[batch, 1]``.
    """
    penalty = keras.regularizers.L2(hyperparameters.l2)
    inputs: dict[str, Any] = {}
    linear, deep = [], []
    for key, (columns, size) in ID_FEATURES.items():
        name = features.transformed_name(key)
        ids = inputs[name] = keras.Input((columns,), name=name, dtype="int64")
        weights = keras.layers.Embedding(
            size,
            1,
            embeddings_initializer="zeros",
            embeddings_regularizer=penalty,
            name=f"{key}_linear",
        )
        linear.append(keras.layers.GlobalAveragePooling1D()(weights(ids)))
        embeddings = keras.layers.Embedding(
            size,
            hyperparameters.embedding_dim,
            embeddings_regularizer=penalty,
            name=f"{key}_embedding",
        )
        deep.append(keras.layers.Flatten()(embeddings(ids)))

    name = features.transformed_name(features.NARRATIVE_KEY)
    if text_encoder.kind == "hashed":
        narrative = keras.Input((None,), name=name, dtype="int64")
        encoder = HashedTextEncoder(
            features.TOKEN_BUCKETS, hyperparameters.text_embedding_dim, name="narrative"
        )
    else:
        narrative = keras.Input((1,), name=name, dtype="string")
        encoder = HubTextEncoder(str(text_encoder.handle), name="narrative")
    inputs[name] = narrative
    text = encoder(narrative)
    deep.append(text)

    hidden = keras.layers.Concatenate()(deep)
    for layer in range(hyperparameters.hidden_layers):
        hidden = keras.layers.Dropout(hyperparameters.dropout)(hidden)
        units = max(1, hyperparameters.hidden_units // 2**layer)
        hidden = keras.layers.Dense(units, activation="relu", kernel_regularizer=penalty)(hidden)
    bias = 0.0 if positive_rate is None else math.log(positive_rate / (1 - positive_rate))
    logit = keras.layers.Add()(
        [
            *linear,
            keras.layers.Dense(
                1, bias_initializer=keras.initializers.Constant(bias), name="deep_logit"
            )(hidden),
        ]
    )
    probability = keras.layers.Activation("sigmoid", name="probability")(logit)

    model = keras.Model(inputs, probability, name="wide_and_deep")
    model.compile(
        optimizer=keras.optimizers.Adam(hyperparameters.learning_rate),
        loss=keras.losses.BinaryCrossentropy(),
        # Class weights change the loss, not these.
        metrics=[
            keras.metrics.AUC(name="auc", num_thresholds=1000),
            keras.metrics.AUC(name="auc_precision_recall", curve="PR"),
            keras.metrics.BinaryAccuracy(name="accuracy", threshold=decision_threshold),
            keras.metrics.Precision(name="precision", thresholds=decision_threshold),
            keras.metrics.Recall(name="recall", thresholds=decision_threshold),
        ],
    )
    return model


class HashedTextEncoder(keras.layers.Layer):
    """The mean of word embeddings; a text without words is a zero vector.

    Keras's own masked pooling divides by the number of words, and so makes NaN of an empty
    narrative, and it computes on the padding too, which is most of a batch.
    """

    def __init__(self, buckets: int, dim: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._words = keras.layers.Embedding(buckets, dim, name="words")
        self._dim = dim

    def build(self, input_shape: Any) -> None:
        """Creates the embeddings."""
        self._words.build(input_shape)
        super().build(input_shape)

    def call(self, token_ids: Any) -> Any:
        """Encodes word ids ``[batch, tokens]``, padded with 0, to ``[batch, dim]``."""
        places = tf.where(tf.not_equal(token_ids, 0))
        # Each word of the batch is looked up, and its gradient summed, once.
        words, indices = tf.unique(tf.gather_nd(token_ids, places))
        return tf.sparse.segment_mean(
            self._words(words), indices, places[:, 0], num_segments=tf.shape(token_ids)[0]
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the encoded texts."""
        return (input_shape[0], self._dim)


class HubTextEncoder(keras.layers.Layer):
    """A text embedding from TF-Hub or a SavedModel, frozen.

    ``hub.KerasLayer`` cannot be part of a functional model under Keras 3; this can.
    """

    def __init__(self, handle: str, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        # Imported here, because only this encoder needs it.
        import tensorflow_hub as hub

        # As an attribute it is tracked, and so exported with its tables and weights.
        self._encoder = hub.load(handle)
        self._dim = int(self._encode(tf.constant([""])).shape[-1])

    def call(self, text: Any) -> Any:
        """Encodes texts ``[batch, 1]`` to ``[batch, dim]``."""
        encoded = self._encode(tf.reshape(text, [-1]))
        return tf.stop_gradient(tf.ensure_shape(encoded, [None, self._dim]))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the encoded texts."""
        return (input_shape[0], self._dim)

    def _encode(self, texts: Any) -> Any:
        encoder = self._encoder
        if not callable(encoder):
            # A model in the TF1 Hub format.
            encoder = encoder.signatures["default"]
        encoded = encoder(texts)
        if isinstance(encoded, dict):
            # "default" in the TF1 Hub format, "pooled_output" in the text-embedding API.
            encoded = encoded["default" if "default" in encoded else "pooled_output"]
        return encoded
