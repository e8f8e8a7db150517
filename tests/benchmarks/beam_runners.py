"""Times the compiled pipeline on each of Beam's runners, and compares what they write.

    python -m tests.benchmarks.beam_runners --csv complaints.csv
    python -m tests.benchmarks.beam_runners --rows 67000

Every runner runs the whole workflow on the same rows, on fresh folders and a fresh metadata store.
The first one is what the times and outputs of the others are measured against.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import Any

from data.generator import write_complaints
from tests.beam_outputs import BeamOutputs, different_statistics, read_outputs
from tests.beam_runners import BEAM_RUNNERS, PROJECT, BeamRunner

#: The steps that run Beam.
_BEAM_STEPS = ("csvexamplegen", "statisticsgen", "transform", "evaluator")

_AUC = "auc"


@dataclasses.dataclass(frozen=True)
class Result:
    """What a run took and wrote.

    Attributes:
        seconds: Wall time of each step that runs Beam, and of the whole run as ``run``.
        peak_bytes: The most memory of a step's process and those that it has waited for.
        outputs: What Beam has written before the training.
        auc: AUC of the model that this run has trained.
    """

    seconds: dict[str, float]
    peak_bytes: int
    outputs: BeamOutputs
    auc: float


def main() -> None:
    """Prints a table of the runners."""
    options = argument_parser().parse_args()
    # TensorFlow, which reads the outputs, would otherwise write between the rows.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = pathlib.Path(name)
        csv = folder / "complaints.csv"
        if options.csv is None:
            write_complaints(csv, rows=options.rows, seed=7)
        else:
            shutil.copy(options.csv, csv)
        _print(f"{csv.stat().st_size / 1e6:.1f} MB of CSV; seconds, and times the first runner's")
        _print("".join(f"{title:>17}" for title in (*_BEAM_STEPS, "run")) + "  runner")
        first: Result | None = None
        for runner in BEAM_RUNNERS:
            if reason := runner.missing():
                _print(f"{'-':>17}" * (len(_BEAM_STEPS) + 1) + f"  {runner.name}: {reason}")
                continue
            result = _run(runner, csv, folder)
            first = first or result
            _print(_row(runner, result, first))


def argument_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    rows = parser.add_mutually_exclusive_group()
    rows.add_argument("--csv", type=pathlib.Path, help="a file of complaints")
    rows.add_argument("--rows", type=int, default=67_000, help="as many made-up ones")
    return parser


def _run(runner: BeamRunner, csv: pathlib.Path, folder: pathlib.Path) -> Result:
    place = folder / "place"
    shutil.rmtree(place, ignore_errors=True)
    (place / "volume/data").mkdir(parents=True)
    shutil.copy(csv, place / "volume/data")
    with runner.settings(place) as settings:
        overrides = [word for setting in settings for word in ("--set", setting)]
        _command("compile", "--output-filename", str(place / "workflow.yaml"), *overrides)
        record = _command(
            *("run", str(place / "workflow.yaml"), "--json", "--home", str(place / "home")),
            *("--mount", f"tfx-pvc={place / 'volume'}"),
        )
    run: dict[str, Any] = json.loads(record)
    seconds = {
        step["name"]: step["ended"] - step["started"]
        for step in run["steps"]
        if step["name"] in _BEAM_STEPS
    }
    return Result(
        seconds={**seconds, "run": run["ended"] - run["started"]},
        peak_bytes=max(step["peak_bytes"] for step in run["steps"]),
        outputs=read_outputs(place / "volume"),
        auc=run["result"]["metrics"][_AUC],
    )


def _command(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "orchestration", *words],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: status {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def _row(runner: BeamRunner, result: Result, first: Result) -> str:
    times = "".join(
        f"{result.seconds[name]:9.1f} ({result.seconds[name] / first.seconds[name]:5.2f})"
        for name in (*_BEAM_STEPS, "run")
    )
    same = [
        f"{what} {'same' if equal else 'DIFFERENT'}"
        for what, equal in (
            ("examples", result.outputs.examples == first.outputs.examples),
            ("vocabulary", result.outputs.vocabulary == first.outputs.vocabulary),
            ("transformed", result.outputs.transformed == first.outputs.transformed),
            ("statistics", not different_statistics(result.outputs, first.outputs)),
        )
    ]
    return (
        f"{times}  {runner.name}: {', '.join(same)}, AUC {result.auc:.6f}, "
        f"{result.peak_bytes / 2**30:.1f} GiB"
    )


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
