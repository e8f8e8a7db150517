"""A value in a workflow, together with its place.

A workflow under validation may hold anything anywhere, so every access is total: what is
missing or of another type is an empty node, and only the schema rules say so.
"""

import dataclasses
import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")

#: Longest part of a value that a message repeats.
_SHOWN = 60


@dataclasses.dataclass(frozen=True)
class Node:
    """A value and the path that leads to it.

    Attributes:
        value: What YAML gives: a mapping, list, text, number or truth value; ``None`` if
            there is nothing.
        path: Such as ``spec.templates[3].container.image``; empty for the workflow itself.
    """

    value: Any
    path: str = ""

    @property
    def place(self) -> str:
        """The path as a finding names it."""
        return self.path or "workflow"

    @property
    def exists(self) -> bool:
        """Whether there is a value; YAML's ``null`` is none, as for Argo."""
        return self.value is not None

    @property
    def text(self) -> str:
        """The value if it is text, otherwise an empty text."""
        return self.value if isinstance(self.value, str) else ""

    @property
    def templated(self) -> bool:
        """Whether Argo fills in part of the text, so that its form is not known yet."""
        return "{{" in self.text

    def __getitem__(self, key: str) -> "Node":
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return Node(value, self._path_of(key))

    def items(self) -> Iterator[tuple[str, "Node"]]:
        """Yields the keys that are text, and their values."""
        if isinstance(self.value, dict):
            for key, value in self.value.items():
                if isinstance(key, str):
                    yield key, Node(value, self._path_of(key))

    def elements(self) -> Iterator["Node"]:
        """Yields the elements of a list."""
        if isinstance(self.value, list):
            for index, value in enumerate(self.value):
                yield Node(value, f"{self.path}[{index}]")

    def texts(self, skip: str | None = None) -> Iterator["Node"]:
        """Yields every text below, keys of mappings included.

        Args:
            skip: A key whose values are left out.
        """
        if isinstance(self.value, str):
            yield self
        for key, child in self.items():
            if key != skip:
                yield Node(key, child.path)
                yield from child.texts(skip)
        for child in self.elements():
            yield from child.texts(skip)

    def _path_of(self, key: str) -> str:
        if _PLAIN_KEY.fullmatch(key):
            return f"{self.path}.{key}" if self.path else key
        return f"{self.path}[{shown(key)}]"


def shown(value: object) -> str:
    """Returns a value as a message repeats it: quoted, on one line, not too long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 4]}...{text[-1]}"


def suggestion(name: str, valid: Iterable[str]) -> str:
    """Returns `` (did you mean 'x'?)`` for the closest valid name, or an empty text."""
    matches = difflib.get_close_matches(name, list(valid), n=1)
    return f" (did you mean '{matches[0]}'?)" if matches else ""
