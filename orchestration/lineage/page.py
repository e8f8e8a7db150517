"""An answer as one HTML file: a picture, and the same as tables and nested lists.

The file fetches nothing, and what comes from data is text in it: jinja2 escapes all values, and a
content security policy refuses everything but the page's own style and script.
"""

import pathlib

import jinja2

from components.errors import RunError
from orchestration.graph_layout import BoxSize
from orchestration.lineage.answer import Answer
from orchestration.lineage.graph import BACK
from orchestration.lineage.picture import picture
from orchestration.lineage.summary import summary
from orchestration.lineage.text import model_rows
from orchestration.lineage.tree import tree

_TEMPLATES = pathlib.Path(__file__).parent / "templates"

_MAX_NODES = 1_000
_MAX_CHILDREN = 100
_MAX_MODELS = 50


def page(answer: Answer) -> str:
    """Returns the page.

    Args:
        answer: The answer.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    branches, left_out = tree(answer, max_nodes=_MAX_NODES, max_children=_MAX_CHILDREN)
    models = model_rows(answer)
    box = BoxSize()
    return environment.get_template("lineage.html.j2").render(
        query=answer.query,
        store=answer.store,
        is_back=answer.graph.direction == BACK,
        summary=summary(answer),
        models=models[:_MAX_MODELS],
        more_models=len(models[_MAX_MODELS:]),
        picture=picture(answer),
        box_width=box.width,
        box_height=box.height,
        branches=branches,
        left_out=left_out,
    )


def write_page(answer: Answer, path: pathlib.Path) -> None:
    """Writes the page.

    Args:
        answer: The answer.
        path: The file.

    Raises:
        RunError: If it cannot be written.
    """
    try:
        path.write_text(page(answer), encoding="utf-8", errors="replace")
    except OSError as error:
        raise RunError(f"{path}: the page cannot be written: {error.strerror}") from error
