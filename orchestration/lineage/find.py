"""Finds what a user means: a pushed model's path or version, an artifact, a run, or data."""

import dataclasses
import difflib
import hashlib
import os
import pathlib
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from components.errors import MetadataError
from orchestration.lineage import words
from orchestration.lineage.data_files import InputFiles, input_files
from orchestration.lineage.graph import MODEL, PUSHED_MODEL, Artifact
from orchestration.lineage.reader import Reader

_SHA256 = re.compile(r"[0-9a-f]{64}")

#: How many components at the end of a path make it the same one, on a volume mounted elsewhere:
#: PIPELINE/VERSION of a pushed model, and COMPONENT/OUTPUT/EXECUTION of another artifact.
_PUSHED_TAIL = 2
_URI_TAIL = 3

#: How far above a file its artifact may be: MODEL/Format-Serving/variables/variables.index.
_MAX_PARENTS = 4

#: How many names are compared with one that is not known, and how many are suggested.
_MAX_COMPARED = 2_000
_MAX_SUGGESTED = 3

_HASH_BYTES = 1024 * 1024


@dataclasses.dataclass(frozen=True, kw_only=True)
class Found:
    """What the user means.

    Attributes:
        artifacts: Ids of the artifacts.
        is_data: Whether it is data, from which only the way forward leads on.
        runs: The run that was named, if it was one.
        notes: What the user should know of how it was found.
    """

    artifacts: tuple[int, ...]
    is_data: bool = False
    runs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find(reader: Reader, text: str) -> Found:
    """Finds what a text means in a store.

    Args:
        reader: The store.
        text: Path of a pushed model or of a file in it, its version, id or URI of an artifact,
            id of a run, path of a data file or folder as it was recorded or as it is here, name
            of a data file, or SHA-256 of its contents.

    Raises:
        MetadataError: If the text is empty, or nothing has this name, with the closest ones, or
            several things have.
    """
    if not text.strip():
        raise MetadataError(
            "nothing is named; give a model's path or version, an artifact's id, a run, or a data "
            "file"
        )
    attempts: list[Callable[[Reader, str], Found | None]] = [
        _by_number,
        _by_path,
        _by_run,
        _by_data,
        _by_tail,
    ]
    for attempt in attempts:
        if found := attempt(reader, text):
            return found
    raise MetadataError(
        f"{_shown(text)}: no model, artifact, run or data file in {reader.name}"
        f"{_closest(reader, text)}"
    )


def _by_number(reader: Reader, text: str) -> Found | None:
    versions = [
        artifact for artifact in reader.pushed_models() if _text(artifact, "pushed_version") == text
    ]
    # The ids of ml-metadata are 64-bit numbers.
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None
    artifacts = list(reader.artifacts([number])) if number else []
    if versions and artifacts:
        raise MetadataError(
            f"{text}: the version of a pushed model as well as the id of an artifact; name the "
            "path instead, or the run"
        )
    if versions:
        return _one_of(text, versions)
    return Found(artifacts=tuple(artifacts)) if artifacts else None


def _by_path(reader: Reader, text: str) -> Found | None:
    pushed = reader.pushed_models()
    for path in _paths(text):
        at_path = [item for item in pushed if _destination(item) == path]
        at_path = at_path or reader.artifacts_at(path) or reader.artifacts_at(f"{path}/")
        if at_path:
            return _one_of(text, at_path)
    return None


def _by_run(reader: Reader, text: str) -> Found | None:
    executions = reader.executions_of_run(text)
    if executions is None:
        return None
    outputs = reader.outputs(executions)
    pushed = [item for item in outputs if item.type == PUSHED_MODEL]
    models = [item for item in outputs if item.type == MODEL]
    if not pushed and not models:
        states = sorted({f"{item.node} {item.state}" for item in executions.values()})
        raise MetadataError(
            f"{_shown(text)}: this run has no model ({_listed(states) or 'no execution'}); "
            "name an artifact or data"
        )
    notes = () if pushed else ("this run has pushed no model: this is the one that it trained",)
    found = tuple(item.id for item in pushed or models)
    return Found(artifacts=found, runs=(text,), notes=notes)


def _by_data(reader: Reader, text: str) -> Found | None:
    raw = reader.examples_from_files()
    recorded = list(zip(raw, input_files(reader, raw), strict=True))
    if not recorded:
        return None
    wanted = set(_paths(text, with_parents=False))
    if in_folder := [item for item, files in recorded if wanted & set(files.folders)]:
        return _data(in_folder)
    if _SHA256.fullmatch(text.lower()):
        return _data(_with_checksum(recorded, text.lower()))
    if found := _by_contents(recorded, text):
        return found
    at_path = [item for item, files in recorded if wanted & set(files.paths())]
    if at_path:
        return _data(at_path, _stale_note(text))
    named = [item for item, files in recorded if text in {file.name for file in files.files}]
    if named:
        return _data(named)
    folder = [
        item
        for item, files in recorded
        if not files.files and {posixpath.dirname(path) for path in wanted} & set(files.folders)
    ]
    return _data(
        folder,
        "found by its folder: these runs have not recorded which files they have read",
    )


def _by_contents(recorded: Sequence[tuple[Artifact, InputFiles]], text: str) -> Found | None:
    path = pathlib.Path(text)
    try:
        if not path.is_file() or not any(files.files for _, files in recorded):
            return None
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_HASH_BYTES):
                digest.update(block)
    except (OSError, ValueError):
        return None
    return _data(_with_checksum(recorded, digest.hexdigest()))


def _by_tail(reader: Reader, text: str) -> Found | None:
    """Finds a path on a volume that is mounted elsewhere than where it was recorded."""
    if "/" not in text:
        return None
    for named, length in (
        ([(_destination(item), item) for item in reader.pushed_models()], _PUSHED_TAIL),
        ([(item.uri, item) for item in reader.all_artifacts()], _URI_TAIL),
    ):
        for path in _paths(text):
            tail = path.split("/")[-length:]
            same = [
                item
                for place, item in named
                if len(tail) == length and place.rstrip("/").split("/")[-length:] == tail
            ]
            if same:
                found = _one_of(text, same)
                place = next(place for place, item in named if item.id in found.artifacts)
                return dataclasses.replace(found, notes=(f"recorded as {place}",))
    return None


def _with_checksum(
    recorded: Sequence[tuple[Artifact, InputFiles]], checksum: str
) -> list[Artifact]:
    return [item for item, files in recorded if checksum in {file.sha256 for file in files.files}]


def _data(found: Sequence[Artifact], note: str | None = None) -> Found | None:
    if not found:
        return None
    notes = (note,) if note else ()
    return Found(artifacts=tuple(item.id for item in found), is_data=True, notes=notes)


def _stale_note(text: str) -> str | None:
    """Warns where the file that is there now is not what was read."""
    try:
        is_here = pathlib.Path(text).is_file()
    except (OSError, ValueError):
        return None
    return "its contents are not those that these runs have read" if is_here else None


def _one_of(text: str, artifacts: Sequence[Artifact]) -> Found:
    if len(artifacts) > 1:
        ids = ", ".join(str(artifact.id) for artifact in artifacts[:10])
        raise MetadataError(
            f"{_shown(text)}: this is several artifacts; name one of them by its id: {ids}"
        )
    return Found(artifacts=(artifacts[0].id,))


def _paths(text: str, *, with_parents: bool = True) -> Iterator[str]:
    """Yields what a path may have been recorded as: itself, absolute, and what it is in."""
    stripped = text.rstrip("/") or text
    forms = [stripped]
    if "://" not in text:
        forms.append(os.path.abspath(stripped))  # noqa: PTH100 (takes .. out, and follows nothing)
    for form in dict.fromkeys(forms):
        yield form
    for form in dict.fromkeys(forms) if with_parents else ():
        for _ in range(_MAX_PARENTS):
            form = form.rpartition("/")[0]
            if form.count("/") > 1:
                yield form


def _destination(artifact: Artifact) -> str:
    return _text(artifact, "pushed_destination").rstrip("/")


def _text(artifact: Artifact, name: str) -> str:
    value = artifact.properties.get(name)
    return value if isinstance(value, str) else ""


def _closest(reader: Reader, text: str) -> str:
    """Returns the end of the message about an unknown name: the closest ones that there are."""
    pushed = reader.pushed_models()[-_MAX_COMPARED:]
    names = [_text(item, "pushed_version") for item in pushed]
    names += reader.run_ids()[:_MAX_COMPARED]
    if "/" in text:
        names += [_destination(item) for item in pushed]
    for files in input_files(reader, reader.examples_from_files()[-_MAX_SUGGESTED:]):
        names += [*files.folders, *(file.name for file in files.files)]
    known = list(dict.fromkeys(name for name in names if name))
    close = difflib.get_close_matches(text, known, n=_MAX_SUGGESTED, cutoff=0.5)
    if close:
        return f"; the closest are {_listed(close)}"
    if pushed:
        return f"; the newest pushed model is {_shown(_text(pushed[-1], 'pushed_version'))}"
    return "; it has no pushed model"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(_shown(name) for name in names)


def _shown(text: str) -> str:
    line = words.one_line(text, len(text))
    return line if len(line) <= 120 else f"{line[:60]}...{line[-57:]}"
