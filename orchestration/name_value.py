"""``NAME=VALUE`` on the command line."""

from typing import Any

import click


class NameValue(click.ParamType):
    """``NAME=VALUE``.

    Args:
        may_be_empty: Whether ``NAME=`` stands for an empty value.
    """

    name = "NAME=VALUE"

    def __init__(self, *, may_be_empty: bool = False) -> None:
        self._may_be_empty = may_be_empty

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Returns the name and the value."""
        if isinstance(value, tuple):
            return value
        name, separator, text = value.partition("=")
        if not separator or not name or not (text or self._may_be_empty):
            self.fail(f"'{value}' is not NAME=VALUE", param, ctx)
        return name, text


def unique(option: str, pairs: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Returns the values by name.

    Raises:
        click.UsageError: If a name is given twice.
    """
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise click.UsageError(f"{option} {twice} is given twice")
    return values
