"""``NAME=VALUE`` on the command line."""

from typing import Any

import click


class NameValue(click.ParamType):
    """``NAME=VALUE``."""

    name = "NAME=VALUE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Returns the name and the value."""
        if isinstance(value, tuple):
            return value
        name, separator, text = value.partition("=")
        if not separator or not name or not text:
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
