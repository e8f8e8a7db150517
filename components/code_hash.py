"""The hash of the code that runs in the pods.

TFX's cache key holds the dotted path of user code, not the code. With this hash in the custom
configuration of ExampleGen, Transform and Trainer, changed code is never served from the cache.
"""

import hashlib
import pathlib

#: The modules that CsvExampleGen runs: a change to the model does not make it read the data anew.
EXAMPLE_GEN_MODULES = frozenset({"complaints_csv.py", "csv_executor.py", "features.py"})


def code_hash(folder: pathlib.Path, names: frozenset[str] | None = None) -> str:
    r"""Returns the SHA-256 of a package's Python files, in hexadecimal.

    Args:
        folder: Folder of the package.
        names: The files that count, by name; ``None`` for all.

    Returns:
        64 hexadecimal digits that change with any file's name or text; line ends count as
        ``\\n``, so that a checkout on Windows hashes alike.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix()):
        if names is not None and path.name not in names:
            continue
        text = path.read_bytes().replace(b"\r\n", b"\n")
        name = path.relative_to(folder).as_posix().encode()
        digest.update(len(name).to_bytes(8, "big") + name)
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()
