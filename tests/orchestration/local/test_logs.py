"""The line of a log that says why a step failed."""

import pathlib

import pytest

from orchestration.local.logs import error_line, last_lines, own_line


@pytest.fixture
def log(tmp_path: pathlib.Path) -> pathlib.Path:
    return tmp_path / "log.txt"


def test_the_last_exception_is_the_reason_even_if_more_is_printed(log: pathlib.Path) -> None:
    log.write_text(
        "INFO started\nTraceback (most recent call last):\n  File x\n"
        "components.errors.InputDataError: a.csv, row 3: bad label\nI0000 bye\n\n"
    )

    assert error_line(log) == "components.errors.InputDataError: a.csv, row 3: bad label"


def test_without_an_exception_the_last_line_is_the_reason(log: pathlib.Path) -> None:
    log.write_text("one\nErrors happen\ntwo\n\n")

    assert error_line(log) == "two"


def test_what_an_earlier_attempt_has_printed_does_not_count(log: pathlib.Path) -> None:
    log.write_text("ValueError: old\n")
    start = log.stat().st_size
    with log.open("a") as file:
        file.write("new\n")

    assert error_line(log, start) == "new"


def test_a_step_that_printed_nothing_has_no_reason(log: pathlib.Path) -> None:
    assert error_line(log) is None


def test_bytes_that_are_not_text_are_shown_as_such(log: pathlib.Path) -> None:
    log.write_bytes(b"caf\xe9\n")

    assert last_lines(log, 5) == ["caf\ufffd"]


def test_escape_sequences_do_not_reach_the_terminal(log: pathlib.Path) -> None:
    log.write_text("\x1b[2J\x1b[31mred\x1b[0m\x07\n")

    assert last_lines(log, 1) == ["red"]


def test_of_a_huge_log_only_the_end_is_read(log: pathlib.Path) -> None:
    log.write_text("x" * 200_000 + "\nlast\n")

    assert last_lines(log, 1) == ["last"]


def test_the_entry_points_word_counts_though_threads_write_on(log: pathlib.Path) -> None:
    log.write_text(
        "StatisticsGen: Prism has ended (UNAVAILABLE: Socket closed)\n"
        "Exception in thread read_grpc_client_inputs:\nTraceback (most recent call last):\n"
        "grpc._channel._MultiThreadedRendezvous: <_MultiThreadedRendezvous of RPC that terminated "
        'with:\n\tstatus = StatusCode.UNAVAILABLE\n\tdetails = "Socket closed"\n>\n'
    )

    assert own_line(log, 0, "StatisticsGen: ") == (
        "Prism has ended (UNAVAILABLE: Socket closed)",
        False,
    )
    assert own_line(log, 0, "Trainer: ") is None


def test_an_error_that_was_not_written_for_the_user_is_known_by_its_traceback(
    log: pathlib.Path,
) -> None:
    log.write_text(
        "Trainer: ValueError: one two\nTraceback (most recent call last):\n  File x\n"
        "ValueError: one\ntwo\n"
    )

    assert own_line(log, 0, "Trainer: ") == ("ValueError: one two", True)
