"""What a step's container gets on this machine: command line, environment and folders."""

import dataclasses
import os
import pathlib
import platform
import re
import shutil
import sys
from collections.abc import Mapping

from components.errors import RunError, WorkflowError
from orchestration.local.folders import PathMap, read_key
from orchestration.local.placeholders import fill_in
from orchestration.metadata_target import GrpcTarget
from orchestration.workflow import METADATA_CONFIG_MAP, Step, Variable, Workflow

#: Namespace that a step sees, as Kubernetes names its first one.
NAMESPACE = "default"

# Set by Argo and Kubeflow on every pod; TFX reads the first as the run's id.
_WORKFLOW_LABEL = "workflows.argoproj.io/workflow"
_RUN_LABEL = "pipeline/runid"

#: Settings of this interpreter and of the metadata server, which no pod has.
_NOT_FOR_STEPS = re.compile(r"PYTHON[A-Z]|MYSQL_PWD$")

_REFERENCE = re.compile(r"\$\$|\$\(([^()]*)\)")

#: Folders in a step's folder.
_ARTIFACTS = "artifacts"
_EMPTY_DIRS = "volumes"

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Container:
    """A container's process.

    Attributes:
        argv: The command line.
        environment: The whole environment.
        folder: The working folder.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: pathlib.Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ending:
    """What an exit handler hears of its workflow.

    Attributes:
        status: Argo's ``workflow.status``.
        failures: Argo's ``workflow.failures``: JSON within a JSON string.
    """

    status: str = "Running"
    failures: str = '"null"'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Containers:
    """Makes the containers of a run.

    Attributes:
        workflow: The workflow.
        run_id: The run's id, which is the workflow's name.
        uid: The workflow's UID.
        parameters: Values of the run parameters.
        folders: Folders by claim, secret or ConfigMap.
        metadata: Address of the metadata service that stands in for Kubeflow's.
    """

    workflow: Workflow
    run_id: str
    uid: str
    parameters: Mapping[str, str]
    folders: Mapping[str, str]
    metadata: GrpcTarget

    def container(
        self,
        step: Step,
        folder: pathlib.Path,
        attempt: int = 1,
        ending: Ending = Ending(),
    ) -> Container:
        """Makes the container of a step.

        Args:
            step: The step.
            folder: Folder for what the step leaves outside its volumes.
            attempt: Number of the attempt, from 1.
            ending: How the workflow has ended, for an exit handler.

        Returns:
            Command line and environment of the pod, with the pod's paths replaced by the
            folders of this machine.

        Raises:
            WorkflowError: If a placeholder or a variable has no value here.
        """
        pod = f"{self.run_id}-{step.name}-{attempt}"
        place = f"step {step.name}"
        values = self._values(step, pod, ending)
        paths = self._paths(step, folder)
        variables: dict[str, str] = {}
        for variable in step.variables:
            for name, text in self._variable(variable, step, pod).items():
                if variable.kind == "value":
                    text = expand_references(fill_in(text, values, place), variables)
                variables[name] = text
        argv = [
            paths.apply(expand_references(fill_in(word, values, place), variables))
            for word in (*step.command, *step.args)
        ]
        environment = {
            name: value for name, value in os.environ.items() if not _NOT_FOR_STEPS.match(name)
        }
        # The interpreter's own programs come first, as they do in the image.
        environment["PATH"] = os.pathsep.join(
            [str(pathlib.Path(sys.executable).parent), environment.get("PATH", os.defpath)]
        )
        environment |= {name: paths.apply(text) for name, text in variables.items()}
        return Container(
            argv=tuple(argv),
            environment=environment,
            folder=folder
            if step.working_dir is None
            else pathlib.Path(paths.apply(fill_in(step.working_dir, values, place))),
        )

    def _values(self, step: Step, pod: str, ending: Ending) -> dict[str, str]:
        values = {
            "pod.name": pod,
            "workflow.name": self.run_id,
            "workflow.namespace": NAMESPACE,
            "workflow.serviceAccountName": "default",
            "workflow.failures": ending.failures,
            "workflow.status": ending.status,
            "workflow.uid": self.uid,
        }
        for name, value in self.parameters.items():
            values[f"workflow.parameters.{name}"] = value
        inputs = {
            f"inputs.parameters.{name}": fill_in(value, values, f"step {step.name}, {name}")
            for name, value in step.arguments.items()
        }
        return values | inputs

    def _paths(self, step: Step, folder: pathlib.Path) -> PathMap:
        """Where each path of the pod is here: volumes, and files that are output artifacts."""
        paths = {}
        for name, path in step.artifact_paths.items():
            paths[path] = str(_artifact(folder, name, path))
        for mount in step.mounts:
            source = self.folders.get(mount.source) or str(folder / _EMPTY_DIRS / mount.source)
            paths[mount.path] = str(pathlib.Path(source, mount.sub_path))
        return PathMap(paths)

    def _variable(self, variable: Variable, step: Step, pod: str) -> dict[str, str]:
        place = f"step {step.name}, variable {variable.name or variable.source}"
        if variable.kind == "value":
            return {variable.name: variable.source}
        if variable.kind == "field":
            return {variable.name: self._field(variable.source, step, pod, place)}
        if not variable.name:
            return {
                f"{variable.prefix}{key}": value
                for key, value in self._all_keys(variable, place).items()
            }
        value = read_key(self.folders, variable.source, variable.key, place)
        if value is None:
            if variable.optional:
                return {}
            raise WorkflowError(
                f"{place}: no value for key {variable.key} of {variable.source}; put it into a "
                f"file of that name and add --mount {variable.source}=DIR"
            )
        return {variable.name: value}

    def _all_keys(self, variable: Variable, place: str) -> dict[str, str]:
        if variable.source == METADATA_CONFIG_MAP:
            return {
                "METADATA_GRPC_SERVICE_HOST": self.metadata.host,
                "METADATA_GRPC_SERVICE_PORT": str(self.metadata.port),
            }
        if variable.source not in self.folders:
            if variable.optional:
                return {}
            raise WorkflowError(
                f"{place}: no values for {variable.source}; put each key into a file of its name "
                f"and add --mount {variable.source}=DIR"
            )
        keys = sorted(path.name for path in pathlib.Path(self.folders[variable.source]).iterdir())
        values = {key: read_key(self.folders, variable.source, key, place) for key in keys}
        return {key: value for key, value in values.items() if value is not None}

    def _field(self, path: str, step: Step, pod: str, place: str) -> str:
        labels = {
            **step.labels,
            _WORKFLOW_LABEL: self.run_id,
            _RUN_LABEL: self.run_id,
        }
        if match := _SUBSCRIPT.fullmatch(path):
            source = labels if match[1] == "labels" else step.annotations
            # As in Kubernetes, a label that is not there is an empty value.
            return source.get(match[2], "")
        fields = {
            "metadata.name": pod,
            "metadata.namespace": NAMESPACE,
            "metadata.uid": self.uid,
            "spec.nodeName": platform.node(),
            "spec.serviceAccountName": "default",
            "status.hostIP": "127.0.0.1",
            "status.podIP": "127.0.0.1",
            "status.podIPs": "127.0.0.1",
        }
        if path not in fields:
            raise WorkflowError(f"{place}: the field {path} has no value without a cluster")
        return fields[path]


def expand_references(text: str, variables: Mapping[str, str]) -> str:
    """Expands ``$(NAME)`` as Kubernetes does in a container's command, arguments and environment.

    Args:
        text: The text. ``$$`` is a dollar sign.
        variables: Environment variables that are set before.

    Returns:
        The text; a reference to a variable that is not set stays as it is
        (https://github.com/kubernetes/kubernetes/blob/master/third_party/forked/golang/expansion).
    """

    def expanded(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1], match[0])

    return _REFERENCE.sub(expanded, text)


def prepare_folder(step: Step, folder: pathlib.Path, folders: Mapping[str, str]) -> None:
    """Makes a step's folder as fresh as a new pod's: empty volumes, no artifacts.

    Args:
        step: The step.
        folder: Its folder, which is made.
        folders: Folders by claim, in which missing ``subPath`` folders are made.

    Raises:
        RunError: If the folder cannot be made.
    """
    try:
        (folder / _ARTIFACTS).mkdir(parents=True, exist_ok=True)
        for mount in step.mounts:
            if mount.kind == "empty_dir":
                scratch = folder / _EMPTY_DIRS / mount.source
                shutil.rmtree(scratch, ignore_errors=True)
                (scratch / mount.sub_path).mkdir(parents=True)
            elif mount.kind == "claim":
                pathlib.Path(folders[mount.source], mount.sub_path).mkdir(
                    parents=True, exist_ok=True
                )
        for name, path in step.artifact_paths.items():
            # TFX would add to what an earlier attempt has left.
            _artifact(folder, name, path).unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot make the step's folder: {error.strerror}") from error


def missing_artifact(step: Step, folder: pathlib.Path) -> str | None:
    """Returns the name of an output artifact that a step should have left and has not."""
    for name, path in step.artifact_paths.items():
        if name not in step.optional_artifacts and not _artifact(folder, name, path).exists():
            return name
    return None


def _artifact(folder: pathlib.Path, name: str, path: str) -> pathlib.Path:
    return folder / _ARTIFACTS / f"{name}{pathlib.PurePosixPath(path).suffix}"
