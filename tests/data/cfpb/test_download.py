"""Downloads from a server on loopback that cuts, stalls, redirects and lies."""

import contextlib
import dataclasses
import http.server
import io
import json
import pathlib
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from components.errors import InputDataError
from data.cfpb.download import Downloaded, Patience, api_url, check_url, download
from tests.data.cfpb.test_data_commands import csv_text, read, row, run
from tests.loopback import serving

QUICK = Patience(attempts=3, first_wait_seconds=0.01, connect_seconds=2, read_seconds=0.3)
DATA = bytes(range(256)) * 4_000


@dataclasses.dataclass
class Mirror:
    """A file on a server, and how the server behaves.

    Attributes:
        data: The file.
        tag: Its ETag; empty for none.
        cuts: After how many bytes each of the next answers is cut.
        stalls: After how many bytes each of the next answers comes to a stop.
        statuses: What the next requests are answered with instead.
        lies: What each of the next answers adds to its Content-Length.
        redirect: Where requests for ``/from`` are sent.
        ranges: Whether parts are sent.
        asked: The Range of each request.
    """

    data: bytes = DATA
    tag: str = '"one"'
    cuts: list[int] = dataclasses.field(default_factory=list)
    stalls: list[int] = dataclasses.field(default_factory=list)
    statuses: list[int] = dataclasses.field(default_factory=list)
    lies: list[int] = dataclasses.field(default_factory=list)
    redirect: str = ""
    ranges: bool = True
    asked: list[str] = dataclasses.field(default_factory=list)
    queries: list[str] = dataclasses.field(default_factory=list)
    on_answer: Callable[[], None] = lambda: None
    url: str = ""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        mirror: Mirror = self.server.state  # type: ignore[attr-defined]
        self.close_connection = True
        path, _, query = self.path.partition("?")
        mirror.queries.append(query)
        if path == "/from":
            self._answer(302, {"Location": mirror.redirect}, b"")
            return
        mirror.asked.append(self.headers.get("Range", ""))
        if mirror.statuses and (status := mirror.statuses.pop(0)):
            self._answer(status, {}, b"no")
            return
        start = self._start(mirror)
        if start is not None and start >= len(mirror.data):
            self._answer(416, {"Content-Range": f"bytes */{len(mirror.data)}"}, b"")
            return
        body = mirror.data[start or 0 :]
        headers = {"ETag": mirror.tag} if mirror.tag else {}
        if start is not None:
            whole = len(mirror.data)
            headers["Content-Range"] = f"bytes {start}-{whole - 1}/{whole}"
        self._send(mirror, 200 if start is None else 206, headers, body)
        mirror.on_answer()

    def _start(self, mirror: Mirror) -> int | None:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        is_same = self.headers.get("If-Range") == mirror.tag
        return int(found[1]) if found and mirror.ranges and is_same else None

    def _send(self, mirror: Mirror, status: int, headers: dict[str, str], body: bytes) -> None:
        lie = mirror.lies.pop(0) if mirror.lies else 0
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + lie))
        self.send_header("Connection", "close")
        self.end_headers()
        cut = mirror.cuts.pop(0) if mirror.cuts else len(body)
        stall = mirror.stalls.pop(0) if mirror.stalls else None
        with contextlib.suppress(OSError):
            self.wfile.write(body[: cut if stall is None else stall])
            self.wfile.flush()
            if stall is not None:
                time.sleep(1)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serving(_Handler, Mirror()) as state:
        yield state


def fetch(mirror: Mirror, path: pathlib.Path, url: str = "", **options: Any) -> Downloaded:
    return download(url or f"{mirror.url}/file", path, patience=QUICK, **options)


def test_a_file_comes_whole(mirror: Mirror, tmp_path: pathlib.Path) -> None:
    seen: list[tuple[int, int | None]] = []

    done = fetch(mirror, tmp_path / "f", on_progress=lambda *values: seen.append(values))

    assert done.path.read_bytes() == DATA
    assert (seen[0], seen[-1]) == ((0, len(DATA)), (len(DATA), len(DATA)))


def test_a_connection_that_is_cut_is_taken_up_where_it_ended(
    mirror: Mirror, tmp_path: pathlib.Path
) -> None:
    mirror.cuts = [300_000, 300_000, 0]

    assert fetch(mirror, tmp_path / "f").path.read_bytes() == DATA
    starts = [int(text.strip("bytes=-") or 0) for text in mirror.asked]
    # What came before the cut stays, up to what lay in a buffer.
    assert starts == sorted(starts)
    assert starts[-1] > 200_000


def test_a_connection_that_stalls_is_given_up_and_taken_up(
    mirror: Mirror, tmp_path: pathlib.Path
) -> None:
    mirror.stalls = [600_000]
    problems: list[str] = []

    done = fetch(mirror, tmp_path / "f", on_wait=lambda problem, _: problems.append(problem))

    assert done.path.read_bytes() == DATA
    assert problems == ["no bytes in time"]


def test_a_second_process_goes_on_from_what_the_first_one_left(
    mirror: Mirror, tmp_path: pathlib.Path
) -> None:
    mirror.cuts = [600_000]
    mirror.statuses = [0, 500, 500, 500]
    with pytest.raises(InputDataError, match="3 times in a row"):
        fetch(mirror, tmp_path / "f")
    size = (tmp_path / "f").stat().st_size
    assert 0 < size < len(DATA)

    assert fetch(mirror, tmp_path / "f").path.read_bytes() == DATA
    assert mirror.asked[-1] == f"bytes={size}-"


def test_a_file_that_has_changed_in_the_meantime_is_fetched_anew(
    mirror: Mirror, tmp_path: pathlib.Path
) -> None:
    mirror.cuts = [600_000]

    def change() -> None:
        mirror.data, mirror.tag = DATA[::-1], '"two"'

    mirror.on_answer = change

    assert fetch(mirror, tmp_path / "f").path.read_bytes() == DATA[::-1]


def test_without_a_validator_nothing_is_put_together(
    mirror: Mirror, tmp_path: pathlib.Path
) -> None:
    mirror.tag = ""
    mirror.cuts = [600_000]

    assert fetch(mirror, tmp_path / "f").path.read_bytes() == DATA
    assert mirror.asked == ["", ""]


def test_a_server_without_parts_sends_all_again(mirror: Mirror, tmp_path: pathlib.Path) -> None:
    mirror.ranges = False
    mirror.cuts = [600_000]

    assert fetch(mirror, tmp_path / "f").path.read_bytes() == DATA


@pytest.mark.parametrize("lie", [10, -10])
def test_a_length_that_is_wrong_once_does_no_harm(
    mirror: Mirror, tmp_path: pathlib.Path, lie: int
) -> None:
    mirror.lies = [lie]
    mirror.ranges = False

    done = fetch(mirror, tmp_path / "f")

    # A file that is said to be shorter ends where it is said to end.
    assert done.path.read_bytes() == (DATA if lie > 0 else DATA[:lie])


def test_a_length_that_is_always_too_large_is_an_error(
    mirror: Mirror, tmp_path: pathlib.Path
) -> None:
    mirror.lies = [10] * 10

    with pytest.raises(InputDataError, match="times in a row"):
        fetch(mirror, tmp_path / "f")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_busy_is_asked_again(
    mirror: Mirror, tmp_path: pathlib.Path, status: int
) -> None:
    mirror.statuses = [status, status]

    assert fetch(mirror, tmp_path / "f").path.read_bytes() == DATA


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_final(mirror: Mirror, tmp_path: pathlib.Path, status: int) -> None:
    mirror.statuses = [status]

    with pytest.raises(InputDataError, match=f"answered {status} "):
        fetch(mirror, tmp_path / "f")
    assert len(mirror.asked) == 1


def test_an_empty_answer_is_an_error_and_leaves_nothing(
    mirror: Mirror, tmp_path: pathlib.Path
) -> None:
    mirror.data = b""

    with pytest.raises(InputDataError, match="answered with nothing"):
        fetch(mirror, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_is_followed(mirror: Mirror, tmp_path: pathlib.Path) -> None:
    mirror.redirect = "/file"

    done = fetch(mirror, tmp_path / "f", f"{mirror.url}/from")

    assert done.path.read_bytes() == DATA
    assert done.url == f"{mirror.url}/file"


@pytest.mark.parametrize(
    ("target", "said"),
    [("file:///etc/passwd", "not http or https"), ("/from", "redirects without end")],
)
def test_a_redirect_to_nowhere_is_refused(
    mirror: Mirror, tmp_path: pathlib.Path, target: str, said: str
) -> None:
    mirror.redirect = target

    with pytest.raises(InputDataError, match=said):
        fetch(mirror, tmp_path / "f", f"{mirror.url}/from")


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a/b", "x", "https://", "http://u:p@h/", "http://h:99999/"]
)
def test_an_address_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(InputDataError) as error:
        check_url(url)
    assert "u:p" not in str(error.value)


def test_nobody_there_is_an_error_with_the_address(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InputDataError, match=r"^http://127\.0\.0\.1:9/x: .* 3 times in a row"):
        download("http://127.0.0.1:9/x?token=secret", tmp_path / "f", patience=QUICK)


def test_the_api_is_asked_for_csv_with_narratives() -> None:
    url = api_url("https://example.com/v1/", received_from="2016-01-01", received_to=None)

    assert url == (
        "https://example.com/v1/?format=csv&no_aggs=true&has_narrative=true&field=all"
        "&date_received_min=2016-01-01"
    )


def zipped(text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("complaints.csv", text)
    return packed.getvalue()


def test_the_command_downloads_and_prepares(mirror: Mirror, tmp_path: pathlib.Path) -> None:
    mirror.data = zipped(csv_text([row(1), row(2, consumer_disputed="N/A")]))
    out = tmp_path / "data"

    result = run("download", "--url", f"{mirror.url}/complaints.csv.zip", "--out", out)

    assert result.exit_code == 0, result.stderr
    assert f"{out}: 1 of 2 complaints in 1 file, 0 disputed" in result.stdout
    assert [item["complaint_id"] for item in read(out)] == ["1"]
    (source,) = json.loads((out / "manifest.json").read_text())["sources"]
    assert source["url"] == f"{mirror.url}/complaints.csv.zip"
    assert len(source["sha256"]) == 64
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", source["retrieved"])
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_the_command_takes_csv_from_the_api(mirror: Mirror, tmp_path: pathlib.Path) -> None:
    mirror.data = csv_text([row(1)]).encode()
    words = ("--source", "api", "--url", f"{mirror.url}/v1/", "--received-to", "2016-03-31")

    result = run("download", *words, "--out", tmp_path / "data")

    assert result.exit_code == 0, result.stderr
    assert mirror.queries == [
        "format=csv&no_aggs=true&has_narrative=true&field=all&date_received_max=2016-03-31"
    ]


def test_a_corrupt_archive_is_named_and_can_be_fetched_anew(
    mirror: Mirror, tmp_path: pathlib.Path
) -> None:
    good = zipped(csv_text([row(number) for number in range(200)]))
    mirror.data = good[:400] + b"\0\0\0\0" + good[404:]
    words = ("--url", f"{mirror.url}/f.zip", "--out", tmp_path / "data")

    result = run("download", *words)

    assert result.exit_code == 1
    assert "is damaged" in result.stderr
    assert list(tmp_path.iterdir()) == []

    # The server's file was good all the time: it says that it is the same one.
    mirror.data = good
    assert run("download", *words).exit_code == 0


def test_a_folder_that_is_taken_is_refused_before_the_download(
    mirror: Mirror, tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "data"
    out.mkdir()
    (out / "old.csv").write_text("old")

    result = run("download", "--url", f"{mirror.url}/f.zip", "--out", out)

    assert result.exit_code == 1
    assert mirror.asked == []
