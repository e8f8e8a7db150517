"""What a terminal shows, as text."""

import io

from rich.console import Console, RenderableType


def text_of(page: RenderableType, width: int = 200) -> str:
    """Returns what is shown in a terminal of so many columns."""
    text = io.StringIO()
    Console(file=text, width=width).print(page)
    return text.getvalue()
