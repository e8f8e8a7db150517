"""The artifacts of a run, or of a step, as sections of a page."""

import dataclasses
import re
from collections.abc import Callable, Mapping

from components.charts.section import Note, Section
from components.charts.text import short
from components.execution_outcome import Artifact
from components.google_cloud_keys import ENDPOINT_PROPERTY

#: The name of a model of Vertex AI or AI Platform, where others have a folder.
_GOOGLE_CLOUD_MODEL = re.compile(r"projects/[^/]+/(locations/[^/]+/)?models/")

_Make = Callable[[Mapping[str, Artifact]], Section]


def section_kinds() -> Mapping[str, _Make]:
    """Returns what makes a section of each type of artifact, in the order of the pipeline.

    What is made gets all artifacts by the name of their type.
    """
    # Imported here: some bring plotly, which a command that only asks for help does not need.
    from components.charts.anomalies import anomalies_section
    from components.charts.evaluation import evaluation_section
    from components.charts.model import model_section
    from components.charts.schema import schema_section
    from components.charts.serving_check import serving_check_section
    from components.charts.statistics import statistics_section
    from components.charts.training import training_section
    from components.charts.transform import transform_section
    from components.charts.tuning import tuning_section

    def evaluated(artifacts: Mapping[str, Artifact]) -> Section:
        blessing = artifacts.get("ModelBlessing")
        blessed = None if blessing is None else blessing.custom_properties["blessed"].int_value == 1
        return evaluation_section(artifacts["ModelEvaluation"].uri, blessed)

    def pushed(artifacts: Mapping[str, Artifact]) -> Section:
        artifact = artifacts["PushedModel"]
        properties = artifact.custom_properties
        # Pusher leaves an artifact all the same where the model was not blessed.
        if properties["pushed"].int_value != 1:
            anchor, title = _TITLES["PushedModel"]
            return Section(id=anchor, title=title, blocks=[Note(text="No model was pushed.")])
        destination = properties["pushed_destination"].string_value
        if not _GOOGLE_CLOUD_MODEL.match(destination):
            return model_section(destination)
        # The copy that Google's service was given.
        section = model_section(artifact.uri)
        endpoint = properties[ENDPOINT_PROPERTY].string_value
        served = f", served by {endpoint}" if endpoint else ""
        note = Note(text=short(f"Pushed to Google Cloud as {destination}{served}.", 500))
        return dataclasses.replace(section, blocks=[note, *section.blocks])

    return {
        "ExampleStatistics": lambda found: statistics_section(found["ExampleStatistics"].uri),
        "Schema": lambda found: schema_section(found["Schema"].uri),
        "ExampleAnomalies": lambda found: anomalies_section(found["ExampleAnomalies"].uri),
        "TransformGraph": lambda found: transform_section(found["TransformGraph"].uri),
        "TunerResults": lambda found: tuning_section(found["TunerResults"].uri),
        "ModelRun": lambda found: training_section(found["ModelRun"].uri),
        "ModelEvaluation": evaluated,
        "InfraBlessing": lambda found: serving_check_section(found["InfraBlessing"]),
        "PushedModel": pushed,
    }


#: Anchor and title of the section of each type of artifact where it cannot be made.
_TITLES = {
    "ExampleStatistics": ("statistics", "Data"),
    "Schema": ("schema", "Schema"),
    "ExampleAnomalies": ("anomalies", "Anomalies"),
    "TransformGraph": ("transform", "Transform"),
    "TunerResults": ("tuning", "Tuning"),
    "ModelRun": ("training", "Training"),
    "ModelEvaluation": ("evaluation", "Evaluation"),
    "InfraBlessing": ("serving-check", "Serving check"),
    "PushedModel": ("model", "Pushed model"),
}


#: What a pipeline may be without.
_OPTIONAL = frozenset({"TunerResults"})


def sections_of(artifacts: Mapping[str, Artifact], *, with_missing: bool = False) -> list[Section]:
    """Returns a section for each artifact that there is one for.

    Args:
        artifacts: Artifacts by the name of their type.
        with_missing: Whether a section says where an artifact is missing.
    """
    sections = []
    for kind, make in section_kinds().items():
        anchor, title = _TITLES[kind]
        if kind in artifacts:
            sections.append(_guarded(anchor, title, artifacts[kind].uri, make, artifacts))
        elif with_missing and kind not in _OPTIONAL:
            note = Note(text="This run has not come so far.")
            sections.append(Section(id=anchor, title=title, blocks=[note]))
    return sections


def _guarded(
    anchor: str, title: str, uri: str, make: _Make, artifacts: Mapping[str, Artifact]
) -> Section:
    """Makes a section; one that cannot be read must not take the page with it."""
    try:
        return make(artifacts)
    except Exception as error:  # noqa: BLE001 (readers of many kinds)
        reason = " ".join(str(error).split())
        text = f"{uri} cannot be read: {type(error).__name__}: {reason}"
        return Section(id=anchor, title=title, blocks=[Note(text=text, level="unreadable")])
