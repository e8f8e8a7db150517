"""Schedules: create, switch, delete, and repoint without ever losing one."""

import datetime
import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from orchestration.cluster.connection import Connection
from orchestration.cluster.errors import ClusterError
from orchestration.cluster.pipelines import Version, read_valid_package, upload
from orchestration.cluster.schedules import NewSchedule, Schedule, Schedules, Trigger, parse_time
from tests.kubeflow_server import KubeflowServer

UTC = datetime.timezone.utc
NOW = datetime.datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
NIGHTLY = Trigger(cron="0 0 2 * * *")

Package = Callable[..., pathlib.Path]
Send = Callable[..., Version]
Create = Callable[..., Schedule]


@pytest.fixture
def schedules(client: Any, connection: Connection) -> Schedules:
    return Schedules(client, connection)


@pytest.fixture
def send(client: Any, connection: Connection, package: Package) -> Send:
    return lambda *words, **more: upload(
        client, connection, read_valid_package(package(*words, **more))
    )


@pytest.fixture
def create(schedules: Schedules, send: Send) -> Create:
    version = send()

    def make(name: str = "nightly", trigger: Trigger = NIGHTLY, **more: Any) -> Schedule:
        values = {"experiment": "Default", "parameters": {"train-args": "{}"}, **more}
        return schedules.create(version, NewSchedule(name=name, trigger=trigger, **values))

    return make


def settings(job: dict[str, Any]) -> dict[str, Any]:
    """What a user has said of a schedule."""
    kept = {key: value for key, value in job.items() if key not in ("id", "created_at")}
    kept["resource_references"] = sorted(
        item["key"]["id"]
        for item in job["resource_references"]
        if item["key"]["type"] != "PIPELINE_VERSION"
    )
    return kept


def test_a_schedule_is_created_as_said(kubeflow: KubeflowServer, create: Create) -> None:
    start = datetime.datetime(2027, 1, 1, tzinfo=UTC)
    trigger = Trigger(cron="0 0 2 * * *", start=start)
    made = create(trigger=trigger, max_concurrency=3, catch_up=True, enabled=False)

    (job,) = kubeflow.jobs.values()
    assert job["trigger"]["cron_schedule"]["cron"] == "0 0 2 * * *"
    assert (job["max_concurrency"], job["no_catchup"]) == ("3", False)
    assert (made.trigger, made.enabled, made.catch_up) == (trigger, False, True)
    assert (made.version, made.parameters) == ("shell", {"train-args": "{}"})
    assert made.url == f"{kubeflow.url}/#/recurringrun/details/{made.id}"


def test_an_interval_is_sent_in_seconds(kubeflow: KubeflowServer, create: Create) -> None:
    create(trigger=Trigger(interval_seconds=21600))

    (job,) = kubeflow.jobs.values()
    assert job["trigger"]["periodic_schedule"]["interval_second"] == "21600"


@pytest.mark.parametrize("kind", ["lost", "status"])
def test_a_schedule_whose_answer_is_lost_is_created_once(
    kubeflow: KubeflowServer, create: Create, kind: str
) -> None:
    kubeflow.fail("POST", "/jobs$", kind)

    made = create()

    assert list(kubeflow.jobs) == [made.id]


def test_two_schedules_cannot_share_a_name(schedules: Schedules, create: Create) -> None:
    create()

    with pytest.raises(ClusterError, match="a schedule has this name"):
        schedules.check_name_is_free("nightly")
    schedules.check_name_is_free("weekly")


@pytest.mark.parametrize("count", [0, 11])
def test_a_concurrency_that_kubeflow_refuses_is_refused(count: int) -> None:
    with pytest.raises(ClusterError, match="must be 1 to 10"):
        NewSchedule(name="n", trigger=NIGHTLY, experiment="e", parameters={}, max_concurrency=count)


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        (Trigger(), "either --cron or --interval"),
        (Trigger(cron="0 0 2 * * *", interval_seconds=5), "either --cron or --interval"),
        (Trigger(interval_seconds=5, end=NOW), "is past"),
        (
            Trigger(
                interval_seconds=5,
                start=NOW + datetime.timedelta(days=2),
                end=NOW + datetime.timedelta(days=1),
            ),
            "is not after --start",
        ),
        (Trigger(cron="0 0 2 * * *", end=NOW + datetime.timedelta(hours=1)), "never fire"),
        (Trigger(interval_seconds=7200, end=NOW + datetime.timedelta(hours=1)), "never fire"),
    ],
)
def test_a_trigger_that_cannot_be_is_refused(trigger: Trigger, said: str) -> None:
    with pytest.raises(ClusterError, match=said):
        trigger.check(NOW)


def test_the_next_times_lie_between_start_and_end() -> None:
    start, end = NOW + datetime.timedelta(days=5), NOW + datetime.timedelta(days=7)

    times = Trigger(cron="0 0 2 * * *", start=start, end=end).next_times(NOW)

    assert [time.day for time in times] == [2, 3]


def test_the_start_itself_is_no_firing_time_but_the_end_is() -> None:
    # As in scheduledworkflow/util/cron_schedule.go of Kubeflow Pipelines.
    start = datetime.datetime(2026, 12, 1, 2, 0, tzinfo=UTC)
    end = start + datetime.timedelta(days=2)

    times = Trigger(cron="0 0 2 * * *", start=start, end=end).next_times(NOW)

    assert [time.day for time in times] == [2, 3]


def test_an_interval_passes_before_the_first_run() -> None:
    # As in scheduledworkflow/util/periodic_schedule.go.
    start = NOW + datetime.timedelta(days=1)

    first = Trigger(interval_seconds=3600, start=start).next_times(NOW)[0]

    assert first == start + datetime.timedelta(hours=1)


def test_an_interval_counts_from_its_start() -> None:
    start = NOW - datetime.timedelta(minutes=90)

    times = Trigger(interval_seconds=3600, start=start).next_times(NOW)

    assert [(time - NOW).total_seconds() / 60 for time in times] == [30, 90, 150]


def test_a_time_without_a_zone_is_utc() -> None:
    assert parse_time("--start", "2026-12-01T06:00+01:00") == parse_time(
        "--start", "2026-12-01T05:00"
    )
    with pytest.raises(ClusterError, match="--end tomorrow: is no time"):
        parse_time("--end", "tomorrow")


def test_schedules_are_listed_over_pages(
    kubeflow: KubeflowServer, schedules: Schedules, create: Create
) -> None:
    kubeflow.page_limit = 2
    for name in ("c", "a", "b"):
        create(name)

    assert [item.name for item in schedules.all()] == ["a", "b", "c"]


@pytest.mark.parametrize("enabled", [True, False])
def test_a_schedule_is_switched_by_name(
    kubeflow: KubeflowServer, schedules: Schedules, create: Create, enabled: bool
) -> None:
    made = create(enabled=not enabled)

    assert schedules.switch("nightly", enabled=enabled).enabled is enabled
    assert kubeflow.jobs[made.id]["enabled"] is enabled


def test_a_schedule_is_deleted_by_id(
    kubeflow: KubeflowServer, schedules: Schedules, create: Create
) -> None:
    other = create("other")

    schedules.delete(create().id)

    assert list(kubeflow.jobs) == [other.id]


def test_deleting_counts_as_done_where_only_the_answer_was_lost(
    kubeflow: KubeflowServer, schedules: Schedules, create: Create
) -> None:
    create()
    kubeflow.fail("DELETE", "/jobs/", "lost")

    schedules.delete("nightly")

    assert kubeflow.jobs == {}


def test_an_unknown_schedule_is_refused_with_the_one_that_was_meant(
    schedules: Schedules, create: Create
) -> None:
    create()

    with pytest.raises(ClusterError, match="did you mean 'nightly'"):
        schedules.delete("nightli")


def test_repoint_moves_to_the_newest_version_with_the_same_settings(
    kubeflow: KubeflowServer, schedules: Schedules, create: Create, send: Send
) -> None:
    start = datetime.datetime(2030, 1, 1, tzinfo=UTC)
    old = create(
        trigger=Trigger(cron="0 0 2 * * *", start=start),
        max_concurrency=4,
        catch_up=True,
        experiment="trials",
        enabled=False,
    )
    before = kubeflow.jobs[old.id]
    send("echo 1")
    newest = send("echo 2")

    moved, is_moved = schedules.repoint("nightly")

    assert is_moved
    assert moved.version_id == newest.id
    assert list(kubeflow.jobs) == [moved.id]
    assert settings(kubeflow.jobs[moved.id]) == settings(before)


def test_repoint_leaves_a_schedule_that_has_the_newest_version(
    kubeflow: KubeflowServer, schedules: Schedules, create: Create
) -> None:
    old = create()

    assert schedules.repoint("nightly") == (old, False)
    assert kubeflow.called("POST", "/jobs") == 1


def test_repoint_deletes_the_old_schedule_only_when_the_new_one_is_there(
    kubeflow: KubeflowServer, schedules: Schedules, create: Create, send: Send
) -> None:
    old = create()
    send("echo 1")
    kubeflow.fail("POST", "/jobs$", "status", status=400, message="no")

    with pytest.raises(ClusterError):
        schedules.repoint("nightly")

    assert list(kubeflow.jobs) == [old.id]


def test_repoint_stopped_between_the_two_goes_on(
    kubeflow: KubeflowServer, schedules: Schedules, create: Create, send: Send
) -> None:
    old = create()
    newest = send("echo 1")
    kubeflow.fail("DELETE", "/jobs/", "status", status=403, message="not now")
    with pytest.raises(ClusterError, match=f"schedule delete {old.id}"):
        schedules.repoint("nightly")
    assert len(kubeflow.jobs) == 2

    moved, _ = schedules.repoint("nightly")

    assert moved.version_id == newest.id
    assert list(kubeflow.jobs) == [moved.id]


@pytest.mark.parametrize("kind", ["lost", "status"])
def test_repoint_whose_answer_is_lost_ends_with_one_schedule(
    kubeflow: KubeflowServer, schedules: Schedules, create: Create, send: Send, kind: str
) -> None:
    create()
    newest = send("echo 1")
    kubeflow.fail("POST", "/jobs$", kind)

    moved, _ = schedules.repoint("nightly")

    assert list(kubeflow.jobs) == [moved.id]
    assert moved.version_id == newest.id


def test_repoint_refuses_a_version_without_a_parameter_that_the_schedule_sets(
    kubeflow: KubeflowServer, schedules: Schedules, create: Create, send: Send
) -> None:
    create()
    send("echo 1", parameters={"train-arguments": "{}"})

    with pytest.raises(ClusterError, match="--param train-args"):
        schedules.repoint("nightly")
    assert kubeflow.called("POST", "/jobs") == 1


def test_a_repointed_schedule_does_not_fire_for_the_time_before(
    kubeflow: KubeflowServer, schedules: Schedules, create: Create, send: Send
) -> None:
    past = datetime.datetime(2020, 1, 1, 0, 30, tzinfo=UTC)
    create("by cron", Trigger(cron="0 0 2 * * *", start=past), catch_up=True)
    create("by interval", Trigger(interval_seconds=3600, start=past), catch_up=True)
    send("echo 1")

    by_cron, _ = schedules.repoint("by cron")
    by_interval, _ = schedules.repoint("by interval")

    assert by_cron.trigger.start is None
    start = by_interval.trigger.start
    assert start is not None
    assert datetime.datetime.now(UTC) - start < datetime.timedelta(hours=1)
    assert start.minute == 30
