"""The exit handler: tells of a run's end by a webhook that takes Slack's JSON.

    python -m components.notify --pipeline NAME --status STATUS --failures JSON \
        --kubeflow_metadata_config JSON [--ui_host URL]

The webhook's URL is a secret: it comes from a variable, and no message shows it.
"""

import argparse
import json
import logging
import os
import sys
import threading
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Any

import ml_metadata
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from components import execution_outcome, metadata_client
from components.errors import MetadataError, RunError

#: Variable that holds the webhook's URL.
WEBHOOK_VARIABLE = "NOTIFICATION_WEBHOOK_URL"

_ATTEMPTS = 5
_BACKOFF_SECONDS = 1.0
_TIMEOUT_SECONDS = 20.0
_METADATA_SECONDS = 60.0

#: How long all attempts may take.
_DEADLINE_SECONDS = 300.0

#: The longest wait that a webhook may ask for: the pod has ten minutes.
_MAX_RETRY_AFTER_SECONDS = 60

#: Longest part of what comes from elsewhere. Slack cuts a text of more than 40,000 characters,
#: of which an escaped one takes up to five.
_MAX_TEXT = 300
_MAX_NAME = 64
_MAX_FAILURES = 20

_EMOJI = {"Succeeded": ":white_check_mark:"}
_OTHER_EMOJI = ":x:"

#: What is worth a line of all metrics.
_SHOWN_METRICS = ("auc", "example_count", "train_loss", "val_loss", "val_auc")


def main(arguments: Sequence[str]) -> None:
    """Tells of a run's end.

    Args:
        arguments: The command line without the program.

    Raises:
        SystemExit: With status 1 if the webhook has not taken the message.
    """
    parser = argparse.ArgumentParser(prog="components.notify", allow_abbrev=False)
    parser.add_argument("--pipeline", required=True)
    parser.add_argument("--status", required=True)
    parser.add_argument("--failures", default="null")
    parser.add_argument("--kubeflow_metadata_config", required=True)
    parser.add_argument("--ui_host")
    options = parser.parse_args(arguments)
    workflow = os.environ.get("WORKFLOW_ID", "")
    run_id = os.environ.get("KFP_RUN_ID", "")
    try:
        results = _results(options.kubeflow_metadata_config, workflow)
    except Exception as error:  # noqa: BLE001 (the message matters more than what it lacks)
        sys.stderr.write(f"warning: no metrics: {' '.join(str(error).split())}\n")
        results = []
    link = f"{options.ui_host}/#/runs/details/{run_id}" if options.ui_host and run_id else None
    text = message(
        pipeline=options.pipeline,
        workflow=workflow,
        status=options.status,
        failures=read_failures(options.failures),
        results=results,
        link=link,
    )
    try:
        post(os.environ.get(WEBHOOK_VARIABLE, ""), text)
    except RunError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


def message(
    *,
    pipeline: str,
    workflow: str,
    status: str,
    failures: Sequence[Mapping[str, Any]],
    results: Sequence[str],
    link: str | None,
) -> str:
    """Returns the message in Slack's mrkdwn; what comes from elsewhere is escaped.

    Args:
        pipeline: Name of the pipeline.
        workflow: Name of the workflow.
        status: Argo's word for how it ended.
        failures: Failed nodes as Argo lists them.
        results: Lines about what the run has brought forth.
        link: Address of the run's page, or ``None``.
    """
    emoji = _EMOJI.get(status, _OTHER_EMOJI)
    lines = [f"{emoji} *{_shown(pipeline)}*: {_shown(status)} ({_shown(workflow)})"]
    for node in failures[:_MAX_FAILURES]:
        name = node.get("displayName") or node.get("templateName") or "?"
        reason = node.get("message") or node.get("phase") or ""
        lines.append(f"• {_shown(str(name), _MAX_NAME)}: {_shown(str(reason))}")
    if len(failures) > _MAX_FAILURES:
        lines.append(f"• and {len(failures) - _MAX_FAILURES} more")
    lines += [_shown(line) for line in results]
    if link is not None:
        lines.append(f"<{_escaped(link)}|Open the run>")
    return "\n".join(lines)


def read_failures(text: str) -> list[Mapping[str, Any]]:
    """Reads Argo's ``workflow.failures``: JSON, which Argo puts into a JSON string once more."""
    try:
        value = json.loads(text)
        if isinstance(value, str):
            value = json.loads(value)
    except (ValueError, RecursionError):
        value = text
    if isinstance(value, list):
        return [node for node in value if isinstance(node, dict)]
    return [] if value is None else [{"displayName": "failures", "message": text}]


def post(url: str, text: str) -> None:
    """Posts a message, and tries again where that may help.

    Args:
        url: The webhook, of which no message shows more than the host.
        text: The message.

    Raises:
        RunError: If the webhook has not taken it.
    """
    # A file that a secret is made from often ends with a line break.
    url = url.strip()
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        parts = urllib.parse.urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RunError(
            f"{WEBHOOK_VARIABLE}: is no http or https address; put the webhook's URL into the "
            "secret that setting notification.secret names"
        )
    # Its warnings of repeats hold the whole path, and ml-metadata has them logged.
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    retry = _BoundedRetry(
        total=_ATTEMPTS - 1,
        backoff_factor=_BACKOFF_SECONDS,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=("POST",),
        raise_on_status=False,
        raise_on_redirect=False,
        redirect=0,
    )
    outcome: list[int | Exception] = []

    def send() -> None:
        with requests.Session() as session:
            session.mount(f"{parts.scheme}://", HTTPAdapter(max_retries=retry))
            try:
                with session.post(
                    url,
                    json={"text": text},
                    timeout=_TIMEOUT_SECONDS,
                    allow_redirects=False,
                    stream=True,  # What it says beside the status is of no interest.
                ) as answer:
                    outcome.append(answer.status_code)
            except (requests.RequestException, HTTPError, ValueError) as error:
                outcome.append(error)

    # A timeout of requests is one of each read: a server that sends byte after byte goes on.
    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    sender.join(_DEADLINE_SECONDS)
    host = parts.hostname
    if not outcome:
        raise RunError(
            f"the webhook at {host} has not answered within {_DEADLINE_SECONDS:g} s; check its "
            "address"
        )
    (result,) = outcome
    if isinstance(result, Exception):
        # Its text holds the whole address.
        raise RunError(
            f"the webhook at {host} cannot be reached ({type(result).__name__}); check its "
            "address, and that the cluster lets pods reach it"
        ) from None
    if result // 100 != 2:
        raise RunError(
            f"the webhook at {host} has refused the message with status {result}; check its address"
        )


class _BoundedRetry(Retry):
    """urllib3's retries, which otherwise wait for as long as a server asks for."""

    def parse_retry_after(self, retry_after: str) -> float:
        return min(super().parse_retry_after(retry_after), _MAX_RETRY_AFTER_SECONDS)


def _results(metadata_config: str, workflow: str) -> list[str]:
    """Returns lines with the metrics, the blessing and the push, as far as ML Metadata has them."""
    config = metadata_client.connection_config(metadata_config, os.environ)
    store = metadata_client.connect(config, _METADATA_SECONDS)
    lines = []
    try:
        for execution in execution_outcome.executions_of_run(store, workflow):
            name = execution.type.rpartition(".")[2]
            metrics = execution_outcome.recorded_metrics(execution)
            if metrics:
                lines.append(f"{name}: {_metrics_text(metrics)}")
            if execution_outcome.is_of_resolver(execution):
                continue
            for artifacts in execution_outcome.output_artifacts(store, execution).values():
                lines += [line for line in map(_artifact_line, artifacts) if line]
    except ml_metadata.errors.StatusError as error:
        raise MetadataError(f"the metadata store does not answer: {error}") from error
    return lines


def _metrics_text(metrics: Mapping[str, float]) -> str:
    names = [name for name in _SHOWN_METRICS if name in metrics] or sorted(metrics)[:5]
    return ", ".join(f"{name} {_number_text(metrics[name])}" for name in names)


def _number_text(number: float) -> str:
    # Counts in full, not as 1.235e+04.
    return f"{number:.4g}" if abs(number) < 1000 else f"{number:.10g}"


def _artifact_line(artifact: execution_outcome.Artifact) -> str | None:
    properties = artifact.custom_properties
    if artifact.type == "ModelBlessing":
        return f"blessed: {'yes' if properties['blessed'].int_value == 1 else 'no'}"
    if artifact.type == "PushedModel" and properties["pushed"].int_value == 1:
        return f"pushed to {properties['pushed_destination'].string_value}"
    return None


def _shown(text: str, length: int = _MAX_TEXT) -> str:
    """Returns a text as one line of at most so many characters, escaped."""
    line = " ".join(text.split())
    return _escaped(line if len(line) <= length else f"{line[: length - 1]}…")


def _escaped(text: str) -> str:
    """Escapes what Slack's mrkdwn reads (https://api.slack.com/reference/surfaces/formatting)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


if __name__ == "__main__":
    main(sys.argv[1:])
