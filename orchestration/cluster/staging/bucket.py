"""A bucket of Google Cloud Storage."""

import base64
import contextlib
import dataclasses
import hashlib
import io
import mimetypes
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from components import google_key_file
from components.errors import InputDataError
from components.google_cloud_errors import connection_problem, first_argument
from orchestration.cluster.errors import ClusterError
from orchestration.cluster.staging.places import Place
from orchestration.cluster.staging.sources import is_data, read_through
from orchestration.cluster.staging.target import ABSENT, DIFFERS, SAME, Found, Wanted

#: A multiple of 256 KiB, as resumable uploads demand; what a broken connection costs at most.
_CHUNK_BYTES = 8 * 1024 * 1024
_LOG_IN = (
    "log in with 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS"
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Checksum:
    """The checksums that Cloud Storage keeps, in its notation, and the object's generation."""

    crc32c: str
    md5: str
    generation: int

    def is_of(self, blob: Any) -> bool:
        """Tells whether an object has them; composite ones have no MD5."""
        return blob.crc32c == self.crc32c and blob.md5_hash in (None, self.md5)


class GoogleBucket:
    """A bucket of Google Cloud Storage, or of what STORAGE_EMULATOR_HOST names."""

    def __init__(self, name: str) -> None:
        """Makes the client.

        Raises:
            ClusterError: If there are no credentials, or what should be some is none.
        """
        from google.cloud import storage

        key_file = os.environ.get(google_key_file.VARIABLE)
        if key_file and (problem := google_key_file.problem(pathlib.Path(key_file))):
            raise ClusterError(
                f"gs://{name}: {key_file} ({google_key_file.VARIABLE}) {problem}; {_LOG_IN}"
            )
        self._name = name
        with self._errors(f"gs://{name}"):
            self._client = storage.Client(project=None)
            self._bucket = self._client.bucket(name)

    def look(
        self, wanted: Sequence[Wanted], folder: Place | None, on_bytes: Callable[[int], None]
    ) -> tuple[list[Found], list[str]]:
        """Compares files with what is in the bucket; see ``Target``."""
        places = {item.place.folder.path: item.place.folder for item in wanted}
        if folder is not None:
            places[folder.path] = folder
        # Listed and not asked for one by one: only a list tells a bucket that is not there from
        # an object that is not.
        blobs = {blob.name: blob for place in places.values() for blob in self._list(place)}
        found = [self._compare(item, blobs.get(item.place.inner), on_bytes) for item in wanted]
        names = []
        if folder is not None:
            start = _prefix(folder)
            names = [name.removeprefix(start) for name in blobs if name.startswith(start)]
        return found, [name for name in names if "/" not in name and is_data(name)]

    def send(self, found: Sequence[Found], on_progress: Callable[[Found, int], None]) -> None:
        """Sends files to the bucket; see ``Target``.

        An object is there as a whole or not at all, and only where its checksum is right. Chunks
        are repeated where the connection breaks; what a killed process has sent is lost.
        """
        for item in found:
            self._send_one(item, on_progress)

    def _send_one(self, found: Found, on_progress: Callable[[Found, int], None]) -> None:
        from google.api_core.exceptions import PreconditionFailed
        from google.cloud.storage.retry import DEFAULT_RETRY

        wanted, checksum = found.wanted, found.checksum
        wanted.source.require_unchanged()
        blob = self._bucket.blob(wanted.place.inner, chunk_size=_CHUNK_BYTES)
        # Cloud Storage itself compares them, before the object can be seen.
        blob.crc32c, blob.md5_hash = checksum.crc32c, checksum.md5
        kind = mimetypes.guess_type(wanted.source.name)[0] or "application/octet-stream"
        try:
            stream = wanted.source.path.open("rb", buffering=0)
        except OSError as error:
            raise InputDataError(f"{wanted.source.path}: {error.strerror}") from error
        with stream, self._errors(wanted.place.path, wanted):
            try:
                blob.upload_from_file(
                    _Watched(stream, lambda position: on_progress(found, position)),
                    size=wanted.source.size,
                    content_type=kind,
                    # 0: there must be none.
                    if_generation_match=checksum.generation,
                    retry=DEFAULT_RETRY,
                )
            except PreconditionFailed:
                # Where an answer was lost, the repeat finds what the first try has made.
                there = self._bucket.get_blob(wanted.place.inner)
                if there is None or not checksum.is_of(there):
                    raise
        on_progress(found, wanted.source.size)

    def _compare(self, item: Wanted, blob: Any | None, on_bytes: Callable[[int], None]) -> Found:
        import google_crc32c

        crc32c, md5 = google_crc32c.Checksum(), hashlib.md5(usedforsecurity=False)
        read_through(item.source, [crc32c.update, md5.update], on_bytes)
        checksum = _Checksum(
            crc32c=base64.b64encode(crc32c.digest()).decode(),
            md5=base64.b64encode(md5.digest()).decode(),
            generation=0 if blob is None else int(blob.generation),
        )
        state = ABSENT if blob is None else SAME if checksum.is_of(blob) else DIFFERS
        return Found(wanted=item, state=state, partial=0, checksum=checksum)

    def _list(self, place: Place) -> list[Any]:
        with self._errors(place.path), _login_answers(place.path):
            return list(
                self._client.list_blobs(
                    self._bucket,
                    prefix=_prefix(place),
                    delimiter="/",
                    fields="items(name,size,crc32c,md5Hash,generation),nextPageToken",
                )
            )

    @contextlib.contextmanager
    def _errors(self, uri: str, wanted: Wanted | None = None) -> Iterator[None]:
        """Turns what Google's libraries raise into one line with what to do."""
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError
        from requests import RequestException

        try:
            yield
        except exceptions.PreconditionFailed as error:
            raise ClusterError(
                f"{uri}: has been written by somebody else meanwhile; stage again to see what "
                "differs"
            ) from error
        except exceptions.NotFound as error:
            raise ClusterError(f"{uri}: there is no bucket {self._name}; make it first") from error
        except exceptions.Unauthorized as error:
            raise ClusterError(
                f"{uri}: the credentials are missing or expired; {_LOG_IN}"
            ) from error
        except exceptions.Forbidden as error:
            raise ClusterError(
                f"{uri}: you may not list or write there; ask for the role Storage Object User "
                f"(roles/storage.objectUser) on bucket {self._name}"
            ) from error
        except GoogleAuthError as error:
            said = first_argument(error).rstrip(". ")
            raise ClusterError(f"{uri}: {said}; {_LOG_IN}") from error
        except (exceptions.BadRequest, ValueError) as error:
            if wanted is not None:
                wanted.source.require_unchanged()
            raise ClusterError(f"{uri}: was refused: {_one_line(error)}") from error
        except (exceptions.RetryError, RequestException) as error:
            reason = connection_problem(error)
            raise ClusterError(f"{uri}: no success: {reason}; stage again") from error
        except exceptions.GoogleAPIError as error:
            raise ClusterError(f"{uri}: no success: {_one_line(error)}; stage again") from error


@contextlib.contextmanager
def _login_answers(uri: str) -> Iterator[None]:
    """Tells a page in the place of an answer, at which google.auth fails as at a bug."""
    try:
        yield
    except (TypeError, AttributeError, KeyError) as error:
        raise ClusterError(
            f"{uri}: Google's login service, or Cloud Storage, has answered, but not as they do; "
            "check whether a proxy or a login page is between"
        ) from error


class _Watched(io.RawIOBase):
    """A file that tells how far it has been read."""

    def __init__(self, stream: Any, on_position: Callable[[int], None]) -> None:
        self._stream = stream
        self._on_position = on_position

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._stream.read(size)
        self._on_position(self._stream.tell())
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self._stream.tell())


def _prefix(folder: Place) -> str:
    return f"{folder.inner}/" if folder.inner else ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
