"""What was checked before a model was pushed."""

import json

from components.charts.section import Note, Section, Table
from components.execution_outcome import Artifact
from components.serving_check import REPORT_PROPERTY


def serving_check_section(blessing: Artifact) -> Section:
    """Returns what InfraValidator has found.

    Args:
        blessing: Its blessing, or Approval's, which carries it on.

    Raises:
        ValueError: If what it has found is not JSON.
    """
    section, title = "serving-check", "Serving check"
    text = blessing.custom_properties[REPORT_PROPERTY].string_value
    if not text:
        note = Note(text="The model was not blessed, and so not checked.")
        return Section(id=section, title=title, blocks=[note])
    report = json.loads(text)
    rows: list[tuple[str, str]] = [
        ("loaded in a fresh process", f"in {report['load_seconds']:.1f} s"),
        (
            "serving_default and serving_raw agree",
            f"on {report['rows']:,} examples, to {report['largest_difference']:.2g}",
        ),
        (
            "unusual complaints are answered",
            f"{report['unusual_rows']:,}: without columns, with empty, unknown, very long or "
            "broken texts",
        ),
    ]
    if report["mean_prediction"] is None:
        rows.append(("same answers as in the evaluation", "not compared: it has too many examples"))
    else:
        rows.append(
            (
                "same answers as in the evaluation",
                f"mean prediction {report['mean_prediction']:.6f} here and "
                f"{report['evaluator_mean_prediction']:.6f} there, of "
                f"{report['evaluated_rows']:,} examples",
            )
        )
    table = Table(title="Before the push", columns=("check", "found"), rows=rows)
    note = Note(text="The model can be served.", level="good")
    return Section(id=section, title=title, blocks=[note, table])
