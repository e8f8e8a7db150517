"""A persistent volume, through the data-access pod that mounts it."""

import collections
import contextlib
import dataclasses
import hashlib
import posixpath
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from orchestration.cluster.errors import ClusterError
from orchestration.cluster.kubectl import Kubectl
from orchestration.cluster.staging import scripts
from orchestration.cluster.staging.exec_session import BrokenStreamError, ExecSession
from orchestration.cluster.staging.places import Place, below
from orchestration.cluster.staging.sources import read_through
from orchestration.cluster.staging.target import ABSENT, DIFFERS, Found, Wanted

#: The label of the data-access pod in manifests/base.
SELECTOR = "app.kubernetes.io/name=tfx-data-access"

#: On the volume itself, so that a file comes from it by a rename; not where ExampleGen looks.
STAGING_FOLDER = ".staging"

_APPLY = "'kubectl apply -k manifests/overlays/OVERLAY' makes it"
_MAY_WRITE = "see 'The data-access pod' in manifests/README.md where user 1000 may not write"
_LONGEST_WAIT_SECONDS = 30.0
_LINES_AT_ONCE = 100

_SAID = "error: "
_NO_SPACE = "No space left"
_MAKE_ROOM = "delete what is no longer needed, or make the volume larger"

_Result = TypeVar("_Result")


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Pod:
    """The data-access pod.

    Attributes:
        name: Its name.
        uid: Its UID: another pod of the same name has another.
        container: The container that mounts the volume.
        mount_path: Where.
        sub_path: The folder of the volume that is mounted; empty for its root.
    """

    name: str
    uid: str
    container: str
    mount_path: str
    sub_path: str

    def path(self, place: Place) -> str:
        """Returns the path of a place in the pod."""
        inner = below(place.inner, self.sub_path)
        if inner is None:
            raise ClusterError(
                f"{place.path}: pod {self.name} mounts only folder {self.sub_path} of the volume; "
                "mount its root"
            )
        return posixpath.join(self.mount_path, inner) if inner else self.mount_path


class Volume:
    """The volume of a claim.

    Attributes:
        stall_seconds: How long the stream to the pod may be silent.
        attempts: How often a file is tried anew without getting on.
        backoff_seconds: Wait before the first of these; it doubles with each.
    """

    def __init__(
        self,
        kubectl: Kubectl,
        claim: str,
        *,
        stall_seconds: float = 120.0,
        attempts: int = 6,
        backoff_seconds: float = 1.0,
    ) -> None:
        """Finds the data-access pod.

        Raises:
            ClusterError: If there is none that is ready, several are, or it does not mount the
                claim.
        """
        self._kubectl = kubectl
        self._claim = claim
        self._pod = _find_pod(kubectl, claim)
        self.stall_seconds = stall_seconds
        self.attempts = attempts
        self.backoff_seconds = backoff_seconds
        self._has_worked = False
        self._got_on = False
        self._offsets: dict[str, int] = {}

    def look(
        self, wanted: Sequence[Wanted], folder: Place | None, on_bytes: Callable[[int], None]
    ) -> tuple[list[Found], list[str]]:
        """Compares files with what is on the volume; see ``Target``."""
        checksums = []
        for item in wanted:
            digest = hashlib.sha256()
            read_through(item.source, [digest.update], on_bytes)
            checksums.append(digest.hexdigest())
        lines = [self._line(item, sum_) for item, sum_ in zip(wanted, checksums, strict=True)]
        free, states, names = self._repeat(lambda: self._ask(lines, folder))
        found = [
            Found(wanted=item, state=state, partial=partial, checksum=checksum)
            for item, (state, partial), checksum in zip(wanted, states, checksums, strict=True)
        ]
        self._require_space(found, free)
        return found, names

    def send(self, found: Sequence[Found], on_progress: Callable[[Found, int], None]) -> None:
        """Sends files to the volume; see ``Target``."""
        left = collections.deque(found)

        def send_left() -> None:
            if not left:
                return
            with self._session(scripts.RECEIVE) as session:
                while left:
                    self._send_one(session, left[0], on_progress)
                    left.popleft()
                session.send(b"end\n")

        self._repeat(send_left)

    def _repeat(self, work: Callable[[], _Result]) -> _Result:
        """Does something again where the stream breaks, as long as it gets on."""
        failed = 0
        while True:
            self._got_on = False
            try:
                return work()
            except BrokenStreamError as error:
                failed = 1 if self._got_on else failed + 1
                if not self._has_worked:
                    # Not a connection that broke: no right to exec, no shell in the image ...
                    raise ClusterError(
                        f"pod {self._pod.name}: {error}; see whether 'kubectl -n "
                        f"{self._kubectl.namespace} exec {self._pod.name} -- sh -c true' works"
                    ) from error
                if failed >= self.attempts:
                    raise ClusterError(
                        f"pod {self._pod.name}: {error}; stage again, and it goes on from what is "
                        "there"
                    ) from error
            time.sleep(min(self.backoff_seconds * 2 ** (failed - 1), _LONGEST_WAIT_SECONDS))
            # It may have been replaced.
            with contextlib.suppress(ClusterError):
                self._pod = _find_pod(self._kubectl, self._claim)

    def _send_one(
        self,
        session: ExecSession,
        found: Found,
        on_progress: Callable[[Found, int], None],
    ) -> None:
        item = found.wanted
        mode = b"replace " if found.state == DIFFERS else b"new "
        session.send(mode + self._line(item, found.checksum))
        answer = self._answer(session, item)
        if answer.startswith("ready "):
            offset = int(answer.removeprefix("ready "))
            # What was only sent may never have come.
            self._got_on |= offset > self._offsets.setdefault(found.checksum, offset)
            self._offsets[found.checksum] = max(offset, self._offsets[found.checksum])
            on_progress(found, offset)
            for chunk in item.source.chunks(offset):
                try:
                    session.send(chunk)
                except BrokenStreamError:
                    # The script may have said why it takes no more.
                    self._answer(session, item)
                    raise
                offset += len(chunk)
                on_progress(found, offset)
            answer = self._answer(session, item)
        if answer != "done":
            raise BrokenStreamError(f"an answer that makes no sense: {answer[:80]!r}")
        self._got_on = True
        on_progress(found, item.source.size)

    def _answer(self, session: ExecSession, item: Wanted | None = None) -> str:
        """Returns the script's next line; raises where it says that it takes no more."""
        answer = session.line()
        self._has_worked = True
        if answer == "failed":
            raise self._failure(session.errors())
        if answer == "taken" and item is not None:
            raise ClusterError(
                f"{item.place.path}: has been made by somebody else meanwhile, with other content; "
                "stage again to see what differs"
            )
        if answer == "damaged" and item is not None:
            item.source.require_unchanged()
            raise BrokenStreamError(f"{item.place.path}: what came is not what was sent")
        return answer

    def _failure(self, errors: Sequence[str]) -> ClusterError:
        """Returns the error for a script that says that it failed, and after which program."""
        programs, reason = [], "it failed without a word"
        for line in errors:
            if line.startswith(_SAID):
                reason = line.removeprefix(_SAID)
                break
            programs.append(line)
        cause = f" ({programs[-1]})" if programs else ""
        mend = _MAKE_ROOM if _NO_SPACE in cause else _MAY_WRITE
        return ClusterError(f"pod {self._pod.name}: {reason}{cause}; {mend}")

    def _ask(
        self, lines: Sequence[bytes], folder: Place | None
    ) -> tuple[int | None, list[tuple[str, int]], list[str]]:
        """Returns the free bytes, what is at each place, and the names of the CSV files."""
        folders = [] if folder is None else [self._pod.path(folder)]
        states = []
        names = []
        with self._session(scripts.LOOK, str(len(lines)), *folders) as session:
            free = _free_bytes(self._answer(session))
            # Not all at once: answers that nobody reads yet would hold up the script.
            for start in range(0, len(lines), _LINES_AT_ONCE):
                some = lines[start : start + _LINES_AT_ONCE]
                session.send(b"".join(some))
                for _ in some:
                    state, _, partial = self._answer(session).partition(" ")
                    states.append((state, int(partial or 0)))
            while (answer := session.line()) != "end":
                names.append(answer.removeprefix("csv "))
        return free, states, names

    def _session(self, script: str, *arguments: str) -> ExecSession:
        pod = self._pod
        return ExecSession(
            self._kubectl,
            pod.name,
            pod.container,
            script,
            [posixpath.join(pod.mount_path, STAGING_FOLDER), pod.uid, *arguments],
            self.stall_seconds,
        )

    def _line(self, item: Wanted, checksum: str) -> bytes:
        return f"{item.source.size} {checksum} {self._pod.path(item.place)}\n".encode()

    def _require_space(self, found: Sequence[Found], free: int | None) -> None:
        needed = sum(
            item.wanted.source.size - item.partial
            for item in found
            if item.state in (ABSENT, DIFFERS)
        )
        if free is not None and needed > free:
            raise ClusterError(
                f"claim {self._claim}: {needed:,} bytes are to be sent, and {free:,} are free; "
                f"{_MAKE_ROOM}"
            )


def _find_pod(kubectl: Kubectl, claim: str) -> _Pod:
    listed = kubectl.get("pods", selector=SELECTOR) or {}
    pods = [
        pod
        for pod in listed.get("items") or []
        if "deletionTimestamp" not in pod["metadata"]
        and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
    ]
    if not pods:
        raise ClusterError(
            f"namespace {kubectl.namespace}: has no data-access pod; {_APPLY}, and --namespace "
            "names another namespace"
        )
    ready = [pod for pod in pods if _is_ready(pod)]
    if not ready:
        name = pods[0]["metadata"]["name"]
        raise ClusterError(
            f"pod {name}: is not ready ({_state(pods[0])}); 'kubectl -n {kubectl.namespace} "
            f"describe pod {name}' says why"
        )
    if len(ready) > 1:
        names = ", ".join(pod["metadata"]["name"] for pod in ready)
        raise ClusterError(
            f"namespace {kubectl.namespace}: has {len(ready)} data-access pods ({names}); scale "
            "the Deployment to 1"
        )
    return _mounting(ready[0], claim)


def _mounting(pod: Mapping[str, Any], claim: str) -> _Pod:
    """Returns the container of a pod that mounts a claim."""
    name = pod["metadata"]["name"]
    volumes = {
        volume["name"]: volume["persistentVolumeClaim"]
        for volume in pod["spec"].get("volumes") or []
        if "persistentVolumeClaim" in volume
    }
    for container in pod["spec"].get("containers") or []:
        mounts = container.get("volumeMounts") or []
        for mount in mounts:
            volume = volumes.get(mount["name"])
            if volume is None or volume["claimName"] != claim:
                continue
            if mount.get("readOnly") or volume.get("readOnly"):
                raise ClusterError(f"pod {name}: may only read claim {claim}; mount it writable")
            mount_path = posixpath.normpath(mount["mountPath"])
            _check_mount(name, mount, mount_path, mounts)
            return _Pod(
                name=name,
                uid=pod["metadata"].get("uid") or "none",
                container=container["name"],
                mount_path=mount_path,
                sub_path=mount.get("subPath") or "",
            )
    has = ", ".join(sorted(volume["claimName"] for volume in volumes.values())) or "none"
    raise ClusterError(
        f"pod {name}: does not mount claim {claim}, which the workflow reads from, but {has}; "
        "compile with --set volume.claim=..., or change the pod's claim"
    )


def _check_mount(
    pod: str, mount: Mapping[str, Any], path: str, mounts: Sequence[Mapping[str, Any]]
) -> None:
    """Refuses a mount of which it is not known where its files are on the claim."""
    if mount.get("subPathExpr"):
        raise ClusterError(
            f"pod {pod}: mounts a folder of the claim by subPathExpr, which is not known here; "
            "use subPath, or none"
        )
    for other in mounts:
        inner = posixpath.normpath(other["mountPath"])
        if inner.startswith(f"{path.rstrip('/')}/"):
            raise ClusterError(
                f"pod {pod}: mounts another volume at {inner}, below the claim at {path}: files "
                "there would not be on the claim; take that mount out"
            )


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)


def _state(pod: Mapping[str, Any]) -> str:
    """Returns why a pod is not ready, as far as it says so."""
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or []:
        for state in (container.get("state") or {}).values():
            if state.get("reason"):
                return state["reason"]
    for condition in status.get("conditions") or []:
        if condition.get("status") != "True" and condition.get("reason"):
            return condition["reason"]
    return status.get("phase") or "Unknown"


def _free_bytes(answer: str) -> int | None:
    """Reads the last line of ``df -P -k``; ``None`` where the volume does not say."""
    match = re.search(r" (\d+) +\d+ +(\d+) +\d+% ", answer)
    return int(match[2]) * 1024 if match and int(match[1]) else None
