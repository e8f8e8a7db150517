"""The canonical form of a compiled workflow: stable bytes, unchanged meaning."""

import copy
import json
from typing import Any

import pytest
import yaml

from pipelines.kubeflow_pipelines.canonical import canonical_yaml

COMPILATION_TIME = "pipelines.kubeflow.org/pipeline_compilation_time"
IR = {
    "pipelineInfo": {"id": "p"},
    "nodes": [{"z": 1, "a": {"d": "x\ny: é {", "c": [3, 1, 2]}}],
    "threshold": 1e-10,
    "buckets": "9",
}


def workflow(tfx_ir: str, **annotations: str) -> dict[str, Any]:
    return {
        "kind": "Workflow",
        "apiVersion": "argoproj.io/v1alpha1",
        "metadata": {"generateName": "p-", "annotations": annotations},
        "spec": {
            "templates": [
                {"name": "p", "dag": {"tasks": [{"name": "b"}, {"name": "a"}]}},
                {
                    "name": "trainer",
                    "container": {
                        "image": "i",
                        "args": ["--tfx_ir", tfx_ir, "--metadata_ui_path", "/tmp/ui.json"],
                    },
                },
            ],
        },
    }


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(entry) for entry in value] if isinstance(value, list) else value


def arguments(text: str) -> list[str]:
    return yaml.safe_load(text)["spec"]["templates"][1]["container"]["args"]


def test_the_order_of_keys_makes_no_difference() -> None:
    first = workflow(json.dumps(IR), b="1", a="2")
    second = reversed_keys(workflow(json.dumps(reversed_keys(IR)), b="1", a="2"))

    assert canonical_yaml(first) == canonical_yaml(second)


def test_the_spacing_of_the_json_makes_no_difference() -> None:
    assert canonical_yaml(workflow(json.dumps(IR, indent=4))) == canonical_yaml(
        workflow(json.dumps(IR, separators=(",", ":")))
    )


def test_the_time_of_the_compile_is_left_out() -> None:
    stamped = workflow("{}", **{COMPILATION_TIME: "2026-11-23T01:02:03", "kept": "yes"})

    assert yaml.safe_load(canonical_yaml(stamped))["metadata"]["annotations"] == {"kept": "yes"}


def test_the_order_of_lists_is_kept() -> None:
    tasks = yaml.safe_load(canonical_yaml(workflow("{}")))["spec"]["templates"][0]["dag"]["tasks"]

    assert [task["name"] for task in tasks] == ["b", "a"]


def test_the_meaning_stays_the_same() -> None:
    before = workflow(json.dumps(IR), kept="a: {b}\n# not a comment")

    after = yaml.safe_load(canonical_yaml(before))

    ir = after["spec"]["templates"][1]["container"]["args"][1]
    assert json.loads(ir) == IR
    after["spec"]["templates"][1]["container"]["args"][1] = json.dumps(IR)
    assert after == before


def test_the_json_stands_in_lines_of_their_own() -> None:
    lines = canonical_yaml(workflow(json.dumps(IR))).splitlines()

    assert any(line.strip() == '"buckets": "9",' for line in lines)


def test_nested_braces_do_not_look_like_argos_tags() -> None:
    text = canonical_yaml(workflow('{"a":{"b":{}}}'))

    assert "{{" not in text
    assert "}}" not in text


def test_the_canonical_form_is_its_own() -> None:
    once = canonical_yaml(workflow(json.dumps(IR)))

    assert canonical_yaml(yaml.safe_load(once)) == once


def test_no_anchors_where_a_value_is_there_twice() -> None:
    shared = {"key": "value"}
    before = workflow("{}")
    before["spec"]["templates"][0]["metadata"] = shared
    before["spec"]["templates"][1]["metadata"] = shared

    assert "&" not in canonical_yaml(before)


def test_the_given_workflow_is_not_changed() -> None:
    given = workflow(json.dumps(IR), **{COMPILATION_TIME: "2026"})
    before = copy.deepcopy(given)

    canonical_yaml(given)

    assert given == before


def test_json_that_is_broken_is_an_error_rather_than_left_as_it_is() -> None:
    with pytest.raises(json.JSONDecodeError):
        canonical_yaml(workflow("{"))
