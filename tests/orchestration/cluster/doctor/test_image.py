"""Images: on the nodes, refused by a registry, or not to be told."""

from typing import Any

import pytest

from orchestration.cluster.doctor import image
from tests.kubernetes_server import KubernetesServer
from tests.orchestration.cluster.doctor.conftest import Look, add_node
from tests.shell_workflow import container, workflow

OURS = "registry.example.com/team/complaint-pipeline:1.0"


def with_image(name: str, policy: str | None = None) -> dict[str, Any]:
    inside = {"image": name, **({"imagePullPolicy": policy} if policy else {})}
    return workflow([container("a", "true", container=inside)])


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("complaint-pipeline:0.1.0", "docker.io/library/complaint-pipeline:0.1.0"),
        ("team/x:1", "docker.io/team/x:1"),
        ("localhost/x:1", "localhost/x:1"),
        ("registry:5000/x", "registry:5000/x:latest"),
        ("gcr.io/p/x@sha256:00", "gcr.io/p/x@sha256:00"),
    ],
)
def test_names_are_compared_as_nodes_have_them(name: str, full: str) -> None:
    assert image.full_name(name) == full


def test_an_image_on_every_node_is_ok(ready: KubernetesServer, look: Look) -> None:
    (check,) = look(image.images)

    assert str(check) == (
        "ok       image complaint-pipeline:0.1.0: is on every node that takes its pods (1)"
    )


def test_an_image_without_a_registry_on_no_node_is_a_failure(
    ready: KubernetesServer, look: Look
) -> None:
    ready.get("nodes", "node-a")["status"]["images"] = []

    (check,) = look(image.images)

    assert check.level == "failure"
    assert "on 0 of the 1 nodes that take its pods, and its name has no registry" in check.message
    assert "kind load docker-image" in check.mend


def test_an_image_without_a_registry_on_some_nodes_is_a_warning(
    ready: KubernetesServer, look: Look
) -> None:
    add_node(ready, "node-b")

    (check,) = look(image.images)

    assert check.level == "warning"
    assert "is seen on 1 of the 2 nodes" in check.message


def test_a_node_that_reports_only_its_largest_images_may_have_it(
    ready: KubernetesServer, look: Look
) -> None:
    ready.get("nodes", "node-a")["status"]["images"] = [{"names": [f"x:{i}"]} for i in range(50)]

    (check,) = look(image.images)

    assert check.level == "warning"


def test_a_node_that_takes_no_pods_needs_no_image(ready: KubernetesServer, look: Look) -> None:
    add_node(ready, "node-b", is_cordoned=True)

    (check,) = look(image.images)

    assert check.level == "ok"


def test_a_loaded_image_that_is_always_pulled_is_a_failure(
    ready: KubernetesServer, look: Look, committed: dict[str, Any]
) -> None:
    for template in committed["spec"]["templates"]:
        if "container" in template:
            template["container"]["imagePullPolicy"] = "Always"

    (check,) = look(image.images)

    assert check.level == "failure"
    assert "image_pull_policy" in check.mend


def test_an_official_image_may_come_from_docker_hub(ready: KubernetesServer, look: Look) -> None:
    (check,) = look(image.images, with_image("busybox:1"))

    assert check.level == "warning"
    assert "cannot be told from here" in check.message


@pytest.mark.parametrize(("loaded", "level"), [([OURS], "ok"), ([], "failure")])
def test_an_image_that_is_never_pulled_must_be_on_the_nodes(
    ready: KubernetesServer, look: Look, loaded: list[str], level: str
) -> None:
    add_node(ready, "node-a", images=loaded)

    (check,) = look(image.images, with_image(OURS, "Never"))

    assert check.level == level


def test_an_image_that_no_node_has_yet_is_a_warning(ready: KubernetesServer, look: Look) -> None:
    (check,) = look(image.images, with_image(OURS))

    assert check.level == "warning"
    assert "no node has it yet" in check.message


def test_an_image_that_a_node_has_pulled_is_ok(ready: KubernetesServer, look: Look) -> None:
    add_node(ready, "node-a", images=[OURS])
    add_node(ready, "node-b")

    (check,) = look(image.images, with_image(OURS, "Always"))

    assert check.level == "ok"
    assert "on 1 of the 2 nodes" in check.message
    assert "policy Always" in check.message


def test_a_pull_that_failed_lately_is_a_failure_with_its_reason(
    ready: KubernetesServer, look: Look
) -> None:
    said = f'Failed to pull image "{OURS}": 401 Unauthorized'
    ready.add("events", "e1", reason="Failed", message=said)
    ready.add("events", "e2", reason="Failed", message='Failed to pull image "other:1": no')

    (check,) = look(image.images, with_image(OURS))

    assert check.level == "failure"
    assert said in check.message
    assert "image_pull_secrets" in check.mend


@pytest.mark.parametrize("right", ["list nodes", "list events"])
def test_images_that_cannot_be_looked_at_are_a_warning(
    ready: KubernetesServer, look: Look, right: str
) -> None:
    ready.forbidden.add(right)

    (check,) = look(image.images, with_image(OURS))

    assert (check.name, check.level) == (f"image {OURS}", "warning")
    assert f"you may not {right}" in check.message


@pytest.mark.parametrize("name", ["gcr.io/p/x", "gcr.io/p/x:latest"])
def test_a_tag_that_moves_is_a_warning(ready: KubernetesServer, look: Look, name: str) -> None:
    *_, check = look(image.images, with_image(name))

    assert check.level == "warning"
    assert "its tag is latest" in check.message


def test_a_failed_pull_is_seen_without_a_right_to_the_nodes(
    ready: KubernetesServer, look: Look
) -> None:
    ready.forbidden.add("list nodes")
    ready.add("events", "e1", reason="Failed", message=f'Failed to pull image "{OURS}": no')

    (check,) = look(image.images, with_image(OURS))

    assert check.level == "failure"
