"""What `stage` would send, and whereto, before anything outside this machine is asked."""

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from components.errors import InputDataError, PipelineError, WorkflowError
from orchestration.cluster.staging.places import find_place
from orchestration.cluster.staging.stager import Request, Selection, select
from orchestration.package import WorkflowPackage, read_package

PROJECT = pathlib.Path(__file__).resolve().parents[3]
GOLDEN = PROJECT / "tests" / "golden"
COMMITTED = PROJECT / "argo_pipeline_files" / "consumer_complaint_pipeline_kubeflow.yaml"
MODULE = "release-7/components/module.py"


@pytest.fixture
def package() -> WorkflowPackage:
    """A workflow with data and a module file on a volume."""
    return read_package(GOLDEN / "module_file.yaml")


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "here"
    path.mkdir()
    return path


def changed(package: WorkflowPackage, old: str, new: str) -> WorkflowPackage:
    """The same workflow with another text somewhere."""
    text = json.dumps(package.manifest)
    assert old in text
    return WorkflowPackage(package.path, text, yaml.safe_load(text.replace(old, new)))


def destinations(selection: Selection) -> dict[str, str]:
    return {item.source.path.name: item.place.path for item in selection.wanted}


def refused(package: WorkflowPackage, **request: Any) -> str:
    with pytest.raises(PipelineError) as error:
        select(package, Request(**request))
    return str(error.value)


@pytest.mark.parametrize(
    ("workflow", "what", "expected"),
    [
        ("module_file", "data-root", ("/tfx-data/data", "", "tfx-pvc", "data")),
        (
            "module_file",
            "module_file",
            (f"/tfx-data/{MODULE}", "", "tfx-pvc", MODULE),
        ),
        (
            "everything",
            "data-root",
            ("gs://example-bucket/complaints", "gs", "example-bucket", "complaints"),
        ),
        ("buckets", "data-root", ("gs://example-bucket/data", "gs", "example-bucket", "data")),
        (
            "everything",
            "schema_file",
            ("/mnt/shared/schema/schema.pbtxt", "", "shared-claim", "schema/schema.pbtxt"),
        ),
    ],
)
def test_the_workflow_says_where_its_pods_look(
    workflow: str, what: str, expected: tuple[str, ...]
) -> None:
    place = find_place(read_package(GOLDEN / f"{workflow}.yaml"), what)

    assert place is not None
    assert (place.path, place.scheme, place.store, place.inner) == expected


def test_a_mount_of_a_folder_of_the_volume_counts(package: WorkflowPackage) -> None:
    mount = '"mountPath": "/tfx-data"'
    place = find_place(changed(package, mount, f'{mount}, "subPath": "team"'), "data-root")

    assert place is not None
    assert (place.path, place.inner) == ("/tfx-data/data", "team/data")


@pytest.mark.parametrize(
    ("option", "setting"), [("module_file", "module_file"), ("schema_file", "schema_file")]
)
def test_what_the_workflow_does_not_read_is_refused(
    folder: pathlib.Path, option: str, setting: str
) -> None:
    (folder / "x.py").touch()

    message = refused(read_package(COMMITTED), **{option: folder / "x.py"})

    assert f"no step of it reads a {setting}; compile with --set {setting}=PATH" in message


@pytest.mark.parametrize(
    ("data_root", "why"),
    [
        ("/elsewhere/data", "is on no persistent volume of step csvexamplegen"),
        ("data", "is neither an absolute path nor a URI"),
        ("gs:///data", "names no bucket"),
        ("/tfx-data/../etc", "is on no persistent volume"),
        ("/tfx-data/a\nb", "holds a line break"),
    ],
)
def test_a_data_root_that_cannot_be_reached_is_refused(
    package: WorkflowPackage, folder: pathlib.Path, data_root: str, why: str
) -> None:
    (folder / "x.csv").touch()

    assert why in refused(package, data=[folder], data_root=data_root)


def test_a_data_root_without_default_must_be_given(
    package: WorkflowPackage, folder: pathlib.Path
) -> None:
    (folder / "x.csv").touch()
    package = changed(package, '"value": "/tfx-data/data"', '"value": ""')

    assert "say with --data-root what the run gets" in refused(package, data=[folder])


def test_of_a_folder_the_csv_files_go_and_the_others_are_named(
    package: WorkflowPackage, folder: pathlib.Path
) -> None:
    for name in ("b.csv", "a.csv", "notes.txt", ".hidden.csv", "UPPER.CSV"):
        (folder / name).touch()

    selection = select(package, Request(data=[folder]))

    assert destinations(selection) == {
        "a.csv": "/tfx-data/data/a.csv",
        "b.csv": "/tfx-data/data/b.csv",
    }
    assert selection.warnings == [
        f"{folder}: not staged, ExampleGen reads only .csv files: .hidden.csv, UPPER.CSV, notes.txt"
    ]


@pytest.fixture
def spans(package: WorkflowPackage) -> WorkflowPackage:
    """The workflow with folders of spans."""
    escaped = json.dumps(json.dumps(json.dumps("*.csv"))[1:-1])[1:-1]
    pattern = escaped.replace("*.csv", "span-{SPAN}/*.csv")
    return changed(package, escaped, pattern)


def test_span_folders_go_as_they_are(spans: WorkflowPackage, folder: pathlib.Path) -> None:
    for name in ("span-1/a.csv", "span-2/a.csv", "span-2/b.csv", ".span-3/a.csv", "span-x/a.csv"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (folder / "span-2/notes.txt").touch()
    (folder / "loose.csv").touch()

    selection = select(spans, Request(data=[folder]))

    assert [item.place.path for item in selection.wanted] == [
        "/tfx-data/data/span-1/a.csv",
        "/tfx-data/data/span-2/a.csv",
        "/tfx-data/data/span-2/b.csv",
    ]
    assert selection.warnings == [
        f"{folder}: not staged, ExampleGen reads only span-{{SPAN}}/*.csv files: .span-3, "
        "loose.csv, span-2/notes.txt, span-x/a.csv"
    ]


def test_a_span_folder_itself_is_refused_with_what_to_name(
    spans: WorkflowPackage, folder: pathlib.Path
) -> None:
    (folder / "span-1").mkdir()
    (folder / "span-1/a.csv").touch()

    assert "name the folder that the spans are in" in refused(spans, data=[folder / "span-1"])
    assert "name the folder that it is below" in refused(spans, data=[folder / "span-1/a.csv"])


def test_a_link_goes_under_its_own_name(package: WorkflowPackage, folder: pathlib.Path) -> None:
    (folder.parent / "real.txt").write_text("content")
    (folder / "link.csv").symlink_to(folder.parent / "real.txt")

    (item,) = select(package, Request(data=[folder])).wanted

    assert (item.source.name, item.source.size) == ("link.csv", 7)


def link_to_nothing(folder: pathlib.Path) -> None:
    (folder / "x.csv").symlink_to("nothing")


def folder_of_that_name(folder: pathlib.Path) -> None:
    (folder / "x.csv").mkdir()


def line_break(folder: pathlib.Path) -> None:
    (folder / "x\ny.csv").touch()


def no_utf8(folder: pathlib.Path) -> None:
    (folder / os.fsdecode(b"\xff.csv")).touch()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda folder: None, "has no .csv file"),
        (link_to_nothing, "x.csv: cannot be read: No such file or directory"),
        (folder_of_that_name, "x.csv: is no file"),
        (line_break, r"x\ny.csv: its name holds a line break"),
        (no_utf8, "its name holds a line break, another control character or bytes"),
    ],
)
def test_what_cannot_be_staged_is_refused(
    package: WorkflowPackage, folder: pathlib.Path, make: Any, why: str
) -> None:
    make(folder)

    assert why in refused(package, data=[folder])


def test_two_files_of_one_name_are_refused(package: WorkflowPackage, folder: pathlib.Path) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "x.csv").touch()

    message = refused(package, data=[folder / "one", folder / "two" / "x.csv"])

    assert f"{folder}/two/x.csv: {folder}/one/x.csv has the same name" in message


def test_a_file_that_example_gen_would_not_read_is_refused(
    package: WorkflowPackage, folder: pathlib.Path
) -> None:
    (folder / "x.txt").touch()

    assert "reads only files whose name ends in .csv" in refused(package, data=[folder / "x.txt"])


def test_a_sibling_under_the_name_of_the_module_file_is_refused(
    package: WorkflowPackage, folder: pathlib.Path
) -> None:
    for name in ("mine.py", "module.py"):
        (folder / name).touch()

    message = refused(package, module_file=folder / "mine.py")

    assert f"{folder}/module.py: the pods look for {folder}/mine.py under this name" in message


def test_a_folder_that_is_no_package_is_warned_of(
    package: WorkflowPackage, folder: pathlib.Path
) -> None:
    for name in ("module.py", "other.py"):
        (folder / name).touch()

    (warning,) = select(package, Request(module_file=folder / "module.py")).warnings

    assert f"{folder}: has no __init__.py" in warning


def test_steps_that_look_in_two_places_are_refused(
    package: WorkflowPackage, folder: pathlib.Path
) -> None:
    (folder / "module.py").touch()
    text = json.dumps(package.manifest)
    first = text.index("release-7/components/module.py")
    text = text[:first] + text[first:].replace("release-7", "release-8", 1)
    package = WorkflowPackage(package.path, text, json.loads(text))

    with pytest.raises(WorkflowError, match=r"release-7/.* and in .*release-8/"):
        select(package, Request(module_file=folder / "module.py"))


def test_a_file_that_may_not_be_read_is_refused(
    package: WorkflowPackage, folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "x.csv").touch()
    # Root may read everything.
    monkeypatch.setattr("orchestration.cluster.staging.sources.os.access", lambda *_: False)

    with pytest.raises(InputDataError, match=r"x\.csv: cannot be read: Permission denied"):
        select(package, Request(data=[folder]))


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "nothing to stage; give --data, --module-file or --schema"),
        (["--schema", "x", "--data-root", "/x"], "--data-root needs --data"),
    ],
)
def test_a_command_line_that_says_nothing_is_refused(
    words: list[str], why: str, command_line: Callable[..., tuple[int, str, str]]
) -> None:
    status, _, err = command_line("stage", COMMITTED, *words)

    assert (status, why in err) == (2, True)


def test_what_is_not_there_is_not_asked_to_be_renamed(
    package: WorkflowPackage, folder: pathlib.Path
) -> None:
    path = folder / "nothing"

    assert refused(package, data=[path]) == f"{path}: cannot be read: No such file or directory"
