"""Workflow packages: the files that Kubeflow Pipelines takes as a pipeline.

Such a file is the workflow as YAML or JSON, or a ``.zip`` or ``.tar.gz`` archive of the YAML.
What KFP takes is decided in backend/src/apiserver/server/util.go of kubeflow/pipelines.
"""

import dataclasses
import gzip
import io
import lzma
import math
import pathlib
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml

from components.errors import WorkflowError
from orchestration.atomic_file import write_atomically

#: KFP's limit on an uploaded file (MaxFileLength); here it also holds for what is packed.
MAX_BYTES = 32 * 1024 * 1024

#: The member of an archive that KFP looks for; without it, it takes the first one.
MEMBER = "pipeline.yaml"

_TEXT_SUFFIXES = (".yaml", ".yml", ".json")
_TAR_SUFFIXES = (".tar.gz", ".tgz")
_READABLE = (*_TEXT_SUFFIXES, ".zip", *_TAR_SUFFIXES)
_WRITABLE = (".yaml", ".yml", ".zip", *_TAR_SUFFIXES)

#: Far more than any workflow has. libyaml itself has no limit, and crashes at some thousands.
_MAX_DEPTH = 100

#: Anchors let a small file stand for a huge tree ("billion laughs"); a workflow has thousands.
_MAX_VALUES = 100_000

#: What gzip, tarfile and zipfile raise for a damaged archive, or one that they cannot read.
_ARCHIVE_ERRORS = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)

_BaseLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclasses.dataclass(frozen=True)
class WorkflowPackage:
    """A workflow package that has been read.

    Attributes:
        path: The file.
        text: The workflow's YAML or JSON, as it stands in the file.
        manifest: The same, parsed; holds nothing that JSON does not have.
    """

    path: pathlib.Path
    text: str
    manifest: Mapping[str, Any]


def read_package(path: pathlib.Path) -> WorkflowPackage:
    """Reads a workflow package.

    Args:
        path: A ``.yaml``, ``.yml`` or ``.json`` file, or a ``.zip``, ``.tar.gz`` or ``.tgz``
            archive with a member ``pipeline.yaml`` or a YAML file as its first member.

    Returns:
        The package.

    Raises:
        WorkflowError: If the file cannot be read or does not hold one mapping; the message is
            one line that names the file and the mend.
    """
    unpack = _unpacker(path)
    data = unpack(path, _read_bytes(path))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WorkflowError(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error
    return WorkflowPackage(path, text, parse_manifest(text, str(path)))


def parse_manifest(text: str, name: str) -> Mapping[str, Any]:
    """Parses a workflow's YAML, more strictly than PyYAML by itself.

    Args:
        text: The YAML or JSON.
        name: What a message calls it, such as its path.

    Returns:
        The mapping that it holds; no value in it is one that JSON does not have.

    Raises:
        WorkflowError: If it is not YAML, has a key twice in a mapping, is nested beyond
            reason, or is not a mapping.
    """
    try:
        _check_depth(name, text)
        tree = yaml.load(text, Loader=_Loader)  # noqa: S506 (_Loader is a safe loader)
        _check_values(name, tree, {})
    except yaml.YAMLError as error:
        raise _not_yaml(name, error) from error
    except (RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise WorkflowError(f"{name}: not valid YAML ({reason}); correct it") from error
    if not isinstance(tree, dict):
        raise WorkflowError(
            f"{name}: does not hold a mapping; a workflow begins with 'apiVersion:' and 'kind:'"
        )
    return tree


def write_package(path: pathlib.Path, text: str) -> None:
    """Writes a workflow package: the same bytes for the same text, all of them or none.

    Args:
        path: The file; its extension says what it becomes: ``.yaml``, ``.yml``, ``.zip``,
            ``.tar.gz`` or ``.tgz``. Its folder must exist; a file that is there is replaced.
        text: The workflow as YAML.

    Raises:
        WorkflowError: If the extension is another one, or the file cannot be written.
    """
    data = _packed(path, text.encode("utf-8"))
    if path.exists() and not path.is_file() and not path.is_dir():
        raise WorkflowError(f"{path}: is there and is not a file; choose another name")
    try:
        write_atomically(path, data)
    except OSError as error:
        raise WorkflowError(
            f"{path}: cannot write the package ({error.strerror}); name a file in a folder that "
            "exists, is writable and has space"
        ) from error


def _read_bytes(path: pathlib.Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise WorkflowError(f"{path}: is a folder; name a workflow file in it")
        if not stat.S_ISREG(mode):
            raise WorkflowError(f"{path}: is not a regular file; name a workflow file")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise WorkflowError(f"{path}: there is no such file; check the path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise WorkflowError(f"{path}: cannot be read ({reason}); check the path") from error
    if len(data) > MAX_BYTES:
        raise _too_large(path)
    return data


def _unpacker(path: pathlib.Path) -> Callable[[pathlib.Path, bytes], bytes]:
    name = path.name.lower()
    if name.endswith(_TEXT_SUFFIXES):
        return lambda _, data: data
    if name.endswith(".zip"):
        return _unzip
    if name.endswith(_TAR_SUFFIXES):
        return _untar
    if path.is_dir():
        raise WorkflowError(f"{path}: is a folder; name a workflow file in it")
    raise WorkflowError(
        f"{path}: is not a workflow package by its name; name a file that ends in "
        f"{', '.join(_READABLE)}"
    )


def _unzip(path: pathlib.Path, data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            member = _member(path, (info.filename for info in archive.infolist()))
            with archive.open(member) as stream:
                content = stream.read(MAX_BYTES + 1)
    except _ARCHIVE_ERRORS as error:
        raise _damaged(path, "zip", error) from error
    if len(content) > MAX_BYTES:
        raise _too_large(path)
    return content


def _untar(path: pathlib.Path, data: bytes) -> bytes:
    try:
        # Unpacked as a whole first, so that no member can hide more than the limit.
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as compressed:
            unpacked = compressed.read(MAX_BYTES + tarfile.RECORDSIZE + 1)
        if len(unpacked) > MAX_BYTES + tarfile.RECORDSIZE:
            raise _too_large(path)
        with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive:
            stream = archive.extractfile(_member(path, archive.getnames()))
            if stream is None:
                raise WorkflowError(f"{path}: {MEMBER} in it is not a file; pack the YAML again")
            content = stream.read()
    except (*_ARCHIVE_ERRORS, OSError, KeyError) as error:
        raise _damaged(path, "tar.gz", error) from error
    if len(content) > MAX_BYTES:
        raise _too_large(path)
    return content


def _member(path: pathlib.Path, names: Iterable[str]) -> str:
    """Returns the member that KFP would take."""
    names = list(names)
    if MEMBER in names:
        return MEMBER
    if names and names[0].endswith((".yaml", ".yml")):
        return names[0]
    raise WorkflowError(
        f"{path}: has no {MEMBER}, and its first member is no YAML; pack the workflow as {MEMBER}"
    )


def _packed(path: pathlib.Path, data: bytes) -> bytes:
    name = path.name.lower()
    if name.endswith((".yaml", ".yml")):
        return data
    buffer = io.BytesIO()
    if name.endswith(".zip"):
        info = zipfile.ZipInfo(MEMBER, date_time=(1980, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        info.create_system = 3  # Unix, wherever this runs
        info.external_attr = (stat.S_IFREG | 0o644) << 16
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(info, data)
        return buffer.getvalue()
    if name.endswith(_TAR_SUFFIXES):
        # TarInfo's defaults are what is wanted: no time, owner 0, mode 644.
        member = tarfile.TarInfo(MEMBER)
        member.size = len(data)
        with (
            gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0) as compressed,
            tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
        ):
            tar.addfile(member, io.BytesIO(data))
        return buffer.getvalue()
    raise WorkflowError(
        f"{path}: cannot tell by its name what to write; name a file that ends in "
        f"{', '.join(_WRITABLE)}"
    )


class _Loader(_BaseLoader):
    """Safe YAML without dates, which JSON and so Argo do not have, and no key twice."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own class attribute)
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in _BaseLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            name = (key.tag, str(key.value))
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def _check_depth(name: str, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_BaseLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            mark: Any = event.start_mark
            raise WorkflowError(
                f"{name}: line {mark.line + 1}: nested more than {_MAX_DEPTH} levels deep; "
                "flatten it"
            )


def _check_values(name: str, value: Any, sizes: dict[int, int]) -> int:
    """Checks that a tree is one of JSON, and not too large.

    Args:
        name: What a message calls the workflow.
        value: The tree.
        sizes: Sizes of the mappings and lists seen so far, by identity: what an anchor repeats
            is one object, and is looked at once.

    Returns:
        How many values the tree has, with what anchors repeat counted each time.
    """
    if not isinstance(value, dict | list):
        is_finite = not isinstance(value, float) or math.isfinite(value)
        if not isinstance(value, str | int | float | None) or not is_finite:
            kind = type(value).__name__
            raise WorkflowError(
                f"{name}: has a {kind} that JSON cannot hold; use text, finite numbers, true, "
                "false or null"
            )
        return 1
    if id(value) not in sizes:
        sizes[id(value)] = _MAX_VALUES + 1  # should an anchor refer to what it stands in
        children = value.values() if isinstance(value, dict) else value
        sizes[id(value)] = 1 + sum(_check_values(name, child, sizes) for child in children)
    if sizes[id(value)] > _MAX_VALUES:
        raise WorkflowError(
            f"{name}: has more than {_MAX_VALUES:,} values, those that anchors repeat included; "
            "write it without anchors"
        )
    return sizes[id(value)]


def _not_yaml(name: str, error: yaml.YAMLError) -> WorkflowError:
    mark: Any = getattr(error, "problem_mark", None)
    reason = " ".join(str(getattr(error, "problem", None) or error).split())
    line = f"line {mark.line + 1}: " if mark is not None else ""
    return WorkflowError(f"{name}: {line}not valid YAML ({reason}); correct it")


def _damaged(path: pathlib.Path, kind: str, error: Exception) -> WorkflowError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return WorkflowError(f"{path}: is no readable {kind} archive ({reason}); pack it again")


def _too_large(path: pathlib.Path) -> WorkflowError:
    return WorkflowError(
        f"{path}: has more than 32 MiB, the most that KFP takes; take large data out of it"
    )
