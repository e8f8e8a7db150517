"""The exit handler: what it says, and to whom, on a web server and a metadata server."""

import contextlib
import dataclasses
import http.server
import json
import logging
import pathlib
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import ml_metadata
import pytest
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components import notify
from components.errors import RunError
from components.execution_outcome import Node, executions_of_run, record_metrics
from components.metadata_client import PatientMetadataStore
from orchestration.local.metadata_server import MetadataServer
from orchestration.metadata_client import connect
from orchestration.metadata_target import SqliteTarget
from tests.components.metadata_records import RESOLVER, put_execution

EVALUATOR = "tfx.components.evaluator.component.Evaluator"

#: What only the webhook's owner may see.
PATH = "/services/T0000/B0000/s3cret"

CONFIG_MAP = json.dumps(
    {
        "grpc_config": {
            "grpc_service_host": {"environment_variable": "METADATA_GRPC_SERVICE_HOST"},
            "grpc_service_port": {"environment_variable": "METADATA_GRPC_SERVICE_PORT"},
        }
    }
)


@dataclasses.dataclass
class Webhook:
    """A web server that answers as it is told, and with 200 after that.

    Attributes:
        port: Where it listens.
        answers: Status and headers of the next answers.
        paths: The paths of the requests.
        texts: The messages that it got.
    """

    port: int = 0
    answers: list[tuple[int, dict[str, str]]] = dataclasses.field(default_factory=list)
    paths: list[str] = dataclasses.field(default_factory=list)
    texts: list[str] = dataclasses.field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PATH}"


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    hook = Webhook()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            hook.paths.append(self.path)
            assert self.headers["Content-Type"] == "application/json"
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            hook.texts.append(body.pop("text"))
            assert body == {}
            status, headers = hook.answers.pop(0) if hook.answers else (200, {})
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield hook
        server.shutdown()


@pytest.fixture(autouse=True)
def pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pod's variables, without a metadata service; nothing waits for long."""
    monkeypatch.setattr(notify, "_BACKOFF_SECONDS", 0)
    monkeypatch.setattr(notify, "_METADATA_SECONDS", 0.2)
    monkeypatch.setattr(PatientMetadataStore, "patience", 20)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("WORKFLOW_ID", "complaints-abc12")
    monkeypatch.setenv("KFP_RUN_ID", "0a1b-2c3d")
    for name in ("METADATA_GRPC_SERVICE_HOST", "METADATA_GRPC_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, webhook: Webhook) -> Webhook:
    """The webhook, whose URL is in the pod's variable."""
    monkeypatch.setenv(notify.WEBHOOK_VARIABLE, webhook.url)
    return webhook


def run(status: str = "Succeeded", *options: str) -> None:
    """Runs the module as the compiled workflow does."""
    notify.main(
        [
            *("--pipeline", "complaints", "--status", status),
            *("--kubeflow_metadata_config", CONFIG_MAP, *options),
        ]
    )


def argos(failures: Sequence[dict[str, str]]) -> str:
    """Writes failures as Argo does: JSON in a JSON string."""
    return json.dumps(json.dumps(failures))


# What is said


def test_a_success_is_told_with_a_link_to_the_run(configured: Webhook) -> None:
    run("Succeeded", "--failures", '"null"', "--ui_host", "https://kubeflow.example.com")

    assert configured.paths == [PATH]
    assert configured.texts == [
        ":white_check_mark: *complaints*: Succeeded (complaints-abc12)\n"
        "<https://kubeflow.example.com/#/runs/details/0a1b-2c3d|Open the run>"
    ]


def test_a_failure_is_told_with_the_steps_that_failed(configured: Webhook) -> None:
    failures = [
        {"displayName": "trainer", "message": "the loss was nan", "phase": "Failed"},
        {"displayName": "evaluator", "message": "", "phase": "Error"},
    ]

    run("Failed", "--failures", argos(failures))

    assert configured.texts == [
        ":x: *complaints*: Failed (complaints-abc12)\n"
        "• trainer: the loss was nan\n"
        "• evaluator: Error"
    ]


@pytest.mark.parametrize(
    ("run_id", "options"), [("", ("--ui_host", "https://a.example.com")), ("0a1b-2c3d", ())]
)
def test_there_is_no_link_where_the_run_or_the_ui_is_not_known(
    configured: Webhook, monkeypatch: pytest.MonkeyPatch, run_id: str, options: tuple[str, ...]
) -> None:
    monkeypatch.setenv("KFP_RUN_ID", run_id)

    run("Succeeded", *options)

    assert "Open the run" not in configured.texts[0]


def told(**changes: Any) -> list[str]:
    """Returns the lines of a message."""
    given: dict[str, Any] = {
        "pipeline": "p",
        "workflow": "w",
        "status": "Failed",
        "failures": [],
        "results": [],
        "link": None,
    }
    return notify.message(**{**given, **changes}).split("\n")


def test_what_slack_would_read_is_escaped() -> None:
    hostile = "<script>alert(1)</script> <!channel> <https://evil.example.com|ok> a & b *c*"
    escaped = (
        "&lt;script&gt;alert(1)&lt;/script&gt; &lt;!channel&gt; "
        "&lt;https://evil.example.com|ok&gt; a &amp; b *c*"
    )

    head, *lines = told(
        pipeline="<p>",
        workflow="<w>",
        status="<s>",
        failures=[{"displayName": "<n>", "message": hostile}],
        results=[hostile],
    )

    assert head == ":x: *&lt;p&gt;*: &lt;s&gt; (&lt;w&gt;)"
    assert lines == [f"• &lt;n&gt;: {escaped}", escaped]


def test_a_line_break_in_a_text_begins_no_line() -> None:
    hostile = "first\n:white_check_mark: *p*: Succeeded\r\u2028<last>"

    lines = told(
        pipeline=hostile,
        failures=[{"displayName": hostile, "message": hostile}],
        results=[hostile],
    )

    assert len(lines) == 3
    assert len("".join(lines).splitlines()) == 1


def test_a_message_stays_below_slacks_limit() -> None:
    failures = [{"displayName": "&" * 20_000, "message": "<" * 20_000}] * 50

    lines = told(pipeline="&" * 20_000, failures=failures, results=["&" * 20_000])

    assert lines[21] == "• and 30 more"
    assert len(lines) == 23
    assert len("\n".join(lines)) < 40_000


def test_a_long_message_is_cut_where_it_shows() -> None:
    (_, line) = told(failures=[{"displayName": "trainer", "message": "m" * 20_000}])

    assert line == f"• trainer: {'m' * 299}…"


FAILURE = {"displayName": "trainer", "message": 'it said "no"'}


@pytest.mark.parametrize(
    ("text", "failures"),
    [
        (argos([FAILURE]), [FAILURE]),
        (json.dumps([FAILURE]), [FAILURE]),
        (json.dumps([FAILURE, "text", 1]), [FAILURE]),
        ('"null"', []),
        ("null", []),
        ('"[]"', []),
        *(
            (text, [{"displayName": "failures", "message": text}])
            for text in ('[{"displayName": "tra', '"[{"', "{{workflow.failures}}", "", "{}", "7")
        ),
    ],
)
def test_failures_are_read_as_argo_writes_them_or_shown_as_they_are(
    text: str, failures: list[dict[str, str]]
) -> None:
    assert notify.read_failures(text) == failures


# To whom


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_error_that_passes_is_tried_again(configured: Webhook, status: int) -> None:
    configured.answers = [(status, {})]

    run()

    assert configured.paths == [PATH, PATH]
    assert configured.texts[0] == configured.texts[1]


@pytest.mark.parametrize(("asked", "slept"), [("7", 7), ("86400", 60)])
def test_a_webhook_may_ask_for_a_wait_but_not_for_one_that_outlasts_the_pod(
    configured: Webhook, monkeypatch: pytest.MonkeyPatch, asked: str, slept: float
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", waits.append)
    configured.answers = [(429, {"Retry-After": asked})]

    run()

    assert waits == [slept]
    assert len(configured.paths) == 2


def failure(capsys: pytest.CaptureFixture[str]) -> str:
    """Returns the one line, besides the warning, that a run fails with."""
    with pytest.raises(SystemExit) as raised:
        run()
    assert raised.value.code == 1
    warning, line = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: no metrics: ")
    assert "s3cret" not in line
    assert "services" not in line
    return line


def test_an_error_that_stays_is_told_without_the_webhooks_path(
    configured: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    configured.answers = [(500, {})] * 99

    assert failure(capsys) == (
        "the webhook at 127.0.0.1 has refused the message with status 500; check its address"
    )
    assert len(configured.paths) == 5


@pytest.mark.parametrize(
    "answer",
    [
        (404, {}),
        (302, {"Location": "/elsewhere"}),
        (307, {"Location": "https://evil.example.com/"}),
        (302, {}),
        (304, {}),
    ],
)
def test_a_refusal_or_a_redirect_is_an_error_at_once(
    configured: Webhook,
    capsys: pytest.CaptureFixture[str],
    answer: tuple[int, dict[str, str]],
) -> None:
    configured.answers = [answer]

    assert failure(capsys) == (
        f"the webhook at 127.0.0.1 has refused the message with status {answer[0]}; check its "
        "address"
    )
    assert configured.paths == [PATH]


@contextlib.contextmanager
def silence(listens: bool) -> Iterator[int]:
    """A port where nobody listens, or nobody answers."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        if listens:
            nobody.listen()
        yield nobody.getsockname()[1]


@pytest.mark.parametrize("listens", [False, True], ids=["refused", "no answer"])
def test_a_webhook_that_cannot_be_reached_is_told_without_its_path(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], listens: bool
) -> None:
    monkeypatch.setattr(notify, "_TIMEOUT_SECONDS", 0.1)
    with silence(listens) as port:
        monkeypatch.setenv(notify.WEBHOOK_VARIABLE, f"http://127.0.0.1:{port}{PATH}")

        line = failure(capsys)

    assert line.startswith("the webhook at 127.0.0.1 cannot be reached (ConnectionError); check")


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        PATH,
        f"hooks.example.com{PATH}",
        f"ftp://hooks.example.com{PATH}",
        f"file://{PATH}",
        f"http://[hooks{PATH}",
        f"https://{PATH}",
    ],
)
def test_what_is_no_web_address_is_an_error_that_names_the_variable_and_the_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str | None
) -> None:
    if url is None:
        monkeypatch.delenv(notify.WEBHOOK_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(notify.WEBHOOK_VARIABLE, url)

    assert failure(capsys) == (
        "NOTIFICATION_WEBHOOK_URL: is no http or https address; put the webhook's URL into the "
        "secret that setting notification.secret names"
    )


@pytest.mark.parametrize("port", ["99999", "x"])
def test_a_port_that_is_none_is_told_without_the_path(port: str) -> None:
    with pytest.raises(RunError, match="cannot be reached") as raised:
        notify.post(f"https://hooks.example.com:{port}{PATH}", "text")

    assert "s3cret" not in str(raised.value)
    assert raised.value.__suppress_context__


def test_a_line_break_after_the_url_does_not_matter(webhook: Webhook) -> None:
    notify.post(f"{webhook.url}\n", "text")

    assert webhook.paths == [PATH]


# What ML Metadata adds


def test_without_a_metadata_service_the_message_is_sent_with_a_warning(
    configured: Webhook, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with silence(listens=False) as port:
        monkeypatch.setenv("METADATA_GRPC_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("METADATA_GRPC_SERVICE_PORT", str(port))

        run()

    assert configured.texts == [":white_check_mark: *complaints*: Succeeded (complaints-abc12)"]
    assert capsys.readouterr().err == (
        f"warning: no metrics: no metadata server answered at 127.0.0.1:{port} within 0.2 s: "
        "check host and port and that it runs\n"
    )


def test_a_namespace_without_the_config_map_gets_the_message_with_a_warning(
    configured: Webhook, capsys: pytest.CaptureFixture[str]
) -> None:
    run()

    assert len(configured.texts) == 1
    assert capsys.readouterr().err.startswith(
        "warning: no metrics: METADATA_GRPC_SERVICE_HOST is not set"
    )


def artifact(kind: str, **properties: int | str) -> mlmd.Artifact:
    made = mlmd.Artifact(type=kind)
    for name, value in properties.items():
        if isinstance(value, int):
            made.custom_properties[name].int_value = value
        else:
            made.custom_properties[name].string_value = value
    return made


@pytest.fixture
def store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> Iterator[ml_metadata.MetadataStore]:
    """A metadata service that the pod's variables name."""
    monkeypatch.setattr(notify, "_METADATA_SECONDS", 20)
    with MetadataServer(SqliteTarget(tmp_path / "metadata.db")) as address:
        monkeypatch.setenv("METADATA_GRPC_SERVICE_HOST", address.host)
        monkeypatch.setenv("METADATA_GRPC_SERVICE_PORT", str(address.port))
        yield connect(address)


@pytest.mark.whole
def test_metrics_blessing_and_push_of_the_run_are_told(
    configured: Webhook, store: ml_metadata.MetadataStore, capsys: pytest.CaptureFixture[str]
) -> None:
    pushed = artifact("PushedModel", pushed=1, pushed_destination="/serving/<7>")
    for run_id in ("complaints-abc12", "complaints-other"):
        for node_id, kind, outputs in (
            ("Trainer", "tfx.components.trainer.component.Trainer", []),
            ("Resolver", RESOLVER, [artifact("ModelBlessing", blessed=0)]),
            ("Evaluator", EVALUATOR, [artifact("ModelBlessing", blessed=1)]),
            ("Pusher", "tfx.components.pusher.component.Pusher", [pushed]),
        ):
            node = Node(pipeline="complaints", node_id=node_id, run_id=run_id)
            put_execution(store, node, kind=kind, outputs={"output": outputs})
    trainer, _, evaluator, _ = executions_of_run(store, "complaints-abc12")
    record_metrics(store, trainer, {"val_auc": 0.71826, "train_loss": 0.25, "lr": 0.002})
    record_metrics(store, evaluator, {"auc": 0.7, "example_count": 123456.0, "recall": 0.5})

    run()

    assert configured.texts[0].splitlines()[1:] == [
        "Trainer: train_loss 0.25, val_auc 0.7183",
        "Evaluator: auc 0.7, example_count 123456",
        "blessed: yes",
        "pushed to /serving/&lt;7&gt;",
    ]
    assert capsys.readouterr().err == ""


@pytest.mark.whole
def test_a_model_that_was_neither_blessed_nor_pushed_is_told_as_such(
    configured: Webhook, store: ml_metadata.MetadataStore
) -> None:
    outputs = {
        "blessing": [artifact("ModelBlessing", blessed=0)],
        "pushed": [artifact("PushedModel", pushed=0, pushed_destination="")],
    }
    node = Node(pipeline="complaints", node_id="Evaluator", run_id="complaints-abc12")
    put_execution(store, node, kind=EVALUATOR, outputs=outputs)

    run()

    assert configured.texts[0].splitlines()[1:] == ["blessed: no"]


def test_a_webhook_that_answers_byte_by_byte_without_end_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notify, "_DEADLINE_SECONDS", 1.0)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            with contextlib.suppress(OSError), server.accept()[0] as connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not over.wait(0.1):
                    connection.sendall(b"x")

        threading.Thread(target=drip, daemon=True).start()
        with pytest.raises(RunError, match=r"127\.0\.0\.1 has not answered within 1 s"):
            notify.post(f"http://127.0.0.1:{server.getsockname()[1]}/services/X", "text")
        over.set()


@pytest.mark.parametrize("url", ["https://a..b/x", f"https://{'a' * 70}.example.com/x"])
def test_an_address_that_no_name_server_knows_is_one_line(url: str) -> None:
    with pytest.raises(RunError) as caught:
        notify.post(url, "text")

    assert "/x" not in str(caught.value)


def test_repeats_are_not_logged_with_the_address_once_logging_is_set_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # As ml-metadata does when it connects.
    monkeypatch.setattr(notify, "_BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(logging.getLogger("urllib3"), "level", logging.NOTSET)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    with caplog.at_level(logging.DEBUG), pytest.raises(RunError, match="cannot be reached"):
        notify.post(f"http://127.0.0.1:{port}/services/T0/B0/secretpart", "text")

    assert "secretpart" not in caplog.text
