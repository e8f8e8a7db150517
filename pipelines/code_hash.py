"""The hash of the code that runs in the pods.

TFX's cache key holds the dotted path of user code, not the code. With this hash in the custom
configuration of Transform and Trainer, changed code is never served from the cache.
"""

import hashlib
import pathlib


def code_hash(folder: pathlib.Path) -> str:
    r"""Returns the SHA-256 of a package's Python files, in hexadecimal.

    Args:
        folder: Folder of the package.

    Returns:
        64 hexadecimal digits that change with any file's name or text; line ends count as
        ``\\n``, so that a checkout on Windows hashes alike.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix()):
        text = path.read_bytes().replace(b"\r\n", b"\n")
        name = path.relative_to(folder).as_posix().encode()
        digest.update(len(name).to_bytes(8, "big") + name)
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()
