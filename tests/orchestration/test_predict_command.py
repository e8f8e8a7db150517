"""Predicting a file on the command line: where the predictions go, and what is refused."""

import os
import pathlib
import stat

import pytest
from click.testing import CliRunner, Result

from components.features import TEXT_COLUMNS
from orchestration.cli import cli
from tests.components.test_prediction import Server, server

__all__ = ["server"]


@pytest.fixture
def complaints(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "new.csv"
    path.write_text(",".join(TEXT_COLUMNS) + "\nMortgage" + "," * 9 + "\n")
    return path


def predict(server: Server, complaints: pathlib.Path, *options: str) -> Result:
    return CliRunner().invoke(
        cli, ["predict", "--url", server.url, "--csv", str(complaints), *options]
    )


@pytest.fixture(autouse=True)
def model(server: Server) -> None:
    server.url += "/v1/models/complaints"


def test_predictions_go_to_the_file(server: Server, complaints: pathlib.Path) -> None:
    out = complaints.with_name("out.csv")

    done = predict(server, complaints, "--out", str(out))

    assert done.exit_code == 0, done.output
    assert out.read_text() == "row,complaint_id,probability,disputed\n1,,0.080000,0\n"


def test_a_device_is_written_to_and_not_replaced(server: Server, complaints: pathlib.Path) -> None:
    done = predict(server, complaints, "--out", os.devnull)

    assert done.exit_code == 0, done.output
    assert stat.S_ISCHR(pathlib.Path(os.devnull).stat().st_mode)


def test_a_link_still_leads_to_the_file(server: Server, complaints: pathlib.Path) -> None:
    target, link = complaints.with_name("target.csv"), complaints.with_name("link.csv")
    target.write_text("before")
    link.symlink_to(target)

    assert predict(server, complaints, "--out", str(link)).exit_code == 0

    assert link.is_symlink()
    assert target.read_text().startswith("row,")


def test_the_file_that_is_read_is_not_overwritten(server: Server, complaints: pathlib.Path) -> None:
    before = complaints.read_bytes()

    done = predict(server, complaints, "--out", str(complaints))

    assert done.exit_code == 1
    assert "is the file that is read; name another" in str(done.exception)
    assert complaints.read_bytes() == before
