"""From sections to one file that needs nothing but itself."""

import pathlib
from collections.abc import Sequence

from components.charts import html
from components.charts.section import Section
from components.errors import RunError
from orchestration.atomic_file import write_atomically

_TEMPLATES = pathlib.Path(__file__).parent / "templates"


def render(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """Returns the page.

    Args:
        title: Its title.
        subtitle: A line below that.
        sections: What is on it.
    """
    template = html.environment(_TEMPLATES).get_template("report.html")
    return template.render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        draw=html.interactive,
        style=html.stylesheet(),
        script=html.plotly_script(),
    )


def write(path: pathlib.Path, text: str) -> None:
    """Writes a page.

    Raises:
        RunError: If it cannot be written.
    """
    try:
        write_atomically(path, text.encode("utf-8", "replace"))
    except OSError as error:
        raise RunError(
            f"{path}: the page cannot be written ({error.strerror}); name a file in a folder that "
            "exists and is writable"
        ) from error
