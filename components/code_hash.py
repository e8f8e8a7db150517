"""The hash of the code that makes what TFX caches.

TFX's cache key holds the dotted path of user code, not the code. With this hash in the custom
configuration of ExampleGen, ExampleValidator, Transform and Trainer, changed code is never served
from the cache.
Each has that of its own modules: a change to the model does not make it read the data anew.
"""

import hashlib
import pathlib

#: The modules that CsvExampleGen runs.
EXAMPLE_GEN_MODULES = frozenset(
    {
        "complaints_csv.py",
        "csv_executor.py",
        "features.py",
        "s3_reader.py",
        "span_driver.py",
        "spans.py",
    }
)

#: The modules that ExampleValidator runs.
EXAMPLE_VALIDATOR_MODULES = frozenset({"example_validator_executor.py", "validation.py"})

#: The modules that Transform runs.
PREPROCESSING_MODULES = frozenset({"features.py", "preprocessing.py"})

#: The modules that Trainer runs.
TRAINING_MODULES = frozenset(
    {
        "canonical_order.py",
        "features.py",
        "hyperparameters.py",
        "input_data.py",
        "model.py",
        "serving.py",
        "training.py",
        "training_record.py",
        "warm_start.py",
    }
)

#: The modules that Tuner runs.
TUNING_MODULES = TRAINING_MODULES | {"tuning.py"}

#: The modules that InfraValidator runs.
SERVING_CHECK_MODULES = frozenset({"features.py", "infra_validator.py", "serving_check.py"})

#: All of them.
CACHED_MODULES = (
    EXAMPLE_GEN_MODULES
    | EXAMPLE_VALIDATOR_MODULES
    | PREPROCESSING_MODULES
    | TUNING_MODULES
    | SERVING_CHECK_MODULES
)


def code_hash(folder: pathlib.Path, names: frozenset[str] | None = None) -> str:
    r"""Returns the SHA-256 of a package's Python files, in hexadecimal.

    Args:
        folder: Folder of the package.
        names: The files that count, by their path in the package; ``None`` for all.

    Returns:
        64 hexadecimal digits that change with any file's name or text; line ends count as
        ``\\n``, so that a checkout on Windows hashes alike.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder).as_posix()
        # A subpackage's module may have the name of one that is cached.
        if names is not None and name not in names:
            continue
        text = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(len(name.encode()).to_bytes(8, "big") + name.encode())
        digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()
