"""Times the whole lineage command on a large metadata store.

    python -m tests.benchmarks.lineage_store --runs 1000 --repeats 5

Each run has nine executions; each fourth one reads its own data, and the next three take its
examples from the cache. Each run's Evaluator compares its model with the one before.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from ml_metadata.proto import metadata_store_pb2 as mlmd

from tests.lineage_store import StoreWriter, input_files, sqlite_store

_PROJECT = pathlib.Path(__file__).resolve().parents[2]

#: So many runs in succession read the same data.
_SHARING = 4


def main() -> None:
    """Prints a row a question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        store = pathlib.Path(name) / "metadata.db"
        _write(store, options.runs)
        _print(f"{options.runs:,} runs, {store.stat().st_size / 1e6:.0f} MB")
        last = (options.runs - 1) // _SHARING * _SHARING
        questions = {
            "back from the newest version": [f"v{options.runs - 1}"],
            "back from the oldest version": ["v0"],
            "back from a run": [f"run-{options.runs // 2}"],
            "forward from a checksum": [f"{last:064x}"],
            "forward from the folder of all data": ["/data"],
            "a version that is not there": ["none"],
            "a page": ["v0", "--out", str(pathlib.Path(name) / "lineage.html")],
        }
        for question, arguments in questions.items():
            times = [_time(store, arguments) for _ in range(options.repeats)]
            _print(
                f"{question}: median {statistics.median(times):.2f} s, "
                f"{min(times):.2f} to {max(times):.2f} s"
            )


def _time(store: pathlib.Path, arguments: list[str]) -> float:
    """Returns the wall time of the whole command in seconds."""
    command = [sys.executable, "-m", "orchestration", "lineage", *arguments]
    started = time.monotonic()
    done = subprocess.run(
        [*command, "--metadata", f"sqlite:{store}"],
        cwd=_PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.monotonic() - started
    if done.returncode != (1 if arguments == ["none"] else 0):
        sys.exit(f"{' '.join(command)}: status {done.returncode}\n{done.stderr[-2000:]}")
    return took


def _write(path: pathlib.Path, runs: int) -> None:
    write = StoreWriter(sqlite_store(path))
    model = blessing = None
    for number in range(runs):
        run, is_new = f"run-{number}", number % _SHARING == 0
        state = mlmd.Execution.COMPLETE if is_new else mlmd.Execution.CACHED
        if is_new:
            file = {"name": "a.csv", "bytes": 1, "sha256": f"{number:064x}", "rows": 1}
            examples = write.artifact("Examples", f"/e/{number}", input_files=input_files(file))
            figures = write.artifact("ExampleStatistics", f"/s/{number}")
            schema = write.artifact("Schema", f"/schema/{number}")
            graph = write.artifact("TransformGraph", f"/t/{number}")
        anomalies = write.artifact("ExampleAnomalies", f"/a/{number}")
        data, read = [("examples", examples)], [("statistics", figures)]
        write.execution(run, "CsvExampleGen", (), data, state, input_base="/data")
        write.execution(run, "StatisticsGen", data, read, state)
        write.execution(run, "SchemaGen", read, [("schema", schema)], state)
        write.execution(
            run, "ExampleValidator", [*read, ("schema", schema)], [("anomalies", anomalies)]
        )
        transform = [*data, ("schema", schema)]
        write.execution(run, "Transform", transform, [("transform_graph", graph)], state)
        chosen = [("model", model), ("model_blessing", blessing)] if model and blessing else []
        write.execution(run, "Resolver", (), chosen, output_type=mlmd.Event.INTERNAL_OUTPUT)
        baseline = [("baseline_model", model)] if model else []
        model = write.artifact("Model", f"/m/{number}")
        blessing = write.artifact("ModelBlessing", f"/b/{number}", blessed=1)
        pushed = write.artifact(
            "PushedModel",
            f"/p/{number}",
            pushed_version=f"v{number}",
            pushed_destination=f"/serving/v{number}",
        )
        write.execution(run, "Trainer", [("transform_graph", graph)], [("model", model)])
        write.execution(
            run,
            "Evaluator",
            [*data, ("model", model), *baseline],
            [("blessing", blessing)],
            metrics=json.dumps({"auc": 0.7}),
        )
        judged = [("model", model), ("model_blessing", blessing)]
        write.execution(run, "Pusher", judged, [("pushed_model", pushed)])


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
