"""The committed sample of complaints.

``python -m data.sample`` writes it anew after a change of the generator.
"""

import pathlib

from data import generator

SAMPLE_PATH = pathlib.Path(__file__).with_name("complaints_sample.csv")
SAMPLE_ROWS = 5_000
SAMPLE_SEED = 1


def write_sample(path: pathlib.Path = SAMPLE_PATH) -> None:
    """Writes the sample, the same bytes each time, to ``path``."""
    generator.write_complaints(path, rows=SAMPLE_ROWS, seed=SAMPLE_SEED)


if __name__ == "__main__":
    write_sample()
