"""Runs on Kubeflow: create, list, look, logs, terminate, retry."""

import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from orchestration.cluster.connection import Connection, connect
from orchestration.cluster.errors import ClusterError
from orchestration.cluster.parameters import check_parameters
from orchestration.cluster.pipelines import read_valid_package, upload
from orchestration.cluster.runs import ClusterRuns, NewRun
from orchestration.run_view import RunView
from tests.kubeflow_server import KubeflowServer

Package = Callable[..., pathlib.Path]
Start = Callable[..., RunView]


@pytest.fixture
def runs(client: Any, connection: Connection) -> ClusterRuns:
    return ClusterRuns(client, connection)


@pytest.fixture
def start(client: Any, connection: Connection, runs: ClusterRuns, package: Package) -> Start:
    version = upload(client, connection, read_valid_package(package()))

    def go(name: str | None = None, experiment: str = "Default", **parameters: str) -> RunView:
        return runs.create(version, NewRun(name=name, experiment=experiment, parameters=parameters))

    return go


def pod(name: str, phase: str, **more: Any) -> dict[str, Any]:
    return {"type": "Pod", "displayName": name, "phase": phase, **more}


def nodes_of(view: RunView, *nodes: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The DAG and its nodes as Argo writes them; a node's id is given or counted."""
    root = f"wf-{view.id[:5]}"
    inside = {
        node.pop("id", f"{root}-{number}"): {"boundaryID": root, **node}
        for number, node in enumerate(nodes)
    }
    return {root: {"type": "DAG", "displayName": root, "phase": "Running"}, **inside}


def test_a_run_has_its_version_parameters_experiment_and_page(
    kubeflow: KubeflowServer, start: Start
) -> None:
    view = start("mine", "trials", **{"train-args": '{"num_steps": 2}'})

    assert (view.name, view.state, view.experiment) == ("mine", "Pending", "trials")
    assert view.pipeline == "shell"
    assert view.parameters == {"train-args": '{"num_steps": 2}', "data-root": "/data"}
    assert view.url == f"{kubeflow.url}/#/runs/details/{view.id}"
    assert [step.name for step in view.steps] == ["first", "second"]


def test_an_experiment_is_created_once(kubeflow: KubeflowServer, start: Start) -> None:
    start(experiment="trials")
    start(experiment="trials")

    assert [item["name"] for item in kubeflow.experiments.values()] == ["trials"]


@pytest.mark.parametrize("name", [None, "same"])
@pytest.mark.parametrize("kind", ["lost", "status"])
def test_a_run_whose_answer_is_lost_is_started_once(
    kubeflow: KubeflowServer, start: Start, name: str | None, kind: str
) -> None:
    first = start(name)
    kubeflow.fail("POST", "/runs$", kind)

    view = start(name)

    assert set(kubeflow.runs) == {first.id, view.id}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"train-arg": "1"}, "--param train-arg: .* did you mean 'train-args'?"),
        ({"zzz": "1"}, "it has train-args, data-root"),
        ({"train-args": "x" * 10_000}, "Kubeflow Pipelines takes 10,000"),
    ],
)
def test_wrong_parameters_are_refused(package: Package, given: dict[str, str], said: str) -> None:
    with pytest.raises(ClusterError, match=said):
        check_parameters(read_valid_package(package()).manifest, given)


def test_a_parameter_without_default_must_be_given(package: Package) -> None:
    manifest = read_valid_package(package(parameters={"needed": None})).manifest

    with pytest.raises(ClusterError, match="give --param needed=VALUE"):
        check_parameters(manifest, {})
    assert check_parameters(manifest, {"needed": "x"}) == {"needed": "x"}


def test_the_newest_runs_come_first_over_pages(
    kubeflow: KubeflowServer, runs: ClusterRuns, start: Start
) -> None:
    kubeflow.page_limit = 2
    names = [start(f"run {number}").name for number in range(5)]

    assert [view.name for view in runs.newest(4)] == names[:0:-1]


def test_the_metrics_of_the_steps_are_those_of_the_run(
    kubeflow: KubeflowServer, runs: ClusterRuns, start: Start
) -> None:
    view = start()
    kubeflow.report_metrics(view.id, "trainer", val_loss=0.5)
    kubeflow.report_metrics(view.id, "evaluator", auc=0.75)

    metrics = {"auc": 0.75, "val_loss": 0.5}
    assert runs.get(view.id).metrics == metrics
    assert runs.get(view.id).result == {"metrics": metrics}
    assert runs.newest(1)[0].metrics == metrics
    assert start().metrics == {}


def test_steps_come_from_the_workflows_nodes(
    kubeflow: KubeflowServer, runs: ClusterRuns, start: Start
) -> None:
    view = start()
    times = {"startedAt": "2026-11-01T00:00:00Z", "finishedAt": "2026-11-01T00:00:30Z"}
    nodes = nodes_of(view, pod("first", "Failed", message="exit code 1", **times))
    kubeflow.progress(view.id, "Failed", nodes)

    view = runs.get(view.id)
    first, second = view.steps

    assert view.state == "Failed"
    assert (first.state, first.attempts, first.message) == ("Failed", 1, "exit code 1")
    assert (first.started, first.ended) == (1793491200.0, 1793491230.0)
    assert second.state == "Omitted"


def test_a_retried_step_counts_its_pods_and_shows_the_last(
    kubeflow: KubeflowServer, runs: ClusterRuns, start: Start
) -> None:
    view = start()
    retry = {
        "type": "Retry",
        "displayName": "first",
        "phase": "Running",
        # The steps that follow hang on the last attempt too.
        "children": ["p1", "p0", "next"],
    }
    nodes = nodes_of(
        view,
        retry,
        pod("first(0)", "Failed", id="p0", startedAt="2026-11-01T00:00:00Z", message="OOMKilled"),
        pod("first(1)", "Running", id="p1", startedAt="2026-11-01T00:01:00Z"),
        pod("second", "Pending", id="next"),
    )
    kubeflow.progress(view.id, "Running", nodes)

    first, second = runs.get(view.id).steps

    assert (first.state, first.attempts, first.started) == ("Running", 2, 1793491260.0)
    assert second.state == "Pending"


def test_packed_nodes_are_read(kubeflow: KubeflowServer, runs: ClusterRuns, start: Start) -> None:
    import base64
    import gzip
    import json

    view = start()
    packed = gzip.compress(json.dumps(nodes_of(view, pod("first", "Succeeded"))).encode())
    kubeflow.progress(view.id, "Running", {}, compressedNodes=base64.b64encode(packed).decode())

    assert runs.get(view.id).steps[0].state == "Succeeded"


def test_a_run_ended_by_hand_is_terminated(
    kubeflow: KubeflowServer, runs: ClusterRuns, start: Start
) -> None:
    view = start()
    nodes = nodes_of(
        view, pod("first", "Failed", message="workflow shutdown with strategy:  Terminate")
    )
    kubeflow.progress(view.id, "Failed", nodes, message="Stopped with strategy 'Terminate'")

    view = runs.get(view.id)

    assert (view.state, view.steps[0].state) == ("Terminated", "Terminated")


def test_a_run_that_kubeflow_was_asked_to_end_is_terminated(
    kubeflow: KubeflowServer, runs: ClusterRuns, start: Start
) -> None:
    # Kubeflow ends a run by a deadline of 0 seconds, which Argo counts as a failure.
    view = start()
    runs.terminate(view.id)
    nodes = nodes_of(view, pod("first", "Failed", message="Step exceeded its deadline"))
    kubeflow.progress(view.id, "Failed", nodes)

    view = runs.get(view.id)

    assert (view.state, view.steps[0].state) == ("Terminated", "Terminated")


def test_a_run_is_found_by_name_or_as_the_newest(runs: ClusterRuns, start: Start) -> None:
    first, last = start("one"), start("two")

    assert runs.get("one").id == first.id
    assert runs.get(None).id == last.id


def test_a_name_that_several_runs_have_is_refused(runs: ClusterRuns, start: Start) -> None:
    first = start("same")
    start("same")

    with pytest.raises(ClusterError, match=f"2 runs have this name; give an id: .*{first.id}"):
        runs.get("same")


def test_an_unknown_run_is_refused(runs: ClusterRuns) -> None:
    with pytest.raises(ClusterError, match="no run has this id or name"):
        runs.get("none")
    with pytest.raises(ClusterError, match=r"not found \(404\); check the name or id"):
        runs.get("00000000-0000-0000-0000-000000000000")
    with pytest.raises(ClusterError, match="there are no runs"):
        runs.get(None)


def test_terminate_asks_kubeflow(runs: ClusterRuns, start: Start) -> None:
    view = runs.terminate(start().id)

    assert view.state == "Running"
    assert not view.is_finished


def test_a_finished_run_is_not_terminated(
    kubeflow: KubeflowServer, runs: ClusterRuns, start: Start
) -> None:
    view = start()
    kubeflow.progress(view.id, "Succeeded", {})

    with pytest.raises(ClusterError, match="Succeeded; there is nothing to terminate"):
        runs.terminate(view.id)
    assert kubeflow.called("POST", "/runs/.*") == 0


@pytest.mark.parametrize("phase", ["Failed", "Error"])
def test_a_failed_run_is_retried(
    kubeflow: KubeflowServer, runs: ClusterRuns, start: Start, phase: str
) -> None:
    view = start()
    kubeflow.progress(view.id, phase, nodes_of(view, pod("first", "Failed")))

    assert runs.retry(view.id).state == "Running"


@pytest.mark.parametrize(
    ("phase", "step", "said"),
    [
        ("Running", "Failed", "Running; only a run that is Failed or Error"),
        ("Succeeded", "Succeeded", "Succeeded; only a run"),
        ("Failed", "Running", "some of its steps still run"),
        ("Failed", "Pending", "some of its steps still run"),
    ],
)
def test_what_cannot_be_retried_is_refused_before_the_call(
    kubeflow: KubeflowServer, runs: ClusterRuns, start: Start, phase: str, step: str, said: str
) -> None:
    view = start()
    kubeflow.progress(view.id, phase, nodes_of(view, pod("first", step)))

    with pytest.raises(ClusterError, match=said):
        runs.retry(view.id)
    assert kubeflow.called("POST", "/runs/.*/retry") == 0


def test_a_retry_whose_answer_is_lost_says_how_to_find_out(
    kubeflow: KubeflowServer, runs: ClusterRuns, start: Start
) -> None:
    view = start()
    kubeflow.progress(view.id, "Failed", nodes_of(view, pod("first", "Failed")))
    kubeflow.fail("POST", "/retry", "lost")

    with pytest.raises(ClusterError, match="whether the retry began is not known"):
        runs.retry(view.id)
    assert kubeflow.called("POST", "/runs/.*/retry") == 1


def test_a_log_is_that_of_the_steps_last_pod(
    kubeflow: KubeflowServer, runs: ClusterRuns, start: Start
) -> None:
    view = start()
    retry = {"type": "Retry", "displayName": "first", "phase": "Failed", "children": ["p0", "p1"]}
    nodes = nodes_of(
        view,
        retry,
        pod("first(0)", "Failed", id="p0", startedAt="2026-11-01T00:00:00Z"),
        pod("first(1)", "Failed", id="p1", startedAt="2026-11-01T00:01:00Z"),
    )
    kubeflow.progress(view.id, "Failed", nodes)
    kubeflow.logs = {"p0": "old\n", "p1": "new\n"}

    assert runs.log(view.id, "first") == (view.id, "new\n")
    assert kubeflow.calls[-1].query["podnamespace"] == "kubeflow"


def test_the_pod_of_a_newer_argo_has_the_templates_name_in_it(
    kubeflow: KubeflowServer, runs: ClusterRuns, start: Start
) -> None:
    view = start()
    workflow = kubeflow.workflows[view.id]
    workflow["metadata"]["annotations"]["workflows.argoproj.io/pod-name-format"] = "v2"
    name = workflow["metadata"]["name"]
    nodes = nodes_of(view, pod("first", "Running", id=f"{name}-123", templateName="first"))
    kubeflow.progress(view.id, "Running", nodes)
    kubeflow.logs = {f"{name}-first-123": "here\n"}

    assert runs.log(None, "first")[1] == "here\n"


def test_a_log_that_is_gone_names_the_command_that_may_have_it(
    kubeflow: KubeflowServer, runs: ClusterRuns, start: Start
) -> None:
    view = start()
    kubeflow.progress(view.id, "Running", nodes_of(view, pod("first", "Running", id="p0")))

    with pytest.raises(ClusterError, match="kubectl logs -n kubeflow p0 -c main"):
        runs.log(view.id, "first")


def test_the_log_of_an_unknown_or_unstarted_step_is_refused(
    runs: ClusterRuns, start: Start
) -> None:
    view = start()

    with pytest.raises(ClusterError, match="did you mean 'first'"):
        runs.log(view.id, "frist")
    with pytest.raises(ClusterError, match="it has not started"):
        runs.log(view.id, "first")


def test_a_user_of_a_namespace_sees_only_its_runs(
    kubeflow: KubeflowServer, package: Package
) -> None:
    kubeflow.multi_user = True

    def of(namespace: str) -> ClusterRuns:
        settings = Connection(host=kubeflow.url, namespace=namespace)
        return ClusterRuns(connect(settings), settings)

    mine = Connection(host=kubeflow.url, namespace="mine")
    version = upload(connect(mine), mine, read_valid_package(package()))
    view = of("mine").create(version, NewRun(name=None, experiment="e", parameters={}))

    assert [found.id for found in of("mine").newest(9)] == [view.id]
    assert of("theirs").newest(9) == []


def test_a_missing_namespace_is_said(kubeflow: KubeflowServer, runs: ClusterRuns) -> None:
    kubeflow.multi_user = True

    with pytest.raises(ClusterError, match="on multi-user Kubeflow, give --namespace"):
        runs.newest(1)
