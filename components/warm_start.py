"""Begins a training with the weights of the model that was pushed last.

Weights go over by layer name and shape. The categories' ids are places in a vocabulary that each
Transform makes anew, so their rows go over by term.
"""

import logging
import posixpath
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from components import features
from components.model import CATEGORY_LAYERS, LINEAR_SCALE, LINEAR_SUFFIX
from components.training_record import WarmStart

#: What TensorFlow raises of a model that is not there, cut off, or not a SavedModel.
_UNREADABLE = (OSError, ValueError, LookupError, AttributeError, TypeError, tf.errors.OpError)

_logger = logging.getLogger(__name__)


def take_over(model: Any, base_model: str, vocabulary: Sequence[bytes]) -> WarmStart:
    """Copies what fits of another model's weights into a model.

    A model of another architecture must not stop a nightly run, so what cannot be taken over
    starts fresh, with a warning.

    Args:
        model: A model from ``build_model``; its weights are changed.
        base_model: Folder or URI of a SavedModel that ``serving.export`` wrote.
        vocabulary: The categories' terms by their ids in ``model``.

    Returns:
        What was taken over, and what was not.
    """
    try:
        old_weights = _weights(tf.saved_model.load(base_model).model.variables)
        old_vocabulary = read_vocabulary(
            posixpath.join(base_model, "assets", features.CATEGORIES_KEY)
        )
    except _UNREADABLE as error:
        problem = str(error).partition("\n")[0] or type(error).__name__
        _logger.warning(
            "Cannot read the model to start from, %s: %s. All weights start fresh.",
            base_model,
            problem,
        )
        return WarmStart(base_model=base_model, problem=problem, terms=len(vocabulary))

    new_rows, old_rows, known_terms = _same_categories(vocabulary, old_vocabulary)
    taken: list[str] = []
    fresh: dict[str, str] = {}
    scale = _weights(model.variables)[LINEAR_SCALE]
    linear_factor = old_weights.get(LINEAR_SCALE, scale).numpy() / scale.numpy()
    for name, weight in _weights(model.trainable_variables).items():
        old = old_weights.get(name)
        layer = name.partition("/")[0]
        if old is None:
            fresh[name] = "the other model has none of this name"
        elif old.shape != weight.shape or old.dtype != weight.dtype:
            fresh[name] = f"the other model's has shape {old.shape}, not {weight.shape}"
        else:
            values = old.numpy()
            if layer.endswith(LINEAR_SUFFIX):
                values = values * linear_factor
            if layer in CATEGORY_LAYERS:
                rows = weight.numpy()
                rows[new_rows] = values[old_rows]
                values = rows
            weight.assign(values)
            taken.append(name)
    for name, reason in fresh.items():
        _logger.warning("Weight %s starts fresh: %s.", name, reason)
    _logger.info(
        "Took over %d of %d weights and %d of %d terms from %s.",
        len(taken),
        len(taken) + len(fresh),
        known_terms,
        len(vocabulary),
        base_model,
    )
    return WarmStart(
        base_model=base_model,
        taken=tuple(taken),
        fresh=fresh,
        terms=len(vocabulary),
        known_terms=known_terms,
    )


def read_vocabulary(path: str) -> list[bytes]:
    """Returns the terms of a vocabulary file by their ids.

    Args:
        path: File or URI of a vocabulary that Transform wrote.
    """
    with tf.io.gfile.GFile(path, "rb") as file:
        return file.read().splitlines()


def _weights(variables: Sequence[Any]) -> dict[str, Any]:
    return {variable.name.partition(":")[0]: variable for variable in variables}


def _same_categories(
    new: Sequence[bytes], old: Sequence[bytes]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Returns the ids of the same categories in two vocabularies, and how many are terms.

    Hash buckets follow the terms (``tft.apply_vocabulary``), and a term's bucket does not
    depend on the vocabulary.
    """
    old_ids = {term: number for number, term in enumerate(old)}
    pairs = [(number, old_ids[term]) for number, term in enumerate(new) if term in old_ids]
    known_terms = len(pairs)
    pairs += [
        (len(new) + bucket, len(old) + bucket)
        for bucket in range(features.OUT_OF_VOCABULARY_BUCKETS)
    ]
    pairs.append((features.MISSING_CATEGORY_ID, features.MISSING_CATEGORY_ID))
    new_rows, old_rows = np.array(pairs).T
    return new_rows, old_rows, known_terms
