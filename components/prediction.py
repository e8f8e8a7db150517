"""Predicts the complaints of a CSV file, by an exported model or by a server that holds one."""

import dataclasses
import itertools
import json
import math
import pathlib
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import requests

from components.charts import files
from components.complaints_csv import Complaint, read_complaints
from components.errors import InputDataError, RunError
from components.features import TEXT_COLUMNS

#: Of ``components.serving``: takes each column as texts, in which "" is a missing value.
_SIGNATURE = "serving_raw"

_SAVED_MODEL = "saved_model.pb"
_CONNECT_SECONDS, _READ_SECONDS = 10.0, 120.0


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a model says of a complaint.

    Attributes:
        complaint: The complaint.
        probability: Probability that the consumer disputes the answer.
        disputed: 0 or 1, by the model's decision threshold.
    """

    complaint: Complaint
    probability: float
    disputed: int


class Model(Protocol):
    """What predicts."""

    def predict(self, columns: Mapping[str, Sequence[str]]) -> tuple[list[float], list[int]]:
        """Returns probabilities and decisions for complaints.

        Args:
            columns: Texts by the name of their column, all of the same length.
        """


class SavedModel:
    """An exported model, loaded here."""

    def __init__(self, path: str) -> None:
        """Loads it.

        Args:
            path: Its folder, or the URI of one in a bucket.

        Raises:
            RunError: If it cannot be loaded, or is not one that the Trainer has exported.
        """
        tf = files.open_storage(path)
        try:
            # Kept: its variables live as long as it.
            self._model = tf.saved_model.load(path)
        except Exception as error:  # (a damaged one may raise anything)
            raise RunError(
                f"{path}: cannot be loaded ({type(error).__name__}: {_line(error)}); it is damaged "
                "or no SavedModel; name another"
            ) from error
        signatures = getattr(self._model, "signatures", {})
        if _SIGNATURE not in signatures:
            raise RunError(f"{path}: has no signature {_SIGNATURE}; name a model of this pipeline")
        self._signature = signatures[_SIGNATURE]
        _, inputs = self._signature.structured_input_signature
        if set(inputs) != set(TEXT_COLUMNS):
            raise RunError(
                f"{path}: its signature {_SIGNATURE} takes {', '.join(sorted(inputs)) or 'nothing'}"
                f" instead of {', '.join(TEXT_COLUMNS)}; name a model of this pipeline"
            )
        self._path = path

    def predict(self, columns: Mapping[str, Sequence[str]]) -> tuple[list[float], list[int]]:
        """Returns probabilities and decisions for complaints."""
        import tensorflow as tf

        try:
            inputs = {name: tf.constant(texts) for name, texts in columns.items()}
            answer = self._signature(**inputs)
        except (tf.errors.OpError, ValueError, TypeError) as error:
            raise RunError(f"{self._path}: does not answer: {_line(error)}") from error
        return _read_answer(
            {name: value.numpy().tolist() for name, value in answer.items()}, self._path
        )


class ModelServer:
    """A model behind TensorFlow Serving's REST API.

    https://www.tensorflow.org/tfx/serving/api_rest#predict_api
    """

    def __init__(self, url: str) -> None:
        """Takes the model's address.

        Args:
            url: Such as ``http://localhost:8501/v1/models/complaints``, also with
                ``/versions/VERSION``.

        Raises:
            RunError: If it is not such an address.
        """
        parts = urllib.parse.urlsplit(url)
        # What comes before the host may be a password, which no message must hold.
        host = parts.netloc.rpartition("@")[2]
        self._shown = parts._replace(netloc=host, query="", fragment="").geturl()
        if parts.scheme not in ("http", "https") or not host or "/v1/models/" not in parts.path:
            raise RunError(
                f"{self._shown}: is not the address of a model, such as "
                "http://localhost:8501/v1/models/complaints"
            )
        path = f"{parts.path.rstrip('/').removesuffix(':predict')}:predict"
        self._url = parts._replace(path=path).geturl()

    def predict(self, columns: Mapping[str, Sequence[str]]) -> tuple[list[float], list[int]]:
        """Returns probabilities and decisions for complaints."""
        request = {"signature_name": _SIGNATURE, "inputs": columns}
        try:
            answer = requests.post(
                self._url, json=request, timeout=(_CONNECT_SECONDS, _READ_SECONDS)
            )
            body = answer.json()
        except requests.exceptions.JSONDecodeError as error:
            raise RunError(f"{self._shown}: answered {answer.status_code} without JSON") from error
        except requests.exceptions.RequestException as error:
            raise RunError(
                f"{self._shown}: does not answer ({type(error).__name__}); is the server there?"
            ) from error
        if answer.status_code != requests.codes.ok:
            reason = body.get("error") if isinstance(body, dict) else None
            raise RunError(f"{self._shown}: answered {answer.status_code}: {_line(reason or body)}")
        outputs = body.get("outputs") if isinstance(body, dict) else None
        if not isinstance(outputs, dict):
            raise RunError(f"{self._shown}: the answer has no 'outputs'; is it TensorFlow Serving?")
        return _read_answer(outputs, self._shown)


def model_folder(path: str) -> str:
    """Returns the folder of a model: the one that is given, or the newest version in it.

    Args:
        path: A SavedModel, or a folder of versions as Pusher fills it; or the URI of one.

    Raises:
        RunError: If there is no model.
    """
    if files.exists(files.join(path, _SAVED_MODEL)):
        return path
    try:
        names = files.list_folder(path)
    except files.ArtifactError as error:
        raise RunError(f"{error}; name the folder with {_SAVED_MODEL}") from error
    versions = [
        name
        for name in names
        if name.isascii() and name.isdigit() and files.exists(files.join(path, name, _SAVED_MODEL))
    ]
    if not versions:
        raise RunError(f"{path}: holds no model; name the folder with {_SAVED_MODEL}")
    return files.join(path, max(versions, key=int))


def predictions(
    path: pathlib.Path, model: Model, batch_size: int
) -> Iterator[tuple[list[Prediction], int]]:
    """Predicts the complaints of a CSV file, a batch at a time.

    Args:
        path: The file, in the form that ExampleGen reads; the label may be missing.
        model: What predicts.
        batch_size: The most complaints at a time.

    Yields:
        The predictions of a batch in the file's order, and the bytes that were read so far.

    Raises:
        InputDataError: If the file cannot be read; the message names the row.
        RunError: If the model does not answer.
    """
    try:
        with path.open("rb") as stream:
            complaints = read_complaints(stream, str(path), with_label=False)
            while batch := list(itertools.islice(complaints, batch_size)):
                cells = zip(*(complaint.cells for complaint in batch), strict=True)
                columns = {
                    name: [cell.decode() for cell in column]
                    for name, column in zip(TEXT_COLUMNS, cells, strict=True)
                }
                probabilities, decisions = model.predict(columns)
                if not len(probabilities) == len(decisions) == len(batch):
                    raise RunError(
                        f"the model has answered {len(probabilities)} of {len(batch)} complaints"
                    )
                found = map(Prediction, batch, probabilities, decisions)
                yield list(found), stream.tell() if not stream.closed else 0
    except OSError as error:
        raise InputDataError(f"{path}: cannot be read: {error.strerror}") from error


def _read_answer(answer: Mapping[str, Any], place: str) -> tuple[list[float], list[int]]:
    try:
        probabilities = [float(_single(value)) for value in answer["probability"]]
        decisions = [int(_single(value)) for value in answer["disputed"]]
    except (KeyError, TypeError, ValueError) as error:
        shown = json.dumps(sorted(answer))
        raise RunError(
            f"{place}: the answer has no numbers 'probability' and 'disputed', but {shown}"
        ) from error
    if not all(0 <= value <= 1 and math.isfinite(value) for value in probabilities):
        raise RunError(f"{place}: has answered what is no probability")
    return probabilities, decisions


def _single(value: Any) -> Any:
    """Returns a number, also out of a row of one."""
    if isinstance(value, list):
        (value,) = value
    return value


def _line(error: object) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
