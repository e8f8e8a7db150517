"""A bucket of Amazon S3, or of what speaks its protocol."""

import contextlib
import dataclasses
import functools
import hashlib
import io
import mimetypes
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from components import bucket_check
from components.errors import RunError
from components.object_storage import S3, Location
from orchestration.cluster.errors import ClusterError
from orchestration.cluster.staging.places import Place
from orchestration.cluster.staging.sources import SourceFile, is_data, read_through
from orchestration.cluster.staging.target import ABSENT, DIFFERS, SAME, Found, Wanted

#: Metadata of an object with the SHA-256 of all of it: S3's own is of its parts.
_SHA256 = "sha256"

#: What S3 and its like say of an upload that has ended, and of a call that is not allowed or known.
_NO_UPLOAD = "NoSuchUpload"
_MAY_NOT = {"AccessDenied", "403", "NotImplemented", "MethodNotAllowed"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Checksum:
    """The checksums of a file, in hexadecimal, and the tag of the object of its name, if any."""

    sha256: str
    md5: str
    tag: str | None


class S3Bucket:
    """A bucket of S3, at the endpoint that AWS_ENDPOINT_URL_S3 names."""

    def __init__(self, name: str) -> None:
        """Takes the bucket's name."""
        self._name = name

    @functools.cached_property
    def _client(self) -> Any:
        import boto3

        return boto3.client("s3", region_name=os.environ.get("AWS_REGION") or None)

    def look(
        self, wanted: Sequence[Wanted], folder: Place | None, on_bytes: Callable[[int], None]
    ) -> tuple[list[Found], list[str]]:
        """Compares files with what is in the bucket; see ``Target``."""
        places = {item.place.folder.path: item.place.folder for item in wanted}
        if folder is not None:
            places[folder.path] = folder
        objects = {item["Key"]: item for place in places.values() for item in self._list(place)}
        found = [self._compare(item, objects.get(item.place.inner), on_bytes) for item in wanted]
        names = []
        if folder is not None:
            start = _prefix(folder)
            names = [name.removeprefix(start) for name in objects if name.startswith(start)]
        return found, [name for name in names if "/" not in name and is_data(name)]

    def send(self, found: Sequence[Found], on_progress: Callable[[Found, int], None]) -> None:
        """Sends files to the bucket; see ``Target``.

        An object is there as a whole or not at all. What a killed process has sent is lost; S3
        keeps it, unseen and charged for, until it is removed here.
        """
        self._abort_uploads({item.wanted.place.inner: item.wanted.place for item in found})
        for item in found:
            self._send_one(item, on_progress)

    def _abort_uploads(self, places: Mapping[str, Place]) -> None:
        """Removes what broken uploads have left of these objects, where that is allowed."""
        if not places:
            return
        # Of characters, as S3 takes it.
        prefix = os.path.commonprefix(list(places))  # noqa: RUF071
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._name, Prefix=prefix
        )
        with self._errors(next(iter(places.values())).folder.path), _suppressed(_MAY_NOT):
            for upload in (item for page in pages for item in page.get("Uploads", ())):
                if upload["Key"] in places:
                    with _suppressed({_NO_UPLOAD}):
                        self._client.abort_multipart_upload(
                            Bucket=self._name, Key=upload["Key"], UploadId=upload["UploadId"]
                        )

    def _send_one(self, found: Found, on_progress: Callable[[Found, int], None]) -> None:
        wanted, checksum = found.wanted, found.checksum
        kind = mimetypes.guess_type(wanted.source.name)[0] or "application/octet-stream"
        wanted.source.require_unchanged()
        with self._errors(wanted.place.path):
            if self._tag(wanted.place) != checksum.tag:
                raise _written_meanwhile(wanted.place.path)
            self._client.upload_fileobj(
                _Watched(wanted.source, lambda position: on_progress(found, position)),
                self._name,
                wanted.place.inner,
                ExtraArgs={"ContentType": kind, "Metadata": {_SHA256: checksum.sha256}},
            )
        on_progress(found, wanted.source.size)

    def _compare(
        self, item: Wanted, there: dict[str, Any] | None, on_bytes: Callable[[int], None]
    ) -> Found:
        sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        read_through(item.source, [sha256.update, md5.update], on_bytes)
        checksum = _Checksum(
            sha256=sha256.hexdigest(),
            md5=md5.hexdigest(),
            tag=None if there is None else there["ETag"],
        )
        if there is None:
            state = ABSENT
        elif there["Size"] == item.source.size and self._is_same(item, there, checksum):
            state = SAME
        else:
            state = DIFFERS
        return Found(wanted=item, state=state, partial=0, checksum=checksum)

    def _is_same(self, item: Wanted, there: dict[str, Any], checksum: _Checksum) -> bool:
        # What was sent in one part, by whatever tool, has its MD5 as its tag.
        if there["ETag"].strip('"') == checksum.md5:
            return True
        with self._errors(item.place.path):
            head = self._client.head_object(Bucket=self._name, Key=item.place.inner)
        return bool(head["Metadata"].get(_SHA256) == checksum.sha256)

    def _tag(self, place: Place) -> str | None:
        """Returns the tag of what is there now; ``None`` for nothing."""
        listed = self._client.list_objects_v2(Bucket=self._name, Prefix=place.inner, MaxKeys=1).get(
            "Contents", ()
        )
        return next((item["ETag"] for item in listed if item["Key"] == place.inner), None)

    def _list(self, place: Place) -> list[dict[str, Any]]:
        try:
            bucket_check.check(Location(scheme=S3, bucket=self._name, path=_prefix(place)))
        except RunError as error:
            raise ClusterError(str(error)) from error
        with self._errors(place.path):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._name, Prefix=_prefix(place), Delimiter="/"
            )
            return [item for page in pages for item in page.get("Contents", ())]

    @contextlib.contextmanager
    def _errors(self, uri: str) -> Iterator[None]:
        """Turns what boto3 raises into one line with what to do."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            if _code(error) == _NO_UPLOAD:
                raise _written_meanwhile(uri) from error
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if status == 403:
                raise ClusterError(
                    f"{uri}: you may not write there ({_code(error)}); allow s3:PutObject and "
                    f"s3:GetObject in bucket {self._name}"
                ) from error
            raise ClusterError(f"{uri}: was refused: {_one_line(error)}") from error
        except (BotoCoreError, Boto3Error) as error:
            raise ClusterError(f"{uri}: no success: {_one_line(error)}; stage again") from error


class _Watched(io.RawIOBase):
    """What a file holds; reading it fails where it changes, so that nothing gets its name."""

    def __init__(self, source: SourceFile, on_position: Callable[[int], None]) -> None:
        self._chunks = source.chunks()
        self._on_position = on_position
        self._left = b""
        self._position = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._left) < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._left += chunk
        data = self._left if size < 0 else self._left[:size]
        self._left = self._left[len(data) :]
        self._position += len(data)
        self._on_position(self._position)
        return data


@contextlib.contextmanager
def _suppressed(codes: Collection[str]) -> Iterator[None]:
    """Leaves out some of S3's errors."""
    from botocore.exceptions import ClientError

    try:
        yield
    except ClientError as error:
        if _code(error) not in codes:
            raise


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code"))


def _written_meanwhile(uri: str) -> ClusterError:
    return ClusterError(
        f"{uri}: has been written by somebody else meanwhile; stage again to see what differs"
    )


def _prefix(folder: Place) -> str:
    return f"{folder.inner}/" if folder.inner else ""


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
