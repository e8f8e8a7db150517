"""An answer for the terminal: what an audit asks first, and then the tree."""

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from orchestration.lineage import words
from orchestration.lineage.answer import Answer
from orchestration.lineage.summary import summary
from orchestration.lineage.tree import Branch, tree
from orchestration.times import utc

#: A longer tree is not read; ``--json`` has it all.
_MAX_NODES = 300
_MAX_CHILDREN = 20
_MAX_MODELS = 20
_MAX_PLACES = 3

_STATE_STYLES = {"FAILED": "bold red", "CANCELED": "bold red", "CACHED": "cyan"}
_TITLE_STYLES = {
    "artifact": "green",
    "execution": "bold",
    "file": "yellow",
    "decision": "bold",
    "remark": "dim",
}


def answer_text(answer: Answer) -> RenderableType:
    """Returns an answer as what rich prints; no text of it is read as markup.

    Args:
        answer: The answer.
    """
    parts: list[RenderableType] = [_summary(answer)]
    if answer.models:
        parts += [Text(""), _models(answer)]
    branches, left_out = tree(answer, max_nodes=_MAX_NODES, max_children=_MAX_CHILDREN)
    parts += [Text(""), *(_tree(branch) for branch in branches)]
    if left_out:
        parts.append(
            Text(f"{left_out:,} more artifacts and executions: --json has them all", style="dim")
        )
    return Group(*parts)


def _summary(answer: Answer) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    before = None
    for name, text in summary(answer):
        table.add_row(Text("" if name == before else name, style="dim"), Text(text))
        before = name
    return table


def _models(answer: Answer) -> Group:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("model", "run", "made", "blessed", "metrics", "pushed"):
        table.add_column(column, overflow="fold")
    for row in model_rows(answer)[:_MAX_MODELS]:
        table.add_row(*map(Text, row))
    number = len(answer.models)
    title = f"{number:,} model{'s' if number > 1 else ''} from this data, the newest first"
    parts: list[RenderableType] = [Text(title, style="bold"), table]
    if number > _MAX_MODELS:
        parts.append(Text(f"{number - _MAX_MODELS:,} more: --json has them all", style="dim"))
    return Group(*parts)


def model_rows(answer: Answer) -> list[list[str]]:
    """Returns a row of texts for each model: id, run, time, blessing, metrics, where it is."""
    blessed = {True: "yes", False: "no", None: ""}
    return [
        [
            str(model.artifact),
            words.one_line(model.run),
            utc(model.recorded),
            blessed[model.blessed],
            words.metrics(model.metrics),
            _places(model.pushed),
        ]
        for model in answer.models
    ]


def _places(pushed: Sequence[str]) -> str:
    """Returns where a model was pushed to, each place whole: its end is the version."""
    places = [words.one_line(place) for place in reversed(pushed)]
    more = len(places) - _MAX_PLACES
    return "\n".join([*places[:_MAX_PLACES], *([f"{more} more: --json"] if more > 0 else [])])


def _tree(branch: Branch) -> Tree:
    top = Tree(_label(branch), guide_style="dim")
    stack = [(top, branch)]
    while stack:
        place, parent = stack.pop()
        stack += [(place.add(_label(child)), child) for child in parent.children]
    return top


def _label(branch: Branch) -> Text:
    label = Text(overflow="fold")
    if branch.relation:
        label.append(f"{branch.relation}: ", style="dim")
    label.append(branch.title, style=_TITLE_STYLES[branch.kind])
    if branch.state:
        label.append(f"  {branch.state}", style=_STATE_STYLES.get(branch.state, "yellow"))
    if branch.is_repeated:
        label.append("  see above", style="dim")
    elif branch.details:
        label.append(f"\n{', '.join(branch.details)}", style="dim")
    return label
