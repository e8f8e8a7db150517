"""The connection: credentials, repeats, timeouts, errors of one line."""

import traceback
from typing import Any

import pytest

from orchestration.cluster.connection import Connection, connect
from orchestration.cluster.errors import ClusterError
from tests.kubeflow_server import KubeflowServer


def test_a_token_is_sent_as_bearer(kubeflow: KubeflowServer) -> None:
    kubeflow.token = "good"

    connect(Connection(host=kubeflow.url, token="good")).runs.list_runs()

    assert kubeflow.calls[-1].headers["authorization"] == "Bearer good"


def test_cookies_of_a_session_are_sent(kubeflow: KubeflowServer) -> None:
    kubeflow.cookie = "authservice_session=abc"

    connect(Connection(host=kubeflow.url, cookies="authservice_session=abc")).runs.list_runs()

    assert kubeflow.calls[-1].headers["cookie"] == "authservice_session=abc"


def test_making_a_client_calls_nothing(kubeflow: KubeflowServer, client: Any) -> None:
    assert kubeflow.calls == []


def test_an_expired_token_is_one_line_with_the_mend_and_no_token(kubeflow: KubeflowServer) -> None:
    kubeflow.token = "new"
    client = connect(Connection(host=kubeflow.url, token="old-secret", cookies="s=cookie-secret"))

    with pytest.raises(ClusterError) as caught:
        client.runs.list_runs()

    shown = "".join(traceback.format_exception(caught.value))
    assert "renew KFP_TOKEN" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "expired: Bearer ***" in shown
    for secret in ("old-secret", "cookie-secret", "answered-secret"):
        assert secret not in shown


def test_a_connection_does_not_show_its_secrets() -> None:
    shown = repr(Connection(host="http://x", token="t-secret", cookies="c=c-secret"))

    assert "secret" not in shown.replace("iap_other_client_secret", "")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_failing_server_is_asked_again(
    kubeflow: KubeflowServer, client: Any, status: int
) -> None:
    kubeflow.fail("GET", "/runs", "status", status=status, times=3)

    assert client.runs.list_runs().total_size == 0
    assert kubeflow.called("GET", "/runs") == 4


def test_a_lost_connection_is_asked_again(kubeflow: KubeflowServer, client: Any) -> None:
    kubeflow.fail("GET", "/runs", "lost", times=2)

    assert client.runs.list_runs().total_size == 0


def test_a_server_that_goes_on_failing_is_given_up(kubeflow: KubeflowServer, client: Any) -> None:
    kubeflow.fail("GET", "/runs", "status", status=500, times=99)

    with pytest.raises(ClusterError, match="the server failed after 5 tries"):
        client.runs.list_runs()

    assert kubeflow.called("GET", "/runs") == 5


def test_what_must_not_happen_twice_is_not_repeated(kubeflow: KubeflowServer, client: Any) -> None:
    kubeflow.fail("POST", "/retry", "status", status=500)

    with pytest.raises(ClusterError) as caught:
        client.runs.retry_run("x")

    assert caught.value.is_lost
    assert kubeflow.called("POST", "/runs/x/retry") == 1


def test_terminating_can_be_repeated(kubeflow: KubeflowServer, client: Any) -> None:
    kubeflow.runs["x"] = {"id": "x", "status": "Running"}
    kubeflow.workflows["x"] = {"spec": {}}
    kubeflow.fail("POST", "/terminate", "status", status=503)

    client.runs.terminate_run("x")

    assert kubeflow.runs["x"]["status"] == "Terminating"


def test_retry_after_is_honoured(
    kubeflow: KubeflowServer, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("orchestration.cluster.transport.time.sleep", waits.append)
    kubeflow.fail("GET", "/runs", "status", status=429, headers={"Retry-After": "3"})

    client.runs.list_runs()

    assert waits == [3.0]


def test_a_slow_answer_runs_into_the_timeout(kubeflow: KubeflowServer) -> None:
    kubeflow.fail("GET", "/runs", "slow", seconds=5, times=9)
    client = connect(
        Connection(host=kubeflow.url, timeout_seconds=0.2, attempts=2, backoff_seconds=0.01)
    )

    with pytest.raises(ClusterError, match="no answer \\(it took too long\\) after 2 tries"):
        client.runs.list_runs()


def test_nobody_at_the_address_is_one_line() -> None:
    client = connect(Connection(host="http://127.0.0.1:9", attempts=2, backoff_seconds=0.01))

    with pytest.raises(ClusterError, match="connection was refused"):
        client.runs.list_runs()


def test_a_login_page_is_not_taken_for_an_answer(kubeflow: KubeflowServer, client: Any) -> None:
    kubeflow.fail("GET", "/runs", "page")

    with pytest.raises(ClusterError, match="a web page in place of the API's answer") as caught:
        client.runs.list_runs()
    # It is an answer: who waits for a server to come back does not wait for it.
    assert caught.value.status == 200


def test_a_redirect_is_not_followed(kubeflow: KubeflowServer, client: Any) -> None:
    kubeflow.fail("GET", "/runs", "status", status=302, headers={"Location": f"{kubeflow.url}/dex"})

    with pytest.raises(ClusterError, match="it wants you to log in"):
        client.runs.list_runs()

    assert [call.path for call in kubeflow.calls] == ["/apis/v1beta1/runs"]


def test_the_namespace_is_named_in_calls(kubeflow: KubeflowServer) -> None:
    client = connect(Connection(host=kubeflow.url, namespace="team"))

    assert client.get_user_namespace() == "team"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"host": ""}, "give --host or set KFP_HOST"),
        ({"host": "kubeflow.example"}, "is no URL"),
        ({"host": "http://x:99999"}, "is no URL"),
        ({"host": "http://me:hidden@x"}, "holds a user or password"),
        ({"host": "http://x/?token=hidden"}, "leave out what follows"),
        ({"host": "http://x", "ui_host": "x"}, "--ui-host x: is no URL"),
        ({"host": "http://x", "token": "hid\nden"}, "the token: more than one line"),
        ({"host": "http://x", "token": "hidden", "iap_client_id": "i"}, "not both"),
        ({"host": "http://x", "iap_other_client_id": "i"}, "needs the IAP client"),
    ],
)
def test_a_connection_that_cannot_be_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ClusterError, match=said) as caught:
        Connection(**values)

    assert "hidden" not in str(caught.value)
