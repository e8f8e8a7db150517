"""Times as people read them."""

import pytest

from orchestration.times import local_time, utc


def test_a_time_has_its_zone() -> None:
    assert utc(1_795_590_000.0) == "2026-11-25 07:00:00 UTC"


@pytest.mark.parametrize("seconds", [None, 0.0, -1.0, 1e30])
def test_a_time_that_is_not_known_is_empty(seconds: float | None) -> None:
    assert utc(seconds) == ""


def test_a_local_time_that_is_not_known_is_empty() -> None:
    assert local_time(None) == ""
