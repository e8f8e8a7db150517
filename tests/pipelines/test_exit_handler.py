"""The exit handler of a compiled workflow, as Argo and the local runner read it."""

import json
from typing import Any

import pytest
import yaml

from orchestration.validation import validate_text
from orchestration.workflow import Step, Workflow
from orchestration.workflow_parser import parse_workflow
from pipelines.kubeflow_pipelines.exit_handler import NAME
from pipelines.settings import load_settings

pytestmark = [
    pytest.mark.whole,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]

NOTIFICATION = "notification={secret: vault, key: webhook, ui_host: https://kubeflow.example.com/}"
MYSQL = "metadata={kind: mysql, host: db, port: 3306, secret: s, user_key: u, password_key: p}"


def compiled(*overrides: str) -> str:
    from pipelines.kubeflow_pipelines.compiler import compile_workflow

    return compile_workflow(load_settings(overrides=overrides))


@pytest.fixture(scope="module")
def text() -> str:
    return compiled(NOTIFICATION, MYSQL, "pod_labels={team: a}")


@pytest.fixture(scope="module")
def manifest(text: str) -> dict[str, Any]:
    return yaml.safe_load(text)


@pytest.fixture(scope="module")
def workflow(manifest: dict[str, Any]) -> Workflow:
    return parse_workflow(manifest)


@pytest.fixture(scope="module")
def step(workflow: Workflow) -> Step:
    assert workflow.exit_step is not None
    return workflow.exit_step


@pytest.fixture(scope="module")
def templates(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {template["name"]: template for template in manifest["spec"]["templates"]}


def test_it_is_placed_where_the_other_pods_are() -> None:
    workflow = yaml.safe_load(
        compiled(
            NOTIFICATION,
            "approval_timeout_seconds=60",
            "default={node_selector: {pool: a}, tolerations: [{key: only, operator: Exists}]}",
        )
    )

    templates = {template["name"]: template for template in workflow["spec"]["templates"]}
    for name in (NAME, "approval", "trainer"):
        assert templates[name]["nodeSelector"] == {"pool": "a"}
        assert templates[name]["tolerations"] == [{"key": "only", "operator": "Exists"}]


def test_without_the_setting_there_is_none() -> None:
    workflow = yaml.safe_load(compiled())

    assert "onExit" not in workflow["spec"]
    assert NAME not in [template["name"] for template in workflow["spec"]["templates"]]


def test_it_runs_when_the_workflow_ends_and_is_no_step_of_it(
    manifest: dict[str, Any], workflow: Workflow
) -> None:
    assert manifest["spec"]["onExit"] == NAME
    assert NAME not in [step.name for step in workflow.steps]
    assert workflow.all_steps[-1].name == NAME


def test_argo_and_kubeflow_find_no_fault_with_it(text: str) -> None:
    assert validate_text(text) == []


def test_it_tells_of_the_workflows_status_and_failures(step: Step) -> None:
    assert step.command == ("python", "-m", "components.notify")
    assert step.argument("--pipeline") == "consumer_complaint_pipeline_kubeflow"
    assert step.argument("--status") == "{{workflow.status}}"
    assert step.argument("--failures") == "{{workflow.failures}}"


def test_the_webhook_is_a_reference_to_the_secret(step: Step, text: str) -> None:
    (variable,) = (each for each in step.variables if each.name == "NOTIFICATION_WEBHOOK_URL")

    assert (variable.kind, variable.source, variable.key) == ("secret", "vault", "webhook")
    assert text.count("NOTIFICATION_WEBHOOK_URL") == 1


def test_it_knows_the_run_by_the_labels_that_argo_and_kubeflow_give(step: Step) -> None:
    fields = {each.name: each.source for each in step.variables if each.kind == "field"}

    assert fields == {
        "WORKFLOW_ID": "metadata.labels['workflows.argoproj.io/workflow']",
        "KFP_RUN_ID": "metadata.labels['pipeline/runid']",
    }


def test_it_links_to_the_ui(step: Step) -> None:
    assert step.argument("--ui_host") == "https://kubeflow.example.com"


def test_without_a_ui_there_is_no_link() -> None:
    workflow = parse_workflow(yaml.safe_load(compiled("notification.secret=vault")))

    assert workflow.exit_step is not None
    assert workflow.exit_step.argument("--ui_host") is None


def test_it_asks_the_metadata_store_that_the_steps_use(workflow: Workflow, step: Step) -> None:
    option = "--kubeflow_metadata_config"
    secrets = [each for each in step.variables if each.source == "s"]

    assert json.loads(step.argument(option) or "") == json.loads(
        workflow.steps[0].argument(option) or ""
    )
    assert [(each.name, each.key) for each in secrets] == [
        ("METADATA_MYSQL_USER", "u"),
        ("METADATA_MYSQL_PASSWORD", "p"),
    ]


def test_its_pod_is_as_small_and_unprivileged_as_it_can_be(
    templates: dict[str, dict[str, Any]], step: Step
) -> None:
    of_trainer, container = (templates[name]["container"] for name in ("trainer", NAME))
    for key in ("image", "securityContext"):
        assert container[key] == of_trainer[key]
    assert step.resources.memory_limit == 1024**3
    assert step.timeout_seconds == 600
    assert step.mounts == ()
    assert step.artifact_paths == {}


def test_its_pod_has_the_labels_of_the_steps_but_no_versions(
    templates: dict[str, dict[str, Any]],
) -> None:
    labels = templates[NAME]["metadata"]["labels"]

    # Kubeflow's cache passes over pods of TFX, and so does not spare a notification.
    assert labels["pipelines.kubeflow.org/pipeline-sdk-type"] == "tfx"
    assert labels["add-pod-env"] == "true"
    assert labels["team"] == "a"
    assert not [name for name in labels if name.startswith("complaint-pipeline/")]
