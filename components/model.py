"""The model: wide and deep, with a text encoder for the narrative.

The wide part is a linear model of the categorical features and the narrative's words; the deep
part is dense layers over their embeddings (Cheng et al., "Wide & Deep Learning for Recommender
Systems", 2016). The deep part begins by answering 0, so that a few thousand complaints train
little more than a logistic regression.
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

#: What the names of the layers of the linear part end with.
LINEAR_SUFFIX = "_linear"

#: The name of the weight by which the linear part's weights are multiplied.
LINEAR_SCALE = "linear_logit/scale"

#: The layers with a row for each id of ``features.CATEGORIES_KEY``.
CATEGORY_LAYERS = frozenset(
    {f"{features.CATEGORIES_KEY}{LINEAR_SUFFIX}", f"{features.CATEGORIES_KEY}_embedding"}
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
    train_examples: int | None = None,
    decay_steps: int | None = None,
) -> Any:
    """Builds and compiles the model.

    Args:
        hyperparameters: Sizes, regularisation and learning rate.
        text_encoder: How the narrative is encoded.
        decision_threshold: Probability from which a complaint counts as disputed, for the
            metrics that need one.
        positive_rate: Share of disputed complaints; the model begins by answering it. ``None``
            begins at one half.
        train_examples: Examples of the train split, over which ``linear_l2`` and ``text_l2`` are
            spread; ``None`` leaves those penalties out.
        decay_steps: Steps in which the learning rates fall to 0 along a cosine; ``None`` keeps
            them.

    Returns:
        A compiled Keras model. Its inputs are a dict by transformed name: the ids of
        ``ID_FEATURES``, ``[batch, columns]``, and the narrative as ids ``[batch, tokens]``
        padded with 0 (``hashed``) or as text ``[batch, 1]`` (``hub``). Its output is a
        probability, ``[batch, 1]``.
    """
    deep_penalty = keras.regularizers.L2(hyperparameters.l2)
    # Adam's step is the same whatever the gradient's scale, so a factor on the linear logit is one
    # on its learning rate.
    faster = hyperparameters.linear_learning_rate / hyperparameters.learning_rate
    linear_penalty = text_penalty = None
    if train_examples is not None:
        linear_penalty, text_penalty = (
            keras.regularizers.L2(weight / (2 * train_examples) * faster**2)
            for weight in (hyperparameters.linear_l2, hyperparameters.text_l2)
        )
    inputs: dict[str, Any] = {}
    linear, deep = [], []
    for key, (columns, size) in ID_FEATURES.items():
        name = features.transformed_name(key)
        ids = inputs[name] = keras.Input((columns,), name=name, dtype="int64")
        weights = keras.layers.Embedding(
            size,
            1,
            embeddings_initializer="zeros",
            embeddings_regularizer=linear_penalty,
            name=f"{key}{LINEAR_SUFFIX}",
        )
        linear += [weights(ids[:, column]) for column in range(columns)]
        embeddings = keras.layers.Embedding(
            size,
            hyperparameters.embedding_dim,
            embeddings_regularizer=deep_penalty,
            name=f"{key}_embedding",
        )
        deep.append(keras.layers.Flatten()(embeddings(ids)))

    name = features.transformed_name(features.NARRATIVE_KEY)
    if text_encoder.kind == "hashed":
        narrative = inputs[name] = keras.Input((None,), name=name, dtype="int64")
        word_weights = HashedTextEncoder(
            features.TOKEN_BUCKETS,
            1,
            combiner="sum",
            embeddings_initializer="zeros",
            embeddings_regularizer=text_penalty,
            name=f"{features.NARRATIVE_KEY}{LINEAR_SUFFIX}",
        )
        linear.append(word_weights(narrative))
        encoder = HashedTextEncoder(
            features.TOKEN_BUCKETS, hyperparameters.text_embedding_dim, name="narrative"
        )
        deep.append(encoder(narrative))
    else:
        narrative = inputs[name] = keras.Input((1,), name=name, dtype="string")
        text = HubTextEncoder(str(text_encoder.handle), name="narrative")(narrative)
        text_weights = keras.layers.Dense(
            1,
            use_bias=False,
            kernel_initializer="zeros",
            kernel_regularizer=text_penalty,
            name=f"{features.NARRATIVE_KEY}{LINEAR_SUFFIX}",
        )
        linear.append(text_weights(text))
        deep.append(text)

    hidden = keras.layers.Concatenate()(deep)
    for layer in range(hyperparameters.hidden_layers):
        hidden = keras.layers.Dropout(hyperparameters.dropout)(hidden)
        units = max(1, hyperparameters.hidden_units // 2**layer)
        hidden = keras.layers.Dense(
            units, activation="relu", kernel_regularizer=deep_penalty, name=f"hidden_{layer}"
        )(hidden)
    bias = 0.0 if positive_rate is None else math.log(positive_rate / (1 - positive_rate))
    deep_logit = keras.layers.Dense(
        1,
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(bias),
        name="deep_logit",
    )
    linear_logit = Scaled(faster, name=LINEAR_SCALE.partition("/")[0])(keras.layers.Add()(linear))
    logit = keras.layers.Add()([linear_logit, deep_logit(hidden)])
    probability = keras.layers.Activation("sigmoid", name="probability")(logit)

    model = keras.Model(inputs, probability, name="wide_and_deep")
    learning_rate: Any = hyperparameters.learning_rate
    if decay_steps is not None:
        learning_rate = keras.optimizers.schedules.CosineDecay(learning_rate, decay_steps)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
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
    """The combined embeddings of a text's words; a text without words is a zero vector.

    Keras's own masked pooling divides by the number of words, and so makes NaN of an empty
    narrative, and it computes on the padding too, which is most of a batch.
    """

    def __init__(
        self,
        buckets: int,
        dim: int,
        *,
        combiner: str = "mean",
        embeddings_initializer: str = "uniform",
        embeddings_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        """Creates the encoder.

        Args:
            buckets: Ids of words.
            dim: Dimensions of an embedding.
            combiner: ``mean`` or ``sum``, as in ``tf.nn.embedding_lookup_sparse``.
            embeddings_initializer: How the embeddings begin.
            embeddings_regularizer: Penalty on the embeddings.
            **kwargs: Arguments of every Keras layer.
        """
        super().__init__(**kwargs)
        self._words = keras.layers.Embedding(
            buckets,
            dim,
            embeddings_initializer=embeddings_initializer,
            embeddings_regularizer=embeddings_regularizer,
            name="words",
        )
        self._combine = {
            "mean": tf.sparse.segment_mean,
            "sum": tf.sparse.segment_sum,
        }[combiner]
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
        return self._combine(
            self._words(words), indices, places[:, 0], num_segments=tf.shape(token_ids)[0]
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the encoded texts."""
        return (input_shape[0], self._dim)


class Scaled(keras.layers.Layer):
    """Multiplies by a number, which is exported with the weights that it belongs to."""

    def __init__(self, scale: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._initial_scale = scale

    def build(self, input_shape: Any) -> None:
        """Creates the number."""
        self._scale = self.add_weight(
            name="scale",
            shape=(),
            initializer=keras.initializers.Constant(self._initial_scale),
            trainable=False,
        )
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Returns the scaled inputs."""
        return inputs * self._scale


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
