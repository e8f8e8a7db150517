"""A process that runs TFX's executors one after the other, as ``tfx.scripts.run_executor`` does.

    python -m tests.google_services.executor_worker

It reads a line of JSON for each: ``class``, and ``inputs``, ``outputs`` and ``exec_properties`` as
TFX writes them. It answers with one: the ``outputs`` after the execution, and the ``error`` as the
entry point would say it.
"""

import json
import os
import sys


def main() -> None:
    # What the libraries print must not be among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    from tfx.dsl.components.base.base_executor import BaseExecutor
    from tfx.types import artifact_utils
    from tfx.utils import import_utils

    from components import entrypoint, google_cloud_errors

    for line in sys.stdin:
        task = json.loads(line)
        inputs = artifact_utils.parse_artifact_dict(task["inputs"])
        outputs = artifact_utils.parse_artifact_dict(task["outputs"])
        executor = import_utils.import_class_by_path(task["class"])
        error = None
        try:
            executor(BaseExecutor.Context(unique_id="1")).Do(
                inputs, outputs, task["exec_properties"]
            )
        except Exception as raised:  # noqa: BLE001 (whatever it is, the test looks at it)
            known = google_cloud_errors.as_run_error(raised) or raised
            error = entrypoint._line(known)
        answer = {"outputs": artifact_utils.jsonify_artifact_dict(outputs), "error": error}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
