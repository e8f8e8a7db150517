"""`stage` into a volume: a real kubectl, and a pod whose scripts run on this machine."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from components.errors import InputDataError, PipelineError
from orchestration.cluster.errors import ClusterError
from orchestration.cluster.kubectl import Kubectl
from orchestration.cluster.staging import volume as volumes
from orchestration.cluster.staging.places import Place
from orchestration.cluster.staging.sources import source_file
from orchestration.cluster.staging.target import SAME, Found, Wanted
from orchestration.cluster.staging.volume import Volume
from tests.kubernetes_exec import (
    Fault,
    KubernetesServer,
    kubectl_missing,
    running_kubernetes,
)

pytestmark = pytest.mark.skipif(kubectl_missing() is not None, reason=str(kubectl_missing()))

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "golden"
WORKFLOW = GOLDEN / "module_file.yaml"
#: More than the pipes and buffers between here and the pod hold.
MANY = 6_000_000

Stage = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cluster(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubernetesServer]:
    """A cluster without pods, as kubectl's current context."""
    monkeypatch.setattr(volumes, "_LONGEST_WAIT_SECONDS", 0.01)
    monkeypatch.setenv("HOME", str(tmp_path))  # kubectl's cache
    with running_kubernetes() as server:
        monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path)))
        yield server


@pytest.fixture
def volume(cluster: KubernetesServer, tmp_path: pathlib.Path) -> pathlib.Path:
    """The volume of claim tfx-pvc, which the data-access pod mounts."""
    folder = tmp_path / "the volume"
    folder.mkdir()
    cluster.add_pod(folder)
    return folder


@pytest.fixture
def data(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder with one CSV file."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "complaints.csv").write_bytes(b"a,b\n1,2\n")
    return folder


@pytest.fixture
def stage(command_line: Stage) -> Stage:
    """Runs the command; returns its status, output and errors."""

    def run(*words: object, workflow: pathlib.Path = WORKFLOW) -> tuple[int, str, str]:
        return command_line("stage", workflow, *words)

    return run


def files_of(folder: pathlib.Path) -> dict[str, bytes]:
    """What a folder holds, by path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def wanted(path: pathlib.Path) -> Wanted:
    inner = f"data/{path.name}"
    place = Place(
        path=f"/tfx-data/{inner}", scheme="", store="tfx-pvc", inner=inner, is_cached=True
    )
    return Wanted(what="data-root", source=source_file(path, path.name), place=place)


def look(target: Volume, path: pathlib.Path) -> Found:
    found, _ = target.look([wanted(path)], None, lambda count: None)
    return found[0]


def send(target: Volume, found: Found) -> None:
    target.send([found], lambda item, count: None)


def big(folder: pathlib.Path) -> tuple[pathlib.Path, bytes]:
    """A file that takes a while."""
    content = os.urandom(MANY)
    path = folder / "big.csv"
    path.write_bytes(content)
    return path, content


def test_data_go_where_the_workflow_looks(
    volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    status, out, _ = stage("--data", data)

    assert status == 0
    assert files_of(volume) == {"data/complaints.csv": b"a,b\n1,2\n"}
    assert "/tfx-data/data/complaints.csv" in out


@pytest.mark.parametrize("programs", ["busybox", "coreutils"])
def test_names_of_any_kind_are_only_names(
    cluster: KubernetesServer,
    volume: pathlib.Path,
    tmp_path: pathlib.Path,
    stage: Stage,
    programs: str,
) -> None:
    if programs == "busybox":
        if shutil.which("busybox") is None:
            pytest.skip("no busybox on PATH: apt-get install busybox")
        applets = tmp_path / "applets"
        applets.mkdir()
        subprocess.run(["busybox", "--install", "-s", str(applets)], check=True)
        cluster.path = str(applets)
    names = [
        " two  spaces .csv",
        "-rf.csv",
        "$(touch pwned);`id`.csv",
        "'\"\\n\\.csv",
        "[a]*?.csv",
        "é 日本.csv",
        "%s.csv",
        "empty.csv",
    ]
    folder = tmp_path / "names"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(b"" if name == "empty.csv" else name.encode())
    (folder / "big.csv").write_bytes(os.urandom(600_000))
    cluster.faults = [None, Fault(cut_after=300_000)]

    first = stage("--data", folder)
    again = stage("--data", folder, "--json")

    assert (first[0], again[0]) == (0, 0)
    assert {f"data/{name}": content for name, content in files_of(folder).items()} == files_of(
        volume
    )
    assert {item["action"] for item in json.loads(again[1])["files"]} == {"same"}
    assert json.loads(again[1])["warnings"] == []


def test_the_module_file_brings_what_it_imports(
    volume: pathlib.Path, tmp_path: pathlib.Path, stage: Stage
) -> None:
    code = tmp_path / "code"
    for name in ("mine.py", "__init__.py", "other.py", "sub/__init__.py", "sub/deep.py"):
        (code / name).parent.mkdir(parents=True, exist_ok=True)
        (code / name).write_text(f"# {name}")
    for name in ("notes.txt", "scripts/tool.py"):
        (code / name).parent.mkdir(exist_ok=True)
        (code / name).write_text("not imported")

    status, _, err = stage("--module-file", code / "mine.py")

    assert (status, err) == (0, "")
    assert files_of(volume) == {
        "release-7/components/module.py": b"# mine.py",
        "release-7/components/__init__.py": b"# __init__.py",
        "release-7/components/other.py": b"# other.py",
        "release-7/components/sub/__init__.py": b"# sub/__init__.py",
        "release-7/components/sub/deep.py": b"# sub/deep.py",
    }


def test_the_schema_goes_to_another_claim_at_another_mount_path(
    cluster: KubernetesServer, tmp_path: pathlib.Path, stage: Stage
) -> None:
    folder = tmp_path / "shared"
    (folder / "schema").mkdir(parents=True)
    cluster.add_pod(folder / "schema", claim="shared-claim", subPath="schema")
    (tmp_path / "mine.pbtxt").write_text("feature {}")

    status, _, err = stage("--schema", tmp_path / "mine.pbtxt", workflow=GOLDEN / "everything.yaml")

    assert (status, err) == (0, "")
    assert files_of(folder) == {"schema/schema.pbtxt": b"feature {}"}


def test_a_run_with_another_data_root(
    volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    stage("--data", data, "--data-root", "/tfx-data/october/")

    assert list(files_of(volume)) == ["october/complaints.csv"]


def test_a_dry_run_lists_and_sends_nothing(
    volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    status, out, _ = stage("--data", data, "--dry-run", "--json")

    assert status == 0
    assert json.loads(out) == {
        "is_done": False,
        "files": [
            {
                "source": str(data / "complaints.csv"),
                "destination": "/tfx-data/data/complaints.csv",
                "size": 8,
                "bytes_to_send": 8,
                "action": "send",
            }
        ],
        "warnings": [],
    }
    assert list(volume.iterdir()) == []


def test_what_differs_is_listed_and_nothing_is_sent(
    volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    (volume / "data").mkdir()
    for name in ("one.csv", "two.csv"):
        (data / name).write_text("new")
        (volume / "data" / name).write_text("old")

    status, out, err = stage("--data", data)

    assert status == 1
    assert len(re.findall(r" differs *$", out, re.MULTILINE)) == 2
    assert "one.csv and 1 more: there with other content; --overwrite replaces" in err
    assert files_of(volume) == {"data/one.csv": b"old", "data/two.csv": b"old"}


def test_overwrite_replaces_what_differs(
    volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    (volume / "data").mkdir()
    (volume / "data" / "complaints.csv").write_text("old")

    status, out, _ = stage("--data", data, "--overwrite")

    assert (status, "replaced" in out) == (0, True)
    assert files_of(volume) == {"data/complaints.csv": b"a,b\n1,2\n"}


def test_a_replaced_module_file_is_not_known_to_the_cache(
    volume: pathlib.Path, tmp_path: pathlib.Path, stage: Stage
) -> None:
    (volume / "release-7" / "components").mkdir(parents=True)
    (volume / "release-7" / "components" / "module.py").write_text("old")
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "module.py").write_text("new")

    _, _, err = stage("--module-file", tmp_path / "alone" / "module.py", "--overwrite")

    assert "/tfx-data/release-7/components/module.py: TFX's cache knows its path" in err


def test_a_folder_in_the_way_is_never_replaced(
    volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    (volume / "data" / "complaints.csv").mkdir(parents=True)

    status, _, err = stage("--data", data, "--overwrite")

    assert (status, "something that is no file" in err) == (1, True)


@pytest.mark.parametrize("linked", ["data", "data/complaints.csv"])
def test_a_link_on_the_volume_leads_nowhere_else(
    volume: pathlib.Path, data: pathlib.Path, tmp_path: pathlib.Path, stage: Stage, linked: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target = outside if linked == "data" else outside / "kept.csv"
    if target != outside:
        (volume / "data").mkdir()
        target.write_bytes(b"a,b\n1,2\n")
    before = files_of(outside)
    (volume / linked).symlink_to(target)

    status, _, _ = stage("--data", data, "--overwrite")

    assert status == 1
    assert files_of(outside) == before


def test_a_link_among_the_parts_is_not_taken_over(
    volume: pathlib.Path, data: pathlib.Path, tmp_path: pathlib.Path, stage: Stage
) -> None:
    content = (data / "complaints.csv").read_bytes()
    kept = tmp_path / "kept"
    kept.write_bytes(b"pre")
    (volume / ".staging").mkdir()
    digest = hashlib.sha256(content).hexdigest()
    (volume / ".staging" / f"{digest}.other.1").symlink_to(kept)

    status, _, _ = stage("--data", data)

    assert status == 0
    assert kept.read_bytes() == b"pre"
    assert (volume / "data/complaints.csv").read_bytes() == content


def test_other_data_in_the_folder_are_named_and_kept(
    volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    (volume / "data").mkdir()
    (volume / "data" / "sample.csv").write_text("old")

    status, _, err = stage("--data", data)

    assert status == 0
    assert "/tfx-data/data: ExampleGen will also read sample.csv; remove" in err
    assert sorted(files_of(volume)) == ["data/complaints.csv", "data/sample.csv"]


def test_a_broken_connection_goes_on_where_it_ended(
    cluster: KubernetesServer, volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    _, content = big(data)
    cluster.faults = [None, Fault(cut_after=4_000_000), Fault(cut_after=1_000_000)]

    status, _, _ = stage("--data", data)

    assert status == 0
    assert files_of(volume)["data/big.csv"] == content
    assert cluster.received[3] < MANY - 4_900_000
    assert list((volume / ".staging").iterdir()) == []


def test_a_connection_that_never_gets_on_is_given_up(
    cluster: KubernetesServer, volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    cluster.faults = [None, *[Fault(cut_after=0)] * 20]

    status, _, err = stage("--data", data)

    assert (status, len(cluster.commands)) == (1, 7)
    assert "stage again, and it goes on from what is there" in err
    assert "data/complaints.csv" not in files_of(volume)


def test_an_answer_that_got_lost_is_not_an_error(
    cluster: KubernetesServer, volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    cluster.faults = [None, Fault(lose_answer=True)]

    status, _, _ = stage("--data", data)

    assert (status, len(cluster.commands)) == (0, 3)
    assert files_of(volume) == {"data/complaints.csv": b"a,b\n1,2\n"}


def test_what_is_damaged_on_the_way_is_sent_again(
    cluster: KubernetesServer, volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    _, content = big(data)
    cluster.faults = [None, Fault(flip_at=MANY // 2)]

    status, _, _ = stage("--data", data)

    assert status == 0
    assert files_of(volume)["data/big.csv"] == content


def test_a_killed_command_leaves_nothing_under_the_name_and_is_resumed(
    cluster: KubernetesServer,
    volume: pathlib.Path,
    data: pathlib.Path,
    stage: Stage,
) -> None:
    _, content = big(data)
    has_begun = threading.Event()
    may_go_on = threading.Event()

    def on_input(count: int) -> None:
        if count > MANY // 2:
            has_begun.set()
            may_go_on.wait(20)
            raise OSError

    cluster.on_input = on_input
    words = [sys.executable, "-m", "orchestration", "stage", str(WORKFLOW), "--data", str(data)]
    command = subprocess.Popen(words, start_new_session=True)
    assert has_begun.wait(30)
    os.killpg(command.pid, signal.SIGKILL)
    command.wait()
    may_go_on.set()
    assert cluster.idle.wait(20)
    cluster.on_input = lambda count: None

    assert "data/big.csv" not in files_of(volume)
    calls = len(cluster.commands)

    _, dry, _ = stage("--data", data, "--dry-run", "--json")
    status, _, _ = stage("--data", data)

    assert {item["action"] for item in json.loads(dry)["files"]} == {"resume", "send"}
    assert status == 0
    assert files_of(volume)["data/big.csv"] == content
    assert sum(cluster.received[calls:]) < MANY // 2 + 100_000


def test_a_file_that_changes_meanwhile_does_not_get_its_name(
    cluster: KubernetesServer, volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    path, content = big(data)
    cluster.on_input = lambda count: path.write_bytes(content[::-1])

    status, _, err = stage("--data", path)

    assert status == 1
    assert "big.csv: changed while it was staged; let what writes it finish" in err
    assert "data/big.csv" not in files_of(volume)


@pytest.mark.parametrize("is_same", [True, False])
def test_two_at_once_do_not_corrupt_each_other(
    cluster: KubernetesServer,
    volume: pathlib.Path,
    data: pathlib.Path,
    tmp_path: pathlib.Path,
    is_same: bool,
) -> None:
    path, content = big(data)
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "big.csv"
    other.write_bytes(content if is_same else content[::-1])
    kubectl = Kubectl()
    work = [(target := Volume(kubectl, "tfx-pvc"), look(target, p)) for p in (path, other)]
    both_send = threading.Barrier(2)
    errors: list[PipelineError] = []

    def run(target: Volume, found: Found) -> None:
        try:
            target.send([found], lambda item, count: both_send.wait(20) if count == 0 else None)
        except PipelineError as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert files_of(volume)["data/big.csv"] in (content, content[::-1])
    assert list((volume / ".staging").iterdir()) == []
    if is_same:
        assert errors == []
    else:
        assert ["made by somebody else meanwhile" in str(error) for error in errors] == [True]


def program(folder: pathlib.Path, name: str, script: str) -> str:
    """Puts a program before the others on a PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_too_little_space_is_noticed_before(
    cluster: KubernetesServer,
    volume: pathlib.Path,
    data: pathlib.Path,
    tmp_path: pathlib.Path,
    stage: Stage,
) -> None:
    (data / "complaints.csv").write_bytes(b"x" * 3000)
    answer = "echo '/dev/vda 20511312 20511310 2 100% /tfx-data'"
    cluster.path = program(tmp_path / "bin", "df", answer)

    status, _, err = stage("--data", data)

    assert status == 1
    assert "claim tfx-pvc: 3,000 bytes are to be sent, and 2,048 are free" in err
    assert files_of(volume) == {}


def test_a_volume_that_fills_up_is_not_left_full(
    cluster: KubernetesServer,
    volume: pathlib.Path,
    data: pathlib.Path,
    tmp_path: pathlib.Path,
    stage: Stage,
) -> None:
    full = "head -c 3; echo 'dd: error writing: No space left on device' >&2; exit 1"
    cluster.path = program(tmp_path / "bin", "dd", full)

    status, _, err = stage("--data", data)

    assert status == 1
    assert "No space left on device" in err
    assert "complaints.csv: cannot be written" in err
    assert files_of(volume) == {}


def test_a_volume_that_cannot_be_written(
    volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    (volume / "data").write_text("a file where the folder should be")

    status, _, err = stage("--data", data)

    assert status == 1
    assert "its folder cannot be made" in err


def test_old_leftovers_are_removed(volume: pathlib.Path, data: pathlib.Path, stage: Stage) -> None:
    (volume / ".staging").mkdir()
    for name in ("old", "new"):
        (volume / ".staging" / name).touch()
    os.utime(volume / ".staging" / "old", (0, 0))

    stage("--data", data)

    assert [path.name for path in (volume / ".staging").iterdir()] == ["new"]


def set_state(pod: dict[str, Any], **state: Any) -> None:
    pod["status"] = {"phase": "Pending", "conditions": [], "containerStatuses": [{"state": state}]}


def test_there_must_be_a_pod(cluster: KubernetesServer, data: pathlib.Path, stage: Stage) -> None:
    status, _, err = stage("--data", data)

    assert status == 1
    assert "namespace kubeflow: has no data-access pod; 'kubectl apply -k" in err


def test_the_pod_must_be_ready(
    cluster: KubernetesServer, volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    set_state(cluster.pods[0], waiting={"reason": "ImagePullBackOff"})

    status, _, err = stage("--data", data)

    assert status == 1
    assert "pod tfx-data-access-5d9c: is not ready (ImagePullBackOff)" in err


def test_one_of_two_pods_is_not_chosen_by_chance(
    cluster: KubernetesServer, volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    cluster.add_pod(volume, name="second")

    status, _, err = stage("--data", data)

    assert (status, "has 2 data-access pods (tfx-data-access-5d9c, second)" in err) == (1, True)


def test_a_pod_that_goes_does_not_count(
    cluster: KubernetesServer, volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    leaving = cluster.add_pod(volume, name="leaving")
    leaving["metadata"]["deletionTimestamp"] = "2026-11-26T12:00:00Z"

    assert stage("--data", data)[0] == 0


def test_the_pod_must_mount_the_workflows_claim(
    cluster: KubernetesServer, tmp_path: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    cluster.add_pod(tmp_path, claim="another")

    status, _, err = stage("--data", data)

    assert status == 1
    assert "does not mount claim tfx-pvc, which the workflow reads from, but another" in err


def test_a_right_that_is_missing_is_told_at_once(
    cluster: KubernetesServer, volume: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    cluster.faults = [Fault(is_forbidden=True)] * 4

    status, _, err = stage("--data", data)

    assert (status, len(cluster.commands)) == (1, 1)
    assert "pods/exec" in err


def test_context_and_namespace_are_passed_on(
    cluster: KubernetesServer, tmp_path: pathlib.Path, data: pathlib.Path, stage: Stage
) -> None:
    folder = tmp_path / "team"
    folder.mkdir()
    cluster.add_pod(folder, namespace="team-a")

    assert stage("--data", data, "--namespace", "team-a", "--context", "test")[0] == 0
    status, _, err = stage("--data", data, "--namespace", "team-a", "--context", "nowhere")

    assert list(files_of(folder)) == ["data/complaints.csv"]
    assert (status, "127.0.0.1:9" in err) == (1, True)


def test_a_silent_connection_is_given_up(
    cluster: KubernetesServer, volume: pathlib.Path, data: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    target = Volume(Kubectl(), "tfx-pvc", stall_seconds=0.2, attempts=2)
    found = look(Volume(Kubectl(), "tfx-pvc"), data / "complaints.csv")
    cluster.path = program(tmp_path / "bin", "dd", "exec sleep 5")
    target._has_worked = True

    with pytest.raises(ClusterError, match="no answer from the pod"):
        send(target, found)

    assert len(cluster.commands) == 3


def test_a_pod_that_is_replaced_meanwhile_is_found_again(
    cluster: KubernetesServer, volume: pathlib.Path, data: pathlib.Path
) -> None:
    path, content = big(data)
    target = Volume(Kubectl(), "tfx-pvc")
    found = look(target, path)
    cluster.faults = [Fault(cut_after=3_000_000)]

    def replace(count: int) -> None:
        if count > 1_000_000 and len(cluster.pods) == 1:
            cluster.add_pod(volume, name="new")
            del cluster.pods[0]

    cluster.on_input = replace

    send(target, found)

    assert files_of(volume) == {"data/big.csv": content}
    assert look(target, path).state == SAME
    assert cluster.received[2] < MANY - 2_900_000


def test_the_file_is_read_only_while_it_is_the_same(data: pathlib.Path) -> None:
    source = source_file(data / "complaints.csv", "complaints.csv")
    (data / "complaints.csv").write_text("shorter")

    with pytest.raises(InputDataError, match="changed while it was staged"):
        list(source.chunks())
