"""Predicting a file on the command line: where the predictions go, and what is refused."""

import json
import os
import pathlib
import stat

import pytest
from click.testing import CliRunner, Result

from components.features import TEXT_COLUMNS
from orchestration.cli import cli
from tests.components.test_prediction import Server, server
from tests.shell_workflow import container, workflow, write

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


def test_a_run_whose_model_is_gone_is_told_as_such(
    complaints: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    home, gone = tmp_path / "home", tmp_path / "serving_model" / "17"
    package = write(tmp_path, workflow([container("a", "true")]))
    assert CliRunner().invoke(cli, ["run", str(package), "--home", str(home)]).exit_code == 0
    (record,) = home.glob("runs/*/run.json")
    content = json.loads(record.read_text())
    content["result"] = {"pushed_model": str(gone)}
    record.write_text(json.dumps(content))
    run = record.parent.name

    done = CliRunner().invoke(cli, ["predict", run, "--csv", str(complaints), "--home", str(home)])

    assert done.exit_code == 1
    assert str(done.exception) == (
        f"{run}: the model that it has pushed is no longer at {gone}; name another run, or a "
        "model's folder"
    )
