"""Lines of a log that grows, the same here and on Kubeflow."""

from orchestration.local.run_record import StepRecord
from orchestration.log_following import LogLook, followed_lines


def lines_of(*gained: bytes, tail: int | None = None) -> list[list[str]]:
    """The lines after each look; the last one is over."""
    looks = iter(
        LogLook(run="r", step=StepRecord("s"), gained=data, is_over=number == len(gained))
        for number, data in enumerate(gained, 1)
    )
    return [lines for _, lines in followed_lines(lambda: next(looks), every_seconds=0, tail=tail)]


def test_what_is_new_comes_after_each_look_until_it_is_over() -> None:
    assert lines_of(b"one\ntwo\n", b"", b"three\n") == [["one", "two"], [], ["three"]]


def test_a_line_comes_when_it_is_whole() -> None:
    assert lines_of(b"one\ntw", b"o\nthr", b"ee") == [["one"], ["two"], ["three"]]


def test_a_character_that_is_cut_in_two_is_whole_again() -> None:
    first, last = "né\n".encode()[:2], "né\n".encode()[2:]

    assert lines_of(first, last) == [[], ["né"]]


def test_a_tail_is_of_what_is_there_at_first() -> None:
    assert lines_of(b"1\n2\n3\n", b"4\n5\n6\n", tail=2) == [["2", "3"], ["4", "5", "6"]]
    assert lines_of(b"1\n2\n3", tail=2) == [["2", "3"]]
    assert lines_of(b"", b"1\n2\n3\n", tail=2) == [[], ["1", "2", "3"]]


def test_nothing_is_obeyed_by_the_terminal() -> None:
    assert lines_of(b"\x1b[31mred\x1b[0m\x07\r\n\xff\n") == [["red", "\ufffd"]]
