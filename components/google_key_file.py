"""The file of credentials that GOOGLE_APPLICATION_CREDENTIALS names: whether it can be one."""

import json
import pathlib

VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"


def problem(path: pathlib.Path) -> str | None:
    """Returns why a file cannot be one of credentials.

    Args:
        path: The file.

    Returns:
        The rest of a sentence that begins with the file, without anything of its contents; ``None``
        if it is JSON with a type; Google's own client checks the rest.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return f"is not there{_others(path)}"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        return "is not JSON"
    if not text.strip():
        return "is empty"
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        return f"is not JSON, or is cut (line {error.lineno}, column {error.colno})"
    if not isinstance(content, dict) or "type" not in content:
        return 'has no "type": it is not a file of credentials of Google'
    return None


def _others(path: pathlib.Path) -> str:
    """Names what is beside a file that is not there: a secret's key has often another name."""
    try:
        # Kubernetes keeps the files of a secret in folders whose names begin with two dots.
        names = sorted(entry.name for entry in path.parent.iterdir() if entry.name[0] != ".")
    except OSError:
        return ""
    return f", but {', '.join(names)}" if 0 < len(names) < 4 else ""
