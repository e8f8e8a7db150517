"""Maps the paths of a pod to folders of this machine."""

import dataclasses
import os
import pathlib
import re
from collections.abc import Mapping

from components.errors import RunError, WorkflowError
from orchestration.workflow import Step, Workflow

# JSON escapes these inside the arguments, and Argo and the shell give meaning to others: a
# folder's path must read the same everywhere.
_PLAIN_PATH = re.compile(r"[^\x00-\x1f\"'\\{}$`\x7f]+")


@dataclasses.dataclass(frozen=True)
class PathMap:
    """Replaces paths of a pod with paths of this machine in any text.

    Attributes:
        paths: Path here by path in the pod.
    """

    paths: Mapping[str, str]

    def apply(self, text: str) -> str:
        """Replaces every occurrence of a mapped path that is not part of a longer name."""
        if not self.paths:
            return text
        longest_first = sorted(self.paths, key=len, reverse=True)
        pattern = re.compile(
            r"(?<![\w./-])(?:" + "|".join(map(re.escape, longest_first)) + r")(?=$|[^\w.-])"
        )
        return pattern.sub(lambda match: self.paths[match.group()], text)


#: Variables that name a file which a secret brings.
_KEY_FILES = ("GOOGLE_APPLICATION_CREDENTIALS", "AWS_CA_BUNDLE")


def check_folders(workflow: Workflow, folders: Mapping[str, pathlib.Path]) -> dict[str, str]:
    """Checks that every volume, secret and ConfigMap of a workflow has its folder.

    Args:
        workflow: The workflow.
        folders: Folders by name of the claim, secret or ConfigMap.

    Returns:
        The folders' absolute paths by name.

    Raises:
        RunError: If a folder is missing, cannot be used, is given for a name that the workflow
            does not have, or lacks a secret's file that a variable names.
    """
    needed = {
        mount.source: mount.kind
        for step in workflow.all_steps
        for mount in step.mounts
        if mount.kind != "empty_dir"
    }
    known = needed | {
        variable.source: variable.kind
        for step in workflow.all_steps
        for variable in step.variables
        if variable.kind in ("secret", "config_map")
    }
    for name in folders:
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise RunError(f"--mount {name}: the workflow has no such volume; it has {names}")
    for name, kind in needed.items():
        if name not in folders:
            noun = {"claim": "persistent volume claim", "secret": "secret"}.get(kind, "ConfigMap")
            raise RunError(
                f"the workflow mounts the {noun} {name}: name its folder with --mount {name}=DIR"
            )
    usable = {
        name: _usable(name, folder, writable=known[name] == "claim")
        for name, folder in folders.items()
    }
    for step in workflow.all_steps:
        _require_key_files(step, usable)
    return usable


def _require_key_files(step: Step, folders: Mapping[str, str]) -> None:
    """Refuses a secret's folder without the file that a variable names in it."""
    for variable in step.variables:
        if variable.kind != "value" or variable.name not in _KEY_FILES:
            continue
        path = pathlib.PurePosixPath(variable.source)
        for mount in step.mounts:
            if mount.kind != "secret" or not path.is_relative_to(mount.path):
                continue
            file = pathlib.Path(folders[mount.source], mount.sub_path, path.relative_to(mount.path))
            if not file.is_file():
                raise RunError(
                    f"--mount {mount.source}: {file} is not there, which {variable.name} names; "
                    "put it there under this name, as the secret has it"
                )


def _usable(name: str, folder: pathlib.Path, *, writable: bool) -> str:
    try:
        path = str(folder.resolve(strict=True))
        is_folder = folder.is_dir()
    except FileNotFoundError as error:
        raise RunError(f"--mount {name}: the folder {folder} does not exist; create it") from error
    except (OSError, RuntimeError) as error:
        raise RunError(f"--mount {name}: the folder {folder} cannot be used: {error}") from error
    if not is_folder:
        raise RunError(f"--mount {name}: {folder} is not a folder")
    access = os.R_OK | os.X_OK | (os.W_OK if writable else 0)
    if not os.access(path, access):
        verb = "written" if os.access(path, os.R_OK | os.X_OK) else "read"
        raise RunError(
            f"--mount {name}: the folder {folder} cannot be {verb}; change its permissions or name "
            "another"
        )
    if _PLAIN_PATH.fullmatch(path) is None:
        raise RunError(
            f"--mount {name}: the path {path!r} holds quotes, braces, a backslash or control "
            "characters; name a folder without them"
        )
    return path


def read_key(folders: Mapping[str, str], name: str, key: str, place: str) -> str | None:
    """Reads a key of a secret or ConfigMap from its folder, where each key is a file.

    Args:
        folders: Folders by name.
        name: The secret or ConfigMap.
        key: The key.
        place: Where it is used, for the message.

    Returns:
        The value, or ``None`` if the folder or the file is missing.

    Raises:
        WorkflowError: If the file cannot be read as text.
    """
    if name not in folders:
        return None
    path = pathlib.Path(folders[name], key)
    if not path.is_file():
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WorkflowError(f"{place}: {path} cannot be read as text") from error
