"""A path on this machine, as a parameter of a command."""

import os
import pathlib
from typing import Any

import click

_URI_SIGN = "://"


class LocalPath(click.Path):
    """A path here; a URI, of which ``pathlib`` would make a folder of this machine, is refused."""

    def __init__(
        self,
        *,
        file_okay: bool = True,
        dir_okay: bool = True,
        path_type: type[pathlib.Path] | type[str] = pathlib.Path,
    ) -> None:
        super().__init__(path_type=path_type, file_okay=file_okay, dir_okay=dir_okay)

    def convert(
        self,
        value: "str | os.PathLike[str]",
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """Returns the path."""
        text = os.fspath(value)
        if _URI_SIGN in text:
            self.fail(
                f"'{text}' is not on this machine: use a path here; 'complaint-pipeline stage' "
                "sends data to a bucket, and the tools of its cloud copy files from one",
                param,
                ctx,
            )
        return super().convert(value, param, ctx)
