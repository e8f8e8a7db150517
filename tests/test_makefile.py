"""What make's targets call takes the arguments that they give."""

import argparse
import pathlib
import shlex
import subprocess

import pytest

from tests.benchmarks import beam_runners

PROJECT = pathlib.Path(__file__).resolve().parents[1]


def arguments(module: str, *words: str) -> list[str]:
    """The arguments that make gives to a module of Python."""
    recipe = subprocess.run(
        ["make", "--dry-run", "--always-make", *words],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    line = next(line for line in recipe.splitlines() if f" -m {module}" in line)
    return shlex.split(line.partition(f" -m {module}")[2])


def bench_beam(*words: str) -> argparse.Namespace:
    return beam_runners.argument_parser().parse_args(
        arguments("tests.benchmarks.beam_runners", "bench-beam", *words)
    )


def test_the_benchmark_of_runners_takes_a_file() -> None:
    assert bench_beam("CSV=one.csv").csv == pathlib.Path("one.csv")


@pytest.mark.parametrize(("words", "rows"), [((), 67_000), (("BENCH_ROWS=5",), 5)])
def test_without_a_file_it_makes_rows_up(words: tuple[str, ...], rows: int) -> None:
    options = bench_beam(*words)

    assert (options.csv, options.rows) == (None, rows)
