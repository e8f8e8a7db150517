"""From what the user names to what is where the pods look."""

import dataclasses
import pathlib
from collections.abc import Callable, Sequence

from components.errors import WorkflowError
from components.spans import InputPattern
from orchestration.cluster.errors import ClusterError
from orchestration.cluster.kubectl import Kubectl
from orchestration.cluster.staging import sources
from orchestration.cluster.staging.places import (
    DATA,
    MODULE_FILE,
    SCHEMA_FILE,
    Place,
    find_place,
    input_pattern,
)
from orchestration.cluster.staging.plan import REPLACE, Entry, Plan, action
from orchestration.cluster.staging.target import Found, Target, Wanted
from orchestration.package import WorkflowPackage


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be staged.

    Attributes:
        data: CSV files, and folders of them.
        module_file: The module file, or ``None``.
        schema_file: The schema, or ``None``.
        data_root: What the run gives to its parameter ``data-root``; ``None`` for the workflow's
            default.
    """

    data: Sequence[pathlib.Path] = ()
    module_file: pathlib.Path | None = None
    schema_file: pathlib.Path | None = None
    data_root: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selection:
    """Files here, and the places where the pods look for them.

    Attributes:
        wanted: The files and their places.
        data_folder: Where ExampleGen looks, if data are among them.
        pattern: Pattern of the files that it reads there.
        warnings: What the user should know.
    """

    wanted: Sequence[Wanted]
    data_folder: Place | None
    pattern: InputPattern
    warnings: Sequence[str]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(item.source.size for item in self.wanted)


def select(package: WorkflowPackage, request: Request) -> Selection:
    """Finds the files and their places; nothing outside this machine is asked.

    Raises:
        InputDataError: If a file cannot be staged.
        WorkflowError: If the workflow does not read such a file.
    """
    wanted: list[Wanted] = []
    warnings: list[str] = []
    data_folder = None
    pattern = input_pattern(package)
    if request.data:
        data_folder = _place(package, DATA, request.data_root)
        files, remarks = sources.data_files(request.data, pattern)
        wanted += _in_folder(DATA, data_folder, files)
        warnings += remarks
    if request.module_file is not None:
        place = _place(package, MODULE_FILE)
        name = place.inner.rpartition("/")[2]
        if place.scheme:
            # From a bucket TFX fetches this file alone; what it imports comes from the image.
            files, remarks = [sources.source_file(request.module_file, name)], []
        else:
            files, remarks = sources.module_files(request.module_file, name)
        wanted += _in_folder(MODULE_FILE, place.folder, files)
        warnings += remarks
    if request.schema_file is not None:
        place = _place(package, SCHEMA_FILE)
        name = place.inner.rpartition("/")[2]
        source = sources.source_file(request.schema_file, name)
        wanted.append(Wanted(what=SCHEMA_FILE, source=source, place=place))
    _refuse_twice(wanted)
    return Selection(wanted=wanted, data_folder=data_folder, pattern=pattern, warnings=warnings)


def targets(selection: Selection, kubectl: Kubectl) -> dict[tuple[str, str], Target]:
    """Reaches the volumes and buckets of a selection, by scheme and name.

    Raises:
        ClusterError: If one cannot be reached.
    """
    found: dict[tuple[str, str], Target] = {}
    for item in selection.wanted:
        place = item.place
        key = (place.scheme, place.store)
        if key not in found:
            found[key] = _target(place, kubectl)
    return found


def make_plan(
    selection: Selection,
    places: dict[tuple[str, str], Target],
    overwrite: bool,
    on_bytes: Callable[[int], None],
) -> Plan:
    """Compares the files with what is at their places.

    Raises:
        PipelineError: If a file cannot be read, or a target does not answer.
    """
    entries = []
    warnings = list(selection.warnings)
    for key, target in places.items():
        wanted = [item for item in selection.wanted if _key(item.place) == key]
        folder = selection.data_folder
        if folder is not None and _key(folder) != key:
            folder = None
        found, names = target.look(wanted, folder, on_bytes)
        entries += [
            Entry(target=target, found=item, action=action(item, overwrite)) for item in found
        ]
        if folder is not None:
            ours = {item.source.name for item in wanted if item.place.folder.path == folder.path}
            others = sorted(name for name in set(names) - ours if selection.pattern.matches(name))
            # Other spans are there to stay.
            if others and not selection.pattern.has_spans:
                warnings.append(
                    f"{folder.path}: ExampleGen will also read {sources.named(others)}; remove "
                    "what is not to be trained on"
                )
    warnings += [
        f"{item.found.wanted.place.path}: TFX's cache knows its path but not what it holds; "
        "compile with another path, or with enable_cache set to false"
        for item in entries
        if item.action == REPLACE
        and item.found.wanted.what != DATA
        and item.found.wanted.place.is_cached
    ]
    return Plan(entries=entries, warnings=warnings)


def carry_out(plan: Plan, on_progress: Callable[[Found, int], None]) -> None:
    """Sends what is to be sent.

    Raises:
        PipelineError: If something cannot be sent; what was sent before is there.
    """
    by_target: dict[int, list[Entry]] = {}
    for item in plan.entries:
        if item.is_to_send:
            by_target.setdefault(id(item.target), []).append(item)
    for items in by_target.values():
        items[0].target.send([item.found for item in items], on_progress)


def _in_folder(what: str, folder: Place, files: Sequence[sources.SourceFile]) -> list[Wanted]:
    return [Wanted(what=what, source=file, place=folder.file(file.name)) for file in files]


def _place(package: WorkflowPackage, what: str, data_root: str | None = None) -> Place:
    place = find_place(package, what, data_root)
    if place is None:
        mend = {
            DATA: "it has no ExampleGen",
            MODULE_FILE: "compile with --set module_file=PATH",
            SCHEMA_FILE: "compile with --set schema_file=PATH",
        }
        raise WorkflowError(f"{package.path}: no step of it reads a {what}; {mend[what]}")
    return place


def _target(place: Place, kubectl: Kubectl) -> Target:
    from orchestration.cluster.staging.bucket import GoogleBucket
    from orchestration.cluster.staging.s3_bucket import S3Bucket
    from orchestration.cluster.staging.volume import Volume

    if not place.scheme:
        return Volume(kubectl, place.store)
    if place.scheme == "gs":
        return GoogleBucket(place.store)
    if place.scheme == "s3":
        return S3Bucket(place.store)
    raise ClusterError(
        f"{place.path}: cannot be written from here; only volumes, gs:// and s3:// can"
    )


def _key(place: Place) -> tuple[str, str]:
    return place.scheme, place.store


def _refuse_twice(wanted: Sequence[Wanted]) -> None:
    sent: dict[str, Wanted] = {}
    for item in wanted:
        other = sent.setdefault(item.place.path, item)
        if other is not item:
            raise WorkflowError(
                f"{item.place.path}: both {other.source.path} and {item.source.path} would go "
                "there; compile with other paths"
            )
