"""Predictions of a CSV file by a server that speaks TensorFlow Serving's REST API."""

import dataclasses
import http.server
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from components.errors import InputDataError, RunError
from components.features import COLUMNS, TEXT_COLUMNS
from components.prediction import ModelServer, model_folder, predictions
from tests.loopback import serving


@dataclasses.dataclass
class Server:
    """What the server answers, and what it was asked."""

    url: str = ""
    status: int = 200
    body: Any = None
    asked: list[Any] = dataclasses.field(default_factory=list)
    paths: list[str] = dataclasses.field(default_factory=list)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        state: Server = self.server.state  # type: ignore[attr-defined]
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        state.asked.append(request)
        state.paths.append(self.path)
        body = state.body
        if body is None:
            lengths = [len(text) for text in request["inputs"]["product"]]
            body = {
                "outputs": {
                    "probability": [[length / 100] for length in lengths],
                    "disputed": [[int(length > 8)] for length in lengths],
                }
            }
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(state.status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(_Handler, Server()) as state:
        yield state


@pytest.fixture
def complaints(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "complaints.csv"
    header = [*TEXT_COLUMNS, "consumer_disputed", "complaint_id"]
    rows = [
        ["Mortgage", *[""] * 9, "1", "11"],
        ["Credit card", *[""] * 9, "", "12"],
        ["Loan", *[""] * 9, "0", "13"],
    ]
    path.write_text("\n".join(",".join(row) for row in [header, *rows]) + "\n")
    return path


def model(server: Server) -> ModelServer:
    return ModelServer(f"{server.url}/v1/models/complaints")


def test_each_complaint_has_its_answer_in_order(server: Server, complaints: pathlib.Path) -> None:
    batches = list(predictions(complaints, model(server), batch_size=2))

    found = [item for batch, _ in batches for item in batch]
    assert [(item.complaint.complaint_id, item.probability, item.disputed) for item in found] == [
        ("11", 0.08, 0),
        ("12", 0.11, 1),
        ("13", 0.04, 0),
    ]
    assert [item.complaint.disputed for item in found] == [1, None, 0]
    assert server.paths == ["/v1/models/complaints:predict"] * 2
    assert [len(request["inputs"]["company"]) for request in server.asked] == [2, 1]
    assert {request["signature_name"] for request in server.asked} == {"serving_raw"}
    assert set(server.asked[0]["inputs"]) == set(TEXT_COLUMNS)


def test_a_file_without_labels_is_predicted_too(server: Server, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text(",".join(TEXT_COLUMNS) + "\nMortgage" + "," * 9 + "\n")

    ((batch, _),) = predictions(path, model(server), batch_size=10)

    assert batch[0].complaint.disputed is None


def test_a_row_that_cannot_be_read_is_named(server: Server, complaints: pathlib.Path) -> None:
    complaints.write_text(complaints.read_text() + "a,b\n")

    with pytest.raises(InputDataError, match=r"complaints\.csv, row 5: 2 cells"):
        list(predictions(complaints, model(server), batch_size=10))


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (404, {"error": "Servable not found"}, "answered 404: Servable not found"),
        (200, b"<html>", "answered 200 without JSON"),
        (200, {"predictions": []}, "the answer has no 'outputs'"),
        (200, {"outputs": {"score": [1]}}, "the answer has no numbers 'probability'"),
        (200, {"outputs": {"probability": [2.0], "disputed": [1]}}, "what is no probability"),
        (200, {"outputs": {"probability": [0.5], "disputed": [1]}}, "answered 1 of 3 complaints"),
    ],
)
def test_an_answer_that_does_not_do_is_one_line(
    server: Server, complaints: pathlib.Path, status: int, body: Any, said: str
) -> None:
    server.status, server.body = status, body

    with pytest.raises(RunError, match=said) as error:
        list(predictions(complaints, model(server), batch_size=10))
    assert "\n" not in str(error.value)


def test_nobody_there_is_one_line(complaints: pathlib.Path) -> None:
    nobody = ModelServer("http://127.0.0.1:9/v1/models/x")

    with pytest.raises(RunError, match="does not answer"):
        list(predictions(complaints, nobody, batch_size=10))


@pytest.mark.parametrize("url", ["localhost:8501/v1/models/x", "http://localhost:8501/x", "x"])
def test_an_address_that_is_no_models_is_refused(url: str) -> None:
    with pytest.raises(RunError, match="is not the address of a model"):
        ModelServer(url)


def test_no_message_holds_the_password_of_an_address(
    server: Server, complaints: pathlib.Path
) -> None:
    server.status, server.body = 404, {"error": "gone"}
    address = server.url.replace("http://", "http://me:hunter2@")

    with pytest.raises(RunError) as answered:
        list(predictions(complaints, ModelServer(f"{address}/v1/models/x"), batch_size=10))
    with pytest.raises(RunError) as malformed:
        ModelServer(f"{address}/x")

    for error in (answered, malformed):
        assert "hunter2" not in str(error.value)
        assert "http://127.0.0.1:" in str(error.value)


def test_the_newest_version_of_a_folder_is_taken(tmp_path: pathlib.Path) -> None:
    for name in ("9", "10", "temp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").touch()
    (tmp_path / "11").mkdir()

    assert model_folder(str(tmp_path)) == f"{tmp_path}/10"
    assert model_folder(f"{tmp_path}/9") == f"{tmp_path}/9"
    with pytest.raises(RunError, match="holds no model"):
        model_folder(f"{tmp_path}/11")
    with pytest.raises(RunError, match=r"No such file or directory; name the folder"):
        model_folder(f"{tmp_path}/12")


def test_the_columns_are_those_that_example_gen_reads() -> None:
    assert set(TEXT_COLUMNS) < set(COLUMNS)
