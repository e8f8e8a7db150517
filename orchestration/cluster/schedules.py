"""Schedules (Kubeflow's recurring runs): create, list, switch, delete, repoint."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any

from orchestration.cluster import cron as crons
from orchestration.cluster.calls import create_once, of_namespace, pages
from orchestration.cluster.connection import Connection
from orchestration.cluster.errors import ClusterError
from orchestration.cluster.parameters import check_names
from orchestration.cluster.pipelines import Version, newest_version
from orchestration.cluster.runs import ensure_experiment
from orchestration.suggestion import did_you_mean

#: What Kubeflow takes as the most runs of a schedule at the same time.
_MAX_CONCURRENCY = 10

_UTC = datetime.timezone.utc
_SHOWN_TIMES = 3


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trigger:
    """When a schedule fires: by cron or by interval.

    Attributes:
        cron: Six fields, as ``normalise_cron`` returns them; ``None`` for an interval.
        interval_seconds: The interval; ``None`` for cron.
        start: When it begins, in UTC; ``None`` for at once.
        end: When it ends, in UTC; ``None`` for never.
    """

    cron: str | None = None
    interval_seconds: int | None = None
    start: datetime.datetime | None = None
    end: datetime.datetime | None = None

    def check(self, now: datetime.datetime) -> None:
        """Refuses a trigger that cannot be, or never fires.

        Raises:
            ClusterError: With the mend.
        """
        if (self.cron is None) == (self.interval_seconds is None):
            raise ClusterError("give either --cron or --interval")
        if self.end is not None and self.end <= now:
            raise ClusterError(f"--end {_iso(self.end)}: is past; give a later one")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ClusterError(f"--end {_iso(self.end)}: is not after --start {_iso(self.start)}")
        if not self.next_times(now):
            raise ClusterError(
                "the schedule would never fire: no time of --cron or --interval lies before "
                f"--end {_iso(self.end)}"
            )

    def next_times(self, now: datetime.datetime) -> list[datetime.datetime]:
        """Returns the next three times at which it fires, in UTC; fewer where it ends before."""
        if self.cron is not None:
            # Kubeflow takes the next time after the start: the start itself does not count.
            after = max(now, self.start) if self.start else now
            times = crons.firing_times(self.cron, after, _SHOWN_TIMES)
        else:
            interval = datetime.timedelta(seconds=self.interval_seconds or 0)
            begin = self.start or now  # An interval passes before the first run, too.
            past = max(0, (now - begin) // interval)
            times = [begin + interval * (past + number) for number in range(1, _SHOWN_TIMES + 1)]
        return [time for time in times if self.end is None or time <= self.end]

    def words(self) -> str:
        """Returns it in words, for a table."""
        if self.cron is not None:
            return f"cron {self.cron}"
        return f"every {crons.interval_words(self.interval_seconds or 0)}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class NewSchedule:
    """What a user says of a schedule.

    Attributes:
        name: Its name; no two schedules may share one.
        trigger: When it fires.
        experiment: The experiment of its runs.
        parameters: Values of run parameters, checked.
        max_concurrency: How many of its runs may go on at the same time.
        catch_up: Whether it makes up for firing times that it has missed.
        enabled: Whether it fires.
    """

    name: str
    trigger: Trigger
    experiment: str
    parameters: Mapping[str, str]
    max_concurrency: int = 1
    catch_up: bool = False
    enabled: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.max_concurrency <= _MAX_CONCURRENCY:
            raise ClusterError(
                f"--max-concurrency {self.max_concurrency}: must be 1 to {_MAX_CONCURRENCY}"
            )
        if not self.name.strip() or not self.name.isprintable():
            raise ClusterError(f"--name '{self.name}': must have a visible character")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Schedule:
    """A schedule on Kubeflow.

    Attributes:
        id: Its id.
        name: Its name.
        enabled: Whether it fires.
        trigger: When it fires.
        version: Name of the pipeline version that it runs.
        version_id: That version's id; ``None`` where the schedule holds a workflow of its own.
        max_concurrency: How many of its runs may go on at the same time.
        catch_up: Whether it makes up for firing times that it has missed.
        parameters: The run parameters.
        url: Its page in the UI.
    """

    id: str
    name: str
    enabled: bool
    trigger: Trigger
    version: str
    version_id: str | None
    max_concurrency: int
    catch_up: bool
    parameters: Mapping[str, str]
    url: str


def parse_time(option: str, text: str | None) -> datetime.datetime | None:
    """Returns a time in UTC; one without a zone is taken as UTC.

    Raises:
        ClusterError: If it is none.
    """
    if text is None:
        return None
    try:
        time = datetime.datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise ClusterError(
            f"{option} {text}: is no time such as 2026-12-01T06:00+01:00; without a zone it is UTC"
        ) from None
    return time.replace(tzinfo=_UTC) if time.tzinfo is None else time.astimezone(_UTC)


class Schedules:
    """The schedules on Kubeflow."""

    def __init__(self, client: Any, connection: Connection) -> None:
        """Takes a client of ``connect``, and its connection."""
        self._client = client
        self._connection = connection

    def check_name_is_free(self, name: str) -> None:
        """Refuses the name of a schedule that is there.

        Raises:
            ClusterError: If one has it.
        """
        if any(job.name == name for job in self._jobs()):
            raise ClusterError(
                f"{name}: a schedule has this name; give another --name, delete that one, or "
                "move it to the newest version with 'complaint-pipeline schedule repoint'"
            )

    def create(self, version: Version, new: NewSchedule) -> Schedule:
        """Creates a schedule, whose name ``check_name_is_free`` has found free.

        Raises:
            ClusterError: If the server refuses it, or does not answer.
        """
        from kfp_server_api import models

        experiment = ensure_experiment(self._client, self._connection, new.experiment)
        body = models.ApiJob(
            name=new.name,
            enabled=new.enabled,
            max_concurrency=str(new.max_concurrency),
            no_catchup=not new.catch_up,
            trigger=_api_trigger(new.trigger),
            pipeline_spec=models.ApiPipelineSpec(
                parameters=[
                    models.ApiParameter(name=name, value=value)
                    for name, value in new.parameters.items()
                ]
            ),
            resource_references=[
                _reference("EXPERIMENT", experiment.id, "OWNER"),
                _reference("PIPELINE_VERSION", version.id, "CREATOR"),
            ],
        )
        return self._schedule(self._create_job(body, known=set()))

    def all(self) -> list[Schedule]:
        """Returns all schedules, by name."""
        return sorted(map(self._schedule, self._jobs()), key=lambda item: (item.name, item.id))

    def switch(self, schedule: str, *, enabled: bool) -> Schedule:
        """Enables or disables a schedule, named by its id or name."""
        job = self._one(schedule)
        call = self._client.jobs.enable_job if enabled else self._client.jobs.disable_job
        call(job.id)
        return self._schedule(self._client.jobs.get_job(job.id))

    def delete(self, schedule: str) -> Schedule:
        """Deletes a schedule, named by its id or name; its runs stay."""
        job = self._one(schedule)
        self._delete(job.id)
        return self._schedule(job)

    def repoint(self, schedule: str) -> tuple[Schedule, bool]:
        """Moves a schedule to the newest version of its pipeline.

        Kubeflow cannot change a schedule: a new one is made with the same settings, and only
        when it is there, the old one is deleted. Where this stops half-way, there are two, and
        the same call again ends with one.

        Args:
            schedule: Its id or name.

        Returns:
            The schedule, and whether it was moved.

        Raises:
            ClusterError: If it has no pipeline version, or the new version lacks a parameter.
        """
        jobs = self._matching(schedule)
        named = [job for job in self._jobs() if job.name == jobs[0].name]
        newest = self._newest_version(named[0])
        known = [item.name for item in newest.parameters or []]
        for job in named:
            given = {item.name: item.value for item in _parameters(job)}
            if newest.parameters is not None:
                check_names(given, known)
        current = [job for job in named if _version_id(job) == newest.id]
        outdated = [job for job in named if _version_id(job) != newest.id]
        if len(current) > 1 or (len(outdated) > 1 and not current):
            ids = ", ".join(job.id for job in named)
            raise ClusterError(
                f"{schedule}: several schedules have this name ({ids}); delete all but one by id"
            )
        if not outdated:
            return self._schedule(current[0]), False
        job = (
            current[0]
            if current
            else self._create_job(_copy(outdated[0], newest.id), known={item.id for item in named})
        )
        for old in outdated:
            self._delete(old.id)
        return self._schedule(job), True

    def _create_job(self, body: Any, known: set[str]) -> Any:
        def found() -> Any | None:
            return next(
                (job for job in self._jobs() if job.name == body.name and job.id not in known),
                None,
            )

        job, _ = create_once(found, lambda: self._client.jobs.create_job(body), self._connection)
        return self._client.jobs.get_job(job.id)

    def _delete(self, identity: str) -> None:
        try:
            self._client.jobs.delete_job(identity)
        except ClusterError as error:
            if error.status == 404:  # A repeated call finds what the first one has deleted.
                return
            raise ClusterError(
                f"{error}; the schedule {identity} may still be there: "
                f"'complaint-pipeline schedule delete {identity}'"
            ) from error

    def _jobs(self) -> list[Any]:
        return list(pages(self._client.jobs.list_jobs, "jobs", **of_namespace(self._client)))

    def _matching(self, schedule: str) -> list[Any]:
        jobs = self._jobs()
        matches = [job for job in jobs if schedule in (job.id, job.name)]
        if not matches:
            names = sorted({job.name for job in jobs})
            raise ClusterError(
                f"{schedule}: no schedule has this id or name{did_you_mean(schedule, names)}"
            )
        return matches

    def _one(self, schedule: str) -> Any:
        matches = self._matching(schedule)
        if len(matches) > 1:
            ids = ", ".join(job.id for job in matches)
            raise ClusterError(f"{schedule}: several schedules have this name; give an id: {ids}")
        return matches[0]

    def _newest_version(self, job: Any) -> Any:
        version_id = _version_id(job)
        if version_id is None:
            raise ClusterError(
                f"{job.name}: holds a workflow of its own and not a pipeline version; delete it, "
                "and create it anew with 'complaint-pipeline schedule create'"
            )
        version = self._client.pipelines.get_pipeline_version(version_id)
        pipeline = next(
            item.key.id for item in version.resource_references if item.key.type == "PIPELINE"
        )
        return newest_version(self._client, pipeline)

    def _schedule(self, job: Any) -> Schedule:
        references = {item.key.type: item for item in job.resource_references or []}
        version = references.get("PIPELINE_VERSION")
        return Schedule(
            id=job.id,
            name=job.name,
            enabled=bool(job.enabled),
            trigger=_trigger(job),
            version=(version.name or version.key.id) if version else "",
            version_id=version.key.id if version else None,
            max_concurrency=int(job.max_concurrency or 1),
            catch_up=not job.no_catchup,
            parameters={item.name: item.value for item in _parameters(job)},
            url=self._connection.page(f"recurringrun/details/{job.id}"),
        )


def _parameters(job: Any) -> list[Any]:
    return (job.pipeline_spec.parameters if job.pipeline_spec else None) or []


def _version_id(job: Any) -> str | None:
    for item in job.resource_references or []:
        if item.key.type == "PIPELINE_VERSION":
            return item.key.id
    return None


def _trigger(job: Any) -> Trigger:
    trigger = job.trigger
    by_cron = trigger.cron_schedule if trigger else None
    by_interval = trigger.periodic_schedule if trigger else None
    schedule = by_cron or by_interval
    return Trigger(
        cron=by_cron.cron if by_cron else None,
        interval_seconds=int(by_interval.interval_second) if by_interval else None,
        start=_set_time(schedule.start_time) if schedule else None,
        end=_set_time(schedule.end_time) if schedule else None,
    )


def _set_time(time: datetime.datetime | None) -> datetime.datetime | None:
    """Returns a time; Kubeflow may write 1970 for one that is not set."""
    return time if time is not None and time.timestamp() > 0 else None


def _copy(job: Any, version_id: str) -> Any:
    """Returns the body of a schedule with the same settings and another version."""
    from kfp_server_api import models

    references = [
        _reference(item.key.type, item.key.id, item.relationship)
        for item in job.resource_references
        if item.key.type == "EXPERIMENT"  # Kubeflow takes the namespace from it.
    ]
    return models.ApiJob(
        name=job.name,
        description=job.description,
        enabled=bool(job.enabled),
        max_concurrency=job.max_concurrency,
        no_catchup=job.no_catchup,
        service_account=job.service_account,
        trigger=_api_trigger(_continued(job)),
        pipeline_spec=models.ApiPipelineSpec(parameters=_parameters(job)),
        resource_references=[
            *references,
            _reference("PIPELINE_VERSION", version_id, "CREATOR"),
        ],
    )


def _continued(job: Any) -> Trigger:
    """Returns a trigger that goes on where the old one is.

    With its old start a new schedule that catches up would fire for all the time since then.
    """
    trigger = _trigger(job)
    now = datetime.datetime.now(_UTC)
    if trigger.start is not None and trigger.start > now:
        return trigger
    if trigger.interval_seconds is None:
        return dataclasses.replace(trigger, start=None)
    begin = trigger.start or job.created_at
    interval = datetime.timedelta(seconds=trigger.interval_seconds)
    last = begin + interval * ((now - begin) // interval)
    return dataclasses.replace(trigger, start=last)


def _api_trigger(trigger: Trigger) -> Any:
    from kfp_server_api import models

    if trigger.cron is not None:
        return models.ApiTrigger(
            cron_schedule=models.ApiCronSchedule(
                cron=trigger.cron, start_time=trigger.start, end_time=trigger.end
            )
        )
    return models.ApiTrigger(
        periodic_schedule=models.ApiPeriodicSchedule(
            interval_second=str(trigger.interval_seconds),
            start_time=trigger.start,
            end_time=trigger.end,
        )
    )


def _reference(kind: str, identity: str, relationship: str) -> Any:
    from kfp_server_api import models

    return models.ApiResourceReference(
        key=models.ApiResourceKey(type=kind, id=identity), relationship=relationship
    )


def _iso(time: datetime.datetime | None) -> str:
    return "" if time is None else time.isoformat()
