"""Times the compiled YAML, run here, against TFX's LocalDagRunner: whole process against whole.

    python -m tests.benchmarks.local_run --rows 67000 --pairs 3

Each pair runs both, in turn, from the same CSV file to a pushed model, on fresh folders and a
fresh metadata store. The ratios of the pairs hold where the machine's speed drifts.
"""

import argparse
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from data.generator import write_complaints

_PROJECT = pathlib.Path(__file__).resolve().parents[2]
_WORKFLOW = "argo_pipeline_files/consumer_complaint_pipeline_kubeflow.yaml"


def main() -> None:
    """Prints a row a pair and the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=67_000)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = pathlib.Path(name)
        csv = folder / "complaints.csv"
        write_complaints(csv, rows=options.rows, seed=7)
        _print(f"{options.rows:,} rows, {csv.stat().st_size / 1e6:.1f} MB of CSV")
        ours, theirs = [], []
        for pair in range(1, options.pairs + 1):
            ours.append(_time(csv, folder / "a", _yaml_command(folder / "a")))
            theirs.append(_time(csv, folder / "b", _dag_runner_command(folder / "b")))
            _print(
                f"pair {pair}: YAML {ours[-1]:.1f} s, LocalDagRunner {theirs[-1]:.1f} s, "
                f"ratio {ours[-1] / theirs[-1]:.2f}"
            )
        ratios = [ours / theirs for ours, theirs in zip(ours, theirs, strict=True)]
        _print(
            f"median: YAML {statistics.median(ours):.1f} s, LocalDagRunner "
            f"{statistics.median(theirs):.1f} s, ratio {statistics.median(ratios):.2f}"
        )


def _time(csv: pathlib.Path, folder: pathlib.Path, command: list[str]) -> float:
    """Runs a command on a fresh volume with the CSV file, and returns its wall time in seconds."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "volume/data").mkdir(parents=True)
    shutil.copy(csv, folder / "volume/data")
    with (folder / "log.txt").open("wb") as log:
        started = time.monotonic()
        status = subprocess.run(
            command, cwd=_PROJECT, stdout=log, stderr=log, check=False
        ).returncode
        took = time.monotonic() - started
    if status != 0 or not list(folder.glob("volume/output/serving_model/*/*/saved_model.pb")):
        tail = (folder / "log.txt").read_text(errors="replace")[-2000:]
        sys.exit(f"{' '.join(command)}: status {status}, or no pushed model\n{tail}")
    return took


def _yaml_command(folder: pathlib.Path) -> list[str]:
    return [
        *(sys.executable, "-m", "orchestration", "run", _WORKFLOW),
        *("--mount", f"tfx-pvc={folder / 'volume'}", "--home", str(folder / "home")),
    ]


def _dag_runner_command(folder: pathlib.Path) -> list[str]:
    module = "tests.benchmarks.local_dag_runner"
    return [sys.executable, "-m", module, "--volume", str(folder / "volume")]


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
