"""The artifacts of a run as sections of a page."""

import functools
from collections.abc import Callable, Mapping, Sequence

import ml_metadata

from components import execution_outcome
from components.charts.section import Note, Section
from components.errors import MetadataError
from components.execution_outcome import Artifact

#: Artifacts by the name of their type; the newest of a run.
Artifacts = Mapping[str, Artifact]


def artifacts_of_run(store: ml_metadata.MetadataStore, run_id: str) -> dict[str, Artifact]:
    """Returns what the steps of a run have brought forth, made anew or from the cache.

    Args:
        store: The metadata store.
        run_id: The run.

    Returns:
        Artifacts by the name of their type, such as ``ExampleStatistics``.

    Raises:
        MetadataError: If the store does not answer.
    """
    found: dict[str, Artifact] = {}
    try:
        for execution in execution_outcome.executions_of_run(store, run_id):
            if execution_outcome.is_of_resolver(execution):
                continue
            for artifacts in execution_outcome.output_artifacts(store, execution).values():
                found |= {artifact.type: artifact for artifact in artifacts}
    except ml_metadata.errors.StatusError as error:
        raise MetadataError(f"the metadata store does not answer: {error}") from error
    return found


def artifact_sections(artifacts: Artifacts) -> list[Section]:
    """Returns a section for each kind of artifact, in the order of the pipeline.

    Args:
        artifacts: What the run has brought forth; a section says where something is missing.
    """
    # Imported here, so that a command that only asks for help takes no time.
    from components.charts.anomalies import anomalies_section
    from components.charts.evaluation import evaluation_section
    from components.charts.model import model_section
    from components.charts.schema import schema_section
    from components.charts.statistics import statistics_section
    from components.charts.training import training_section
    from components.charts.transform import transform_section

    def pushed(artifact: Artifact) -> Section:
        return model_section(artifact.custom_properties["pushed_destination"].string_value)

    def evaluated(artifact: Artifact) -> Section:
        blessing = artifacts.get("ModelBlessing")
        blessed = None if blessing is None else blessing.custom_properties["blessed"].int_value == 1
        return evaluation_section(artifact.uri, blessed)

    def by_uri(make: Callable[[str], Section]) -> Callable[[Artifact], Section]:
        return lambda artifact: make(artifact.uri)

    kinds: Sequence[tuple[str, str, str, Callable[[Artifact], Section]]] = (
        ("ExampleStatistics", "statistics", "Data", by_uri(statistics_section)),
        ("Schema", "schema", "Schema", by_uri(schema_section)),
        ("ExampleAnomalies", "anomalies", "Anomalies", by_uri(anomalies_section)),
        ("TransformGraph", "transform", "Transform", by_uri(transform_section)),
        ("ModelRun", "training", "Training", by_uri(training_section)),
        ("ModelEvaluation", "evaluation", "Evaluation", evaluated),
        ("PushedModel", "model", "Pushed model", pushed),
    )
    return [
        _guarded(anchor, title, artifacts.get(kind), make) for kind, anchor, title, make in kinds
    ]


def _guarded(
    anchor: str, title: str, artifact: Artifact | None, make: Callable[[Artifact], Section]
) -> Section:
    """Makes a section; one that cannot be read must not take the page with it."""
    section = functools.partial(Section, id=anchor, title=title)
    if artifact is None:
        return section(blocks=[Note(text="This run has not come so far.")])
    try:
        return make(artifact)
    except Exception as error:  # noqa: BLE001 (readers of many kinds)
        reason = " ".join(str(error).split())
        text = f"{artifact.uri} cannot be read: {type(error).__name__}: {reason}"
        return section(blocks=[Note(text=text, level="warning")])
