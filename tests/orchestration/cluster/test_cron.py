"""Cron in the form that Kubeflow reads, and intervals."""

import datetime

import pytest

from orchestration.cluster.cron import (
    firing_times,
    interval_words,
    normalise_cron,
    parse_interval,
)
from orchestration.cluster.errors import ClusterError

NOW = datetime.datetime(2026, 11, 26, 12, 0, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("0 2 * * *", "0 0 2 * * *"),
        ("30 0 2 * * *", "30 0 2 * * *"),
        ("  0   2 * * *  ", "0 0 2 * * *"),
        ("*/15 8-18 * * MON-FRI", "0 */15 8-18 * * 1-5"),
        ("0 0 1 JAN,jul ?", "0 0 0 1 1,7 *"),
        ("0 3 * * 7", "0 0 3 * * 0"),
        ("0 3 * * 5-7", "0 0 3 * * 0,5,6"),
        ("5/10 * * * *", "0 5/10 * * * *"),
        ("@daily", "0 0 0 * * *"),
        ("0 0 29 2 *", "0 0 0 29 2 *"),
    ],
)
def test_cron_gets_the_six_fields_that_kubeflow_reads(given: str, normal: str) -> None:
    assert normalise_cron(given) == normal


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "has 0 fields"),
        ("* * *", "has 3 fields"),
        ("0 0 0 1 1 * 2027", "has 7 fields"),
        ("60 * * * *", "the minute '60' is not within 0 to 59"),
        ("0 24 * * *", "the hour '24'"),
        ("0 0 0 * *", "the day of month '0'"),
        ("0 0 * 13 *", "the month '13'"),
        ("0 0 * * 8", "the day of week '8'"),
        ("0 0 30 2 *", "no such date exists"),
        ("0 0 31 4,6,9,11 *", "no such date exists"),
        ("0 0 L * *", "the day of month 'L'"),
        ("0 0 * * 5#2", "not one that Kubeflow reads"),
        ("*/0 * * * *", "the step of the minute"),
        ("30-10 * * * *", "goes backwards"),
        ("*-5 * * * *", "mixes"),
        ("0 0 */2 * 1", "list the days"),
        ("@reboot", "no such shorthand"),
        ("@every 1h", "has 2 fields"),
        ("-1 * * * *", "not one that Kubeflow reads"),
        ("1,,2 * * * *", "not one that Kubeflow reads"),
    ],
)
def test_an_impossible_cron_is_refused(given: str, said: str) -> None:
    with pytest.raises(ClusterError, match=said) as caught:
        normalise_cron(given)

    assert str(caught.value).startswith("--cron")


def test_firing_times_are_in_utc_whatever_the_zone() -> None:
    tokyo = NOW.astimezone(datetime.timezone(datetime.timedelta(hours=9)))

    times = firing_times("0 0 2 * * *", tokyo, 3)

    assert [time.isoformat() for time in times] == [
        "2026-11-27T02:00:00+00:00",
        "2026-11-28T02:00:00+00:00",
        "2026-11-29T02:00:00+00:00",
    ]


def test_a_day_of_month_or_a_day_of_week_fires() -> None:
    # As in every cron: the 1st and every Monday.
    times = firing_times("0 0 0 1 * 1", NOW, 3)

    assert [time.day for time in times] == [30, 1, 7]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("30m", 1800), ("6h", 21600), ("1D", 86400), ("2 w", 1209600)]
)
def test_intervals_are_read(text: str, seconds: int) -> None:
    assert parse_interval(text) == seconds


@pytest.mark.parametrize("text", ["0", "0h", "-5m", "1.5h", "soon", "", "6 fortnights"])
def test_an_impossible_interval_is_refused(text: str) -> None:
    with pytest.raises(ClusterError, match="--interval"):
        parse_interval(text)


@pytest.mark.parametrize(
    ("seconds", "words"), [(86400, "1d"), (5400, "90m"), (61, "61s"), (604800, "1w")]
)
def test_intervals_are_said_in_their_largest_whole_unit(seconds: int, words: str) -> None:
    assert interval_words(seconds) == words
