"""The hash of the code in the pods: any change of the code changes it, nothing else does."""

import pathlib
import re
import shutil
from collections.abc import Callable

import pytest

import components
from components.code_hash import (
    EXAMPLE_GEN_MODULES,
    PREPROCESSING_MODULES,
    TRAINING_MODULES,
    code_hash,
)


@pytest.fixture
def package(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "package"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_bytes(b"")
    (folder / "model.py").write_bytes(b"a = 1\nb = 2\n")
    (folder / "inner" / "layer.py").write_bytes(b"c = 3\n")
    return folder


CHANGES: dict[str, Callable[[pathlib.Path], object]] = {
    "text": lambda folder: (folder / "model.py").write_bytes(b"a = 1\nb = 3\n"),
    "inner text": lambda folder: (folder / "inner" / "layer.py").write_bytes(b"c = 4\n"),
    "name": lambda folder: (folder / "model.py").rename(folder / "models.py"),
    "folder": lambda folder: (folder / "model.py").rename(folder / "inner" / "model.py"),
    "new file": lambda folder: (folder / "new.py").write_bytes(b""),
    "file removed": lambda folder: (folder / "__init__.py").unlink(),
    "text moved to another file": lambda folder: (
        (folder / "model.py").write_bytes(b"a = 1\n"),
        (folder / "inner" / "layer.py").write_bytes(b"b = 2\nc = 3\n"),
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_of_the_code_changes_the_hash(
    package: pathlib.Path, change: Callable[[pathlib.Path], object]
) -> None:
    before = code_hash(package)

    change(package)

    assert code_hash(package) != before


NO_CHANGES: dict[str, Callable[[pathlib.Path], object]] = {
    "bytecode": lambda folder: (
        (folder / "__pycache__").mkdir(),
        (folder / "__pycache__" / "model.cpython-310.pyc").write_bytes(b"x"),
    ),
    "line ends of Windows": lambda folder: (folder / "model.py").write_bytes(b"a = 1\r\nb = 2\r\n"),
    "time": lambda folder: (folder / "model.py").touch(),
}


@pytest.mark.parametrize("change", NO_CHANGES.values(), ids=NO_CHANGES.keys())
def test_what_is_not_code_does_not_change_the_hash(
    package: pathlib.Path, change: Callable[[pathlib.Path], object]
) -> None:
    before = code_hash(package)

    change(package)

    assert code_hash(package) == before


def test_the_place_of_the_package_does_not_matter(tmp_path: pathlib.Path) -> None:
    here = pathlib.Path(components.__path__[0])
    there = shutil.copytree(here, tmp_path / "elsewhere" / "components")

    assert code_hash(there) == code_hash(here)


@pytest.mark.parametrize("modules", [EXAMPLE_GEN_MODULES, PREPROCESSING_MODULES, TRAINING_MODULES])
def test_the_modules_of_a_component_are_all_that_they_import(modules: frozenset[str]) -> None:
    folder = pathlib.Path(components.__path__[0])
    imported = set()
    for module in modules:
        text = (folder / module).read_text()
        imported |= set(re.findall(r"^from components\.(\w+) import", text, re.MULTILINE))
        for names in re.findall(r"^from components import (.*)", text, re.MULTILINE):
            imported |= set(names.split(", "))

    # The errors change what is said, not what is made.
    assert {f"{name}.py" for name in imported} - {"errors.py"} <= modules


def test_other_files_than_the_named_ones_do_not_count(package: pathlib.Path) -> None:
    names = frozenset({"model.py"})
    before = code_hash(package, names)

    (package / "inner" / "layer.py").write_bytes(b"c = 4\n")
    unchanged = code_hash(package, names)
    (package / "model.py").write_bytes(b"a = 2\n")

    assert before == unchanged != code_hash(package, names)


def test_a_subpackages_module_of_the_same_name_does_not_count(package: pathlib.Path) -> None:
    names = frozenset({"model.py"})
    before = code_hash(package, names)

    (package / "inner" / "model.py").write_bytes(b"a = 2\n")

    assert code_hash(package, names) == before
