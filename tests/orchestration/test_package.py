"""Workflow packages: what is read, what is refused with which line, and what is written."""

import gzip
import io
import os
import pathlib
import re
import stat
import tarfile
import time
import zipfile
from collections.abc import Callable

import pytest

from components.errors import WorkflowError
from orchestration import package
from orchestration.package import parse_manifest, read_package, write_package

TEXT = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\n"
MANIFEST = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}


def zip_of(**members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name.replace("_", "."), text)
    return buffer.getvalue()


def tar_of(**members: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in members.items():
            info = tarfile.TarInfo(name.replace("_", "."))
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def tar_with_folder() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("pipeline.yaml")
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
    return buffer.getvalue()


def encrypted_zip() -> bytes:
    data = bytearray(zip_of(pipeline_yaml=TEXT))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("p.yaml", TEXT.encode()),
        ("p.YML", TEXT.encode()),
        ("p.json", b'{\n\t"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow"}'),
        ("p.zip", zip_of(pipeline_yaml=TEXT)),
        ("p.zip", zip_of(readme_md="hello", pipeline_yaml=TEXT)),
        ("p.zip", zip_of(other_yml=TEXT, later_yaml="a: 1")),
        ("p.tar.gz", tar_of(pipeline_yaml=TEXT)),
        ("p.tgz", tar_of(readme_md="hello", pipeline_yaml=TEXT)),
        ("p.tar.gz", tar_of(other_yaml=TEXT, later_yaml="a: 1")),
    ],
)
def test_reads_what_kfp_takes(tmp_path: pathlib.Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)

    read = read_package(path)

    assert read.manifest == MANIFEST
    assert read.path == path
    if not name.endswith(".json"):
        assert read.text == TEXT


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("p.txt", b"", "not a workflow package by its name; name a file that ends in .yaml"),
        ("p.tar", b"", "not a workflow package by its name"),
        ("p.yaml", b"a: \xff", "byte 3 is not UTF-8; save the file as UTF-8"),
        ("p.yaml", b"a: 1\nb: [}", "line 2: not valid YAML"),
        ("p.json", b'{"a": 1,\n "b" "c"}', "line 2: not valid YAML"),
        ("p.yaml", b"a: \x01", "not valid YAML (unacceptable character"),
        (
            "p.yaml",
            b"a: 1\nb:\n  c: 1\n  c: 2",
            "line 4: not valid YAML (the key 'c' is there twice)",
        ),
        ("p.json", b'{"a": 1, "a": 1}', "the key 'a' is there twice"),
        ("p.yaml", b"a: 1\n---\nb: 1", "another document"),
        ("p.yaml", b"? [a]\n: 1", "unhashable key"),
        ("p.yaml", b"- a", "does not hold a mapping"),
        ("p.yaml", b"", "does not hold a mapping"),
        ("p.yaml", b"a: !!python/object:os.system x", "could not determine a constructor"),
        ("p.yaml", b"a: !!binary aGk=", "has a bytes that JSON cannot hold"),
        ("p.yaml", b"a: .inf", "has a float that JSON cannot hold"),
        ("p.yaml", b"a: " + b"[" * 200_000, "line 1: nested more than 100 levels deep"),
        ("p.yaml", b"a: &a [*a]", "anchors"),
        ("p.zip", b"not a zip", "no readable zip archive"),
        ("p.zip", zip_of(pipeline_yaml=TEXT)[:-30], "no readable zip archive"),
        ("p.zip", encrypted_zip(), "no readable zip archive"),
        ("p.zip", zip_of(), "has no pipeline.yaml"),
        ("p.zip", zip_of(readme_md="hello", other_yaml=TEXT), "its first member is no YAML"),
        ("p.tar.gz", b"not a tar", "no readable tar.gz archive"),
        ("p.tar.gz", tar_of(pipeline_yaml=TEXT)[:-30], "no readable tar.gz archive"),
        ("p.tar.gz", gzip.compress(b"not a tar" * 100), "no readable tar.gz archive"),
        ("p.tar.gz", tar_of(readme_md="hello"), "has no pipeline.yaml"),
        ("p.tar.gz", tar_with_folder(), "pipeline.yaml in it is not a file"),
        ("p.zip", zip_of(pipeline_yaml="a"), "does not hold a mapping"),
    ],
)
def test_refuses_a_file_with_one_line(
    tmp_path: pathlib.Path, name: str, data: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)

    with pytest.raises(WorkflowError, match=re.escape(message)) as caught:
        read_package(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert "; " in str(caught.value), "the mend is missing"


def test_refuses_billion_laughs() -> None:
    lines = ["x0: &x0 [1, 1]"]
    lines += [f"x{i}: &x{i} [*x{i - 1}, *x{i - 1}]" for i in range(1, 60)]

    with pytest.raises(WorkflowError, match="w: has more than 100,000 values"):
        parse_manifest("\n".join(lines), "w")


def test_keeps_times_as_text_and_merges_anchors() -> None:
    manifest = parse_manifest("a: 2026-11-23\nb: &b {c: 1}\nd: {<<: *b, e: 2}", "w")

    assert manifest == {"a": "2026-11-23", "b": {"c": 1}, "d": {"c": 1, "e": 2}}


@pytest.mark.parametrize("name", ["missing.yaml", "missing.zip", "no/folder/p.yaml"])
def test_refuses_a_missing_file(tmp_path: pathlib.Path, name: str) -> None:
    with pytest.raises(WorkflowError, match="there is no such file; check the path"):
        read_package(tmp_path / name)


@pytest.mark.parametrize("name", ["folder", "folder.yaml"])
def test_refuses_a_folder(tmp_path: pathlib.Path, name: str) -> None:
    (tmp_path / name).mkdir()

    with pytest.raises(WorkflowError, match="is a folder; name a workflow file in it"):
        read_package(tmp_path / name)


def test_refuses_what_is_no_regular_file(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "p.yaml")

    with pytest.raises(WorkflowError, match="is not a regular file"):
        read_package(tmp_path / "p.yaml")


@pytest.mark.parametrize("name", ["a" * 300 + ".yaml", "a\0.yaml", "file/p.yaml"])
def test_refuses_what_cannot_be_opened(tmp_path: pathlib.Path, name: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(WorkflowError, match=r"cannot be read \(.*\); check the path"):
        read_package(tmp_path / name)


def test_refuses_a_file_that_does_not_read(tmp_path: pathlib.Path) -> None:
    # Address 0 of a process is never mapped, so that reading there fails for root as well.
    (tmp_path / "p.yaml").symlink_to("/proc/self/mem")

    with pytest.raises(WorkflowError, match=r"cannot be read \(Input/output error\)"):
        read_package(tmp_path / "p.yaml")


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("p.yaml", lambda text: text.encode()),
        ("p.zip", lambda text: zip_of(pipeline_yaml=text)),
        ("p.tar.gz", lambda text: tar_of(pipeline_yaml=text)),
        ("bomb.tar.gz", lambda text: tar_of(bomb=text * 3, pipeline_yaml=TEXT)),
    ],
)
def test_refuses_more_than_32_mib_packed_or_not(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str, pack: Callable[[str], bytes]
) -> None:
    monkeypatch.setattr(package, "MAX_BYTES", 100_000)
    (tmp_path / name).write_bytes(pack(TEXT + "#" * 100_000))

    with pytest.raises(WorkflowError, match="has more than 32 MiB"):
        read_package(tmp_path / name)


def test_takes_exactly_the_limit(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "MAX_BYTES", len(TEXT))
    for name in ("p.yaml", "p.zip", "p.tar.gz"):
        write_package(tmp_path / name, TEXT)
    # An archive has headers of its own, which do not count.
    monkeypatch.setattr(package, "_read_bytes", pathlib.Path.read_bytes)

    for name in ("p.yaml", "p.zip", "p.tar.gz"):
        assert read_package(tmp_path / name).manifest == MANIFEST


def test_the_limit_is_kfps() -> None:
    assert package.MAX_BYTES == 32 * 1024 * 1024


@pytest.mark.parametrize("name", ["p.yaml", "p.yml", "p.zip", "p.tar.gz", "p.tgz"])
def test_writes_the_same_bytes_each_time(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path, again = tmp_path / name, tmp_path / f"again-{name}"
    text = f"{TEXT}# Verbraucherbeschwerden, größer\n"

    write_package(path, text)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    write_package(again, text)

    assert path.read_bytes() == again.read_bytes()
    assert read_package(path).text == text


def test_archives_hold_no_time_user_or_name(tmp_path: pathlib.Path) -> None:
    write_package(tmp_path / "p.zip", TEXT)
    write_package(tmp_path / "p.tar.gz", TEXT)

    with zipfile.ZipFile(tmp_path / "p.zip") as archive:
        [info] = archive.infolist()
    with tarfile.open(tmp_path / "p.tar.gz") as tar:
        [member] = tar.getmembers()

    assert (info.filename, info.date_time) == ("pipeline.yaml", (1980, 1, 1, 0, 0, 0))
    assert info.external_attr >> 16 == stat.S_IFREG | 0o644
    assert (member.name, member.mtime, member.uid, member.gid) == ("pipeline.yaml", 0, 0, 0)
    assert (member.uname, member.gname, member.mode) == ("", "", 0o644)
    header = (tmp_path / "p.tar.gz").read_bytes()[:10]
    assert header[3] == 0, "gzip's header holds a file name"
    assert header[4:8] == bytes(4), "gzip's header holds a time"


def test_replaces_a_file_and_leaves_nothing_else(tmp_path: pathlib.Path) -> None:
    (tmp_path / "p.yaml").write_text("old")

    write_package(tmp_path / "p.yaml", TEXT)

    assert [path.name for path in tmp_path.iterdir()] == ["p.yaml"]
    assert (tmp_path / "p.yaml").read_text() == TEXT


@pytest.mark.parametrize("name", ["p.json", "p.tar", "p"])
def test_does_not_write_an_unknown_extension(tmp_path: pathlib.Path, name: str) -> None:
    with pytest.raises(WorkflowError, match=r"name a file that ends in \.yaml, \.yml, \.zip"):
        write_package(tmp_path / name, TEXT)

    assert not list(tmp_path.iterdir())


def test_does_not_write_into_a_missing_folder(tmp_path: pathlib.Path) -> None:
    with pytest.raises(WorkflowError, match=r"p\.yaml: cannot write .*No such file or directory"):
        write_package(tmp_path / "missing" / "p.yaml", TEXT)


def test_does_not_replace_a_folder(tmp_path: pathlib.Path) -> None:
    (tmp_path / "p.yaml").mkdir()

    with pytest.raises(WorkflowError, match=r"cannot write .*Is a directory"):
        write_package(tmp_path / "p.yaml", TEXT)

    assert [path.name for path in tmp_path.iterdir()] == ["p.yaml"]


@pytest.mark.skipif(not pathlib.Path("/proc/self/ns").exists(), reason="needs /proc")
def test_does_not_write_where_it_may_not() -> None:
    with pytest.raises(WorkflowError, match="cannot write the package"):
        write_package(pathlib.Path("/proc/self/ns/p.yaml"), TEXT)


def test_a_full_disk_leaves_the_old_file(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "p.yaml").write_text("old")
    opened = pathlib.Path.open

    def full(path: pathlib.Path, mode: str = "r") -> io.IOBase:
        opened(path, mode).close()
        return opened(pathlib.Path("/dev/full"), "wb")

    monkeypatch.setattr(pathlib.Path, "open", full)
    with pytest.raises(WorkflowError, match="No space left on device"):
        write_package(tmp_path / "p.yaml", TEXT)
    monkeypatch.undo()

    assert (tmp_path / "p.yaml").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["p.yaml"]


def test_what_is_not_a_file_is_not_replaced(tmp_path: pathlib.Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)

    with pytest.raises(WorkflowError, match="is there and is not a file"):
        write_package(pipe, "kind: Workflow\n")

    assert pipe.is_fifo()
