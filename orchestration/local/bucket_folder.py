"""A folder in a bucket, as far as its owner's mark needs it, by the clouds' own clients."""

import contextlib
import functools
import http
import os
import time
from collections.abc import Iterator
from typing import Any

from components import bucket_check
from components.errors import RunError
from components.object_storage import S3, Location

#: S3 answers a write with a conflict while another one of the same name goes on.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
_CONFLICTS = 5
_CONFLICT_SECONDS = 1.0


class BucketFolder:
    """A folder in a bucket of S3 or of Cloud Storage."""

    def __init__(self, place: Location) -> None:
        """Takes the folder, and looks whether its bucket can be reached.

        Raises:
            RunError: If it cannot.
        """
        bucket_check.check(place)
        self._place = place
        self._prefix = f"{place.path.rstrip('/')}/" if place.path else ""

    def read(self, name: str) -> str | None:
        """Returns what a file of the folder holds; ``None`` if there is none."""
        key = self._prefix + name
        with self._errors():
            if self._place.scheme == S3:
                if key not in self._first(key):
                    return None
                answer = self._s3.get_object(Bucket=self._place.bucket, Key=key)
                return str(answer["Body"].read().decode())
            blob = self._google.get_blob(key)
            return None if blob is None else str(blob.download_as_text())

    def create(self, name: str, text: str) -> None:
        """Writes a file of the folder unless it is there, as far as the storage can tell."""
        key = self._prefix + name
        with self._errors():
            if self._place.scheme == S3:
                self._create_in_s3(key, text.encode())
            else:
                self._create_in_google(key, text)

    def _create_in_s3(self, key: str, content: bytes) -> None:
        from botocore.exceptions import ClientError

        target = {"Bucket": self._place.bucket, "Key": key, "Body": content}
        for left in reversed(range(_CONFLICTS)):
            try:
                self._s3.put_object(**target, IfNoneMatch="*")
            except ClientError as error:
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
                if status == http.HTTPStatus.CONFLICT and left:
                    # Somebody else is writing it, and may fail.
                    time.sleep(_CONFLICT_SECONDS)
                    continue
                if status == http.HTTPStatus.NOT_IMPLEMENTED:
                    self._s3.put_object(**target)
                elif status != http.HTTPStatus.PRECONDITION_FAILED:
                    raise
            return

    def _create_in_google(self, key: str, text: str) -> None:
        from google.api_core.exceptions import PreconditionFailed

        with contextlib.suppress(PreconditionFailed):
            # 0: there must be none.
            self._google.blob(key).upload_from_string(text, if_generation_match=0)

    def is_empty(self) -> bool:
        """Tells whether there is nothing in the folder."""
        with self._errors():
            return not self._first(self._prefix)

    def _first(self, prefix: str) -> list[str]:
        """Returns the first name in the bucket that begins so, if any."""
        if self._place.scheme == S3:
            answer = self._s3.list_objects_v2(Bucket=self._place.bucket, Prefix=prefix, MaxKeys=1)
            return [item["Key"] for item in answer.get("Contents", ())]
        return [blob.name for blob in self._google.list_blobs(prefix=prefix, max_results=1)]

    @functools.cached_property
    def _s3(self) -> Any:
        import boto3

        return boto3.client("s3", region_name=os.environ.get("AWS_REGION") or None)

    @functools.cached_property
    def _google(self) -> Any:
        from google.cloud import storage

        # A project is for making buckets only.
        return storage.Client(project="none").bucket(self._place.bucket)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError
        from requests import RequestException

        try:
            yield
        except (
            *(Boto3Error, BotoCoreError, ClientError),
            *(GoogleAPIError, GoogleAuthError, RequestException),
        ) as error:
            reason = " ".join(str(error).split())[:300]
            raise RunError(
                f"{self._place}: the outputs' folder cannot be read and written: {reason}; allow "
                "s3:GetObject, s3:PutObject and s3:DeleteObject in it, or the role Storage Object "
                "User (roles/storage.objectUser)"
            ) from error
