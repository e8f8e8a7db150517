"""The files here that are to be staged."""

import dataclasses
import os
import pathlib
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence

from components.errors import InputDataError
from components.spans import InputPattern

_CHUNK_BYTES = 1024 * 1024
_CSV = ".csv"
_ALL_CSV = f"*{_CSV}"
_MOST_NAMED = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file here, as it was when it was first looked at.

    Attributes:
        path: The file.
        name: Its path in the folder where the pods look, with slashes.
        size: Its size in bytes.
        modified: When it was last changed, in nanoseconds.
    """

    path: pathlib.Path
    name: str
    size: int
    modified: int

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        """Yields what the file holds, from an offset on.

        Raises:
            InputDataError: If it cannot be read, or has changed since it was looked at.
        """
        left = self.size - start
        try:
            with self.path.open("rb") as stream:
                stream.seek(start)
                while left > 0:
                    chunk = stream.read(min(_CHUNK_BYTES, left))
                    if not chunk:
                        break
                    left -= len(chunk)
                    yield chunk
        except OSError as error:
            raise InputDataError(f"{self.path}: cannot be read: {error.strerror}") from error
        self.require_unchanged()

    def require_unchanged(self) -> None:
        """Checks that the file is still what it was.

        Raises:
            InputDataError: If it is not.
        """
        try:
            now = self.path.stat()
        except OSError as error:
            raise InputDataError(f"{self.path}: cannot be read: {error.strerror}") from error
        if (now.st_size, now.st_mtime_ns) != (self.size, self.modified):
            raise self.changed()

    def changed(self) -> InputDataError:
        """Returns the error for a file that has changed."""
        return InputDataError(
            f"{self.path}: changed while it was staged; let what writes it finish, and stage again"
        )


def data_files(
    given: Sequence[pathlib.Path], pattern: InputPattern
) -> tuple[list[SourceFile], list[str]]:
    """Returns the CSV files that are named, or in the folders that are named.

    Args:
        given: Files and folders; of a folder, what matches the pattern below it.
        pattern: The pattern of the files that ExampleGen reads.

    Returns:
        The files by name, and warnings about what ExampleGen would not read.

    Raises:
        InputDataError: If there is none, or one cannot be staged.
    """
    files: dict[str, SourceFile] = {}
    warnings = []
    what = f"{_CSV} files" if pattern.text == _ALL_CSV else f"{pattern.text} files"
    for path in given:
        if _is_folder(path):
            names, others = _split(path, pattern)
            if others:
                warnings.append(
                    f"{path}: not staged, ExampleGen reads only {what}: {named(others)}"
                )
            if not names:
                raise InputDataError(
                    f"{path}: has no file that matches {pattern.text}; name the folder that the "
                    "spans are in"
                    if pattern.has_spans
                    else f"{path}: has no {what[:-1]}; put the data there"
                )
            found = [source_file(path / name, name) for name in names]
        elif pattern.matches(path.name) or not path.exists():
            # What is not there is told as such.
            found = [source_file(path, path.name)]
        else:
            raise InputDataError(
                f"{path}: ExampleGen reads only {what}, and the name does not match; name the "
                "folder that it is below"
                if pattern.text != _ALL_CSV
                else f"{path}: ExampleGen reads only files whose name ends in {_CSV}, and no "
                "hidden ones; rename it"
            )
        for file in found:
            if file.name in files:
                raise InputDataError(
                    f"{file.path}: {files[file.name].path} has the same name, and both go to one "
                    "folder; rename one"
                )
            files[file.name] = file
    return [files[name] for name in sorted(files)], warnings


def module_files(path: pathlib.Path, name: str) -> tuple[list[SourceFile], list[str]]:
    """Returns a module file, and the modules that it can import from its folder.

    Args:
        path: The module file.
        name: The name under which the pods look for it.

    Returns:
        The file itself first, then the others ``*.py`` of its folder and of the packages in it;
        and warnings.

    Raises:
        InputDataError: If one of them cannot be staged.
    """
    module = source_file(path, name)
    folder = path.parent
    others = [other for other in _modules(folder) if other != path]
    files = [source_file(other, other.relative_to(folder).as_posix()) for other in others]
    for file in files:
        if file.name == name:
            raise InputDataError(
                f"{file.path}: the pods look for {path} under this name; rename this one"
            )
    warnings = []
    if files and not (folder / "__init__.py").is_file():
        warnings.append(
            f"{folder}: has no __init__.py, so the package of this name in the image comes before "
            "it; make an empty one if the module file imports from its own folder"
        )
    return [module, *files], warnings


def source_file(path: pathlib.Path, name: str) -> SourceFile:
    """Looks at a file here.

    Args:
        path: The file; a link to one will do.
        name: Its path in the folder where the pods look.

    Raises:
        InputDataError: If it is none, cannot be read, or has a name that cannot be passed on.
    """
    shown = ascii(str(path))[1:-1] if not str(path).isprintable() else path
    try:
        status = path.stat()
    except OSError as error:
        raise InputDataError(f"{shown}: cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise InputDataError(f"{shown}: is no file; name a file")
    if not os.access(path, os.R_OK):
        raise InputDataError(f"{shown}: cannot be read: Permission denied")
    # A line holds one name on its way to the pod.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise InputDataError(
            f"{shown}: its name holds a line break, another control character or bytes that are "
            "not UTF-8; rename it"
        )
    return SourceFile(path=path, name=name, size=status.st_size, modified=status.st_mtime_ns)


def read_through(
    file: SourceFile,
    updates: Iterable[Callable[[bytes], object]],
    on_bytes: Callable[[int], None],
) -> None:
    """Passes all that a file holds to functions that compute its checksums.

    Raises:
        InputDataError: If it cannot be read, or changes meanwhile.
    """
    updates = tuple(updates)
    for chunk in file.chunks():
        for update in updates:
            update(chunk)
        on_bytes(len(chunk))


def is_data(name: str) -> bool:
    """Tells whether ExampleGen reads a file of this name."""
    return name.endswith(_CSV) and not name.startswith(".")


def named(names: Sequence[str]) -> str:
    """Returns the first of some names, and how many more there are."""
    shown = [name if name.isprintable() else ascii(name) for name in names[:_MOST_NAMED]]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _is_folder(path: pathlib.Path) -> bool:
    try:
        return path.is_dir()
    except OSError as error:
        raise InputDataError(f"{path}: cannot be read: {error.strerror}") from error


def _split(folder: pathlib.Path, pattern: InputPattern) -> tuple[list[str], list[str]]:
    """Splits the names below a folder into what ExampleGen would read, and the rest."""
    names = list(_names(folder, pattern.text.count("/")))
    data = [name for name in names if pattern.matches(name)]
    return data, [name for name in names if not pattern.matches(name)]


def _names(folder: pathlib.Path, levels: int) -> Iterator[str]:
    """Yields what is so many folders below a folder, and what is no such folder on the way."""
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputDataError(f"{folder}: cannot be read: {error.strerror}") from error
    for entry in entries:
        if levels and not entry.name.startswith(".") and _is_folder(entry):
            yield from (f"{entry.name}/{name}" for name in _names(entry, levels - 1))
        else:
            yield entry.name


def _modules(folder: pathlib.Path) -> list[pathlib.Path]:
    """Returns the modules of a folder, and those of the packages in it."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if (path / "__init__.py").is_file() and not path.is_symlink():
                found += _modules(path)
        elif path.suffix == ".py" and not path.name.startswith("."):
            found.append(path)
    return found
