"""A step's part of the report on its page in Kubeflow's UI."""

import json
import pathlib
from collections.abc import Mapping

from components.execution_outcome import Artifact

#: The largest page, in bytes, that the UI gets of a step: its server reads it whole.
_MAX_BYTES = 1024 * 1024


def add_view(path: pathlib.Path, title: str, outputs: Mapping[str, list[Artifact]]) -> None:
    """Adds charts and tables of a step's outputs to what Kubeflow's UI shows of it.

    The page has no scripts and fetches nothing; what is there already stays.

    Args:
        path: The step's ``mlpipeline-ui-metadata``, as TFX has written it.
        title: The page's title.
        outputs: The step's output artifacts, by the output's name.

    Raises:
        OSError: If the file cannot be read or written.
        ValueError: If it does not hold what Kubeflow reads.
    """
    from components.charts.artifacts import sections_of
    from components.charts.html import static_page
    from components.previous_statistics import CURRENT_KEY

    artifacts = {
        artifact.type: artifact
        for key, group in outputs.items()
        # What a Resolver compares with is no finding of it.
        if key != CURRENT_KEY
        for artifact in group
    }
    sections = sections_of(artifacts)
    if not sections:
        return
    page = static_page(title, sections)
    if len(page.encode("utf-8", "replace")) > _MAX_BYTES:
        raise ValueError(f"its page has more than {_MAX_BYTES:,} bytes")
    views = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    view = {"type": "web-app", "storage": "inline", "source": page}
    outputs_before = views.get("outputs") or []
    path.write_text(json.dumps({**views, "outputs": [*outputs_before, view]}), encoding="utf-8")
