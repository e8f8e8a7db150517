"""Starts this project's own programs apart from the user's Python settings and folder."""

import pathlib
import sys

import orchestration

#: Puts the project that is running first, and runs one of its modules.
_START = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); name = sys.argv.pop(1); "
_RUN = "runpy.run_module(name, run_name='__main__', alter_sys=True)"


def isolated_command(module: str, *arguments: str) -> list[str]:
    """Returns the command line that runs a module of the project in a process of its own.

    ``python -m`` would first import what lies in the working folder, such as a ``json.py``, and
    read ``PYTHONPATH`` and its like.

    Args:
        module: The module's name.
        *arguments: Its arguments.
    """
    project = str(pathlib.Path(orchestration.__path__[0]).parent)
    return [sys.executable, "-I", "-c", _START + _RUN, project, module, *arguments]
