"""Preprocessing: from raw columns to the model's features, in one graph for both.

Transform runs this graph over the data; the exported model carries it, so that serving sees
what training saw. Every function here takes and returns tensors of shape ``[batch]`` unless it
says otherwise.
"""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components import features

_TensorMap = Mapping[str, tf.Tensor | tf.SparseTensor]

#: Unicode separators, such as the U+00A0 in company names, are spaces too.
_SPACES = r"[\s\p{Z}]+"

#: What the CFPB leaves of a redacted name, number or date: XXXX, XX/XX/2015, XXXX XXXX.
_REDACTION = r"\bx{2,}(?:[/\s-]*x{2,})*(?:[/-][0-9]{2,4})?\b"

#: How the CFPB writes an amount: {$1200.00}.
_AMOUNT = r"\{?\$\s?[0-9][0-9.,]*\}?"

#: An apostrophe belongs to its word: "didn't" is "didnt", and the CFPB's "did n't" is "did nt".
_APOSTROPHES = r"['\x{2019}]"

_NOT_WORDS = r"[^\p{L}\p{N}]+"

#: A whole ZIP code, a ZIP+4, or its first three digits with the rest redacted or cut off.
_ZIP = r"[0-9]{3}([0-9]{2}(-?[0-9]{4})?|[x*]{0,2})"

#: A ZIP code that a spreadsheet took for a number, and so lost its leading zero: 8540 for
#: Princeton's 08540. No ZIP code has four digits. Three are a prefix, as the CFPB publishes it.
_ZIP_WITHOUT_ZERO = r"[0-9]{4}(-[0-9]{4})?"


def preprocessing_fn(inputs: _TensorMap, custom_config: Mapping[str, Any]) -> dict[str, Any]:
    """Makes the model's features; TFX Transform calls this.

    Args:
        inputs: The raw columns, dense or sparse.
        custom_config: ``text_encoder``: ``{"kind": "hashed" or "hub"}``.

    Returns:
        Transformed features: ids of the categorical columns, ``[batch, columns]``; ids of the
        ZIP code and the narrative's length, and the label where it is among the inputs,
        ``[batch, 1]``. The narrative is a sparse tensor of word ids,
        ``[batch, up to MAX_NARRATIVE_TOKENS]``, for encoder ``hashed``; for ``hub`` it is text,
        ``[batch, 1]``.
    """
    narrative = normalized_narrative(_column(inputs, features.NARRATIVE_KEY))
    zip_code = zip_prefix_ids(_column(inputs, features.ZIP_CODE_KEY))
    outputs: dict[str, Any] = {
        features.CATEGORIES_KEY: _category_ids(
            tf.stack([_column(inputs, key) for key in features.VOCABULARY_SIZES], axis=1)
        ),
        features.ZIP_CODE_KEY: tf.expand_dims(zip_code, 1),
        features.NARRATIVE_LENGTH_KEY: tf.expand_dims(length_ids(narrative), 1),
    }
    if custom_config["text_encoder"]["kind"] == "hashed":
        outputs[features.NARRATIVE_KEY] = token_ids(narrative)
    else:
        outputs[features.NARRATIVE_KEY] = tf.expand_dims(narrative, 1)
    if features.LABEL_KEY in inputs:
        outputs[features.LABEL_KEY] = _label(inputs[features.LABEL_KEY])
    return {features.transformed_name(key): value for key, value in outputs.items()}


def normalized_text(text: tf.Tensor) -> tf.Tensor:
    """Returns text in lower case, with single spaces between words and none around them."""
    lower = tf.strings.lower(text, encoding="utf-8")
    return tf.strings.strip(tf.strings.regex_replace(lower, _SPACES, " "))


def normalized_narrative(text: tf.Tensor) -> tf.Tensor:
    """Returns narratives as lower-case words with a single space between them.

    Redactions become the word ``redacted`` and amounts the word ``amount``. Only the first
    ``features.MAX_NARRATIVE_CHARACTERS`` characters count.
    """
    text = tf.strings.substr(text, 0, features.MAX_NARRATIVE_CHARACTERS, unit="UTF8_CHAR")
    text = tf.strings.lower(text, encoding="utf-8")
    text = tf.strings.regex_replace(text, _REDACTION, " redacted ")
    text = tf.strings.regex_replace(text, _AMOUNT, " amount ")
    text = tf.strings.regex_replace(text, _APOSTROPHES, "")
    return tf.strings.strip(tf.strings.regex_replace(text, _NOT_WORDS, " "))


def token_ids(narrative: tf.Tensor) -> tf.SparseTensor:
    """Hashes the distinct words of normalized narratives.

    That a word is there tells more than how often (Wang and Manning, "Baselines and Bigrams:
    Simple, Good Sentiment and Topic Classification", 2012).

    Args:
        narrative: Normalized narratives.

    Returns:
        Ids from 1 to ``TOKEN_BUCKETS - 1`` in the order of their first place,
        ``[batch, up to MAX_NARRATIVE_TOKENS]``.
    """
    tokens = tf.strings.split(narrative)
    buckets = tf.strings.to_hash_bucket_fast(tokens.flat_values, features.TOKEN_BUCKETS - 1)
    # A narrative's number and a word's, as one number.
    numbered = tokens.value_rowids() * features.TOKEN_BUCKETS + buckets + 1
    distinct = tf.unique(numbered).y
    words = tf.RaggedTensor.from_value_rowids(
        distinct % features.TOKEN_BUCKETS,
        distinct // features.TOKEN_BUCKETS,
        nrows=tokens.nrows(),
        validate=False,
    )
    return words[:, : features.MAX_NARRATIVE_TOKENS].to_sparse()


def length_ids(narrative: tf.Tensor) -> tf.Tensor:
    """Returns 0 for an empty narrative, else 1 + log2 of its bytes, rounded down."""
    length = tf.cast(tf.strings.length(narrative), tf.float32)
    # The half keeps a power of two on its own side, whatever the logarithm's rounding.
    ids = 1 + tf.cast(tf.floor(tf.math.log(length + 0.5) / tf.math.log(2.0)), tf.int64)
    return tf.where(length > 0, tf.minimum(ids, features.NARRATIVE_LENGTH_BUCKETS - 1), 0)


def zip_prefix_ids(zip_code: tf.Tensor) -> tf.Tensor:
    """Returns the first three digits of each ZIP code as a number.

    ``33510``, ``335XX`` and ``335`` are 335; ``8540``, which has lost its leading zero, is 85;
    a missing ZIP code, ``XXXXX`` and anything else are ``features.MISSING_ZIP_ID``.
    """
    text = normalized_text(zip_code)
    text = tf.where(
        tf.strings.regex_full_match(text, _ZIP_WITHOUT_ZERO), tf.strings.join(["0", text]), text
    )
    prefix = tf.where(
        tf.strings.regex_full_match(text, _ZIP),
        # Shorter texts have no such substring, so they are padded even where it is not taken.
        tf.strings.substr(tf.strings.join([text, "   "]), 0, features.ZIP_PREFIX_LENGTH),
        str(features.MISSING_ZIP_ID),
    )
    return tf.strings.to_number(prefix, tf.int64)


def _category_ids(values: tf.Tensor) -> tf.Tensor:
    """Numbers the categorical columns, ``[batch, columns]``, over one vocabulary.

    Its entries name their column, such as ``state=nj``. A vocabulary for each column would give
    much the same model, but costs Transform over a second each, however few the rows: an
    analyzer is half a dozen Beam stages.
    """
    text = normalized_text(values)
    names = tf.constant([f"{key}=" for key in features.VOCABULARY_SIZES])
    missing = tf.equal(text, "")
    ids = tft.compute_and_apply_vocabulary(
        # The vocabulary leaves out "".
        tf.where(missing, "", names + text),
        top_k=features.VOCABULARY_SIZE,
        num_oov_buckets=features.OUT_OF_VOCABULARY_BUCKETS,
        vocab_filename=features.CATEGORIES_KEY,
    )
    return tf.where(missing, tf.constant(features.MISSING_CATEGORY_ID, tf.int64), ids)


def _column(inputs: _TensorMap, key: str) -> tf.Tensor:
    """Returns a text column with "" for missing values.

    The schema makes a column sparse if values were missing when it was inferred, and leaves
    out a column without any value.
    """
    if key not in inputs:
        some = next(iter(inputs.values()))
        batch = some.dense_shape[0] if isinstance(some, tf.SparseTensor) else tf.shape(some)[0]
        return tf.fill([batch], "")
    value = inputs[key]
    if isinstance(value, tf.SparseTensor):
        batch, width = value.dense_shape[0], value.dense_shape[1]
        # A batch without any value has no width, but must have a first column.
        value = tf.SparseTensor(value.indices, value.values, [batch, tf.maximum(width, 1)])
        value = tf.sparse.to_dense(value, default_value="")
    return value[:, 0]


def _label(label: tf.Tensor | tf.SparseTensor) -> tf.Tensor:
    """Returns the label as ``[batch, 1]``; ExampleGen lets no row pass without one."""
    dense = tf.sparse.to_dense(label) if isinstance(label, tf.SparseTensor) else label
    return tf.cast(dense, tf.int64)
