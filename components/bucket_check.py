"""Looks whether a bucket can be reached, before TensorFlow tries for minutes.

TensorFlow's file systems take a refused connection, a missing credential and a bucket that is not
there for a missing file, or repeat the call ten times. The clouds' own clients say which it is.
"""

import os
import re
from typing import Any

from components import object_storage
from components.errors import PipelineError, RunError
from components.object_storage import S3, Location

#: How long one answer may take, and how often it is asked for.
_SECONDS = 10
_ATTEMPTS = 2

_DOCS = "see docs/storage.md"

_NO_BUCKET = "NoSuchBucket"

# What may be in a header; Python's client tells one that has more with all its text.
_PLAIN = re.compile(r"[\x21-\x7e]+")


class NoBucketError(RunError):
    """A bucket that is not there, by the word of its storage."""


#: What became of the buckets that were opened: a silent one takes its time only once.
_outcomes: dict[tuple[str, str], PipelineError | None] = {}


def open_bucket(place: Location) -> None:
    """Lets this process read and write a bucket, once it can be reached.

    Args:
        place: A place in the bucket, which is looked at once in a process; there need be nothing
            at it.

    Raises:
        RunError: As ``check``.
        WorkflowError: As ``object_storage.register``.
    """
    key = (place.scheme, place.bucket)
    if key not in _outcomes:
        try:
            check(place)
            object_storage.register([place.scheme])
            _outcomes[key] = None
        except PipelineError as error:
            _outcomes[key] = error
    if (problem := _outcomes[key]) is not None:
        raise type(problem)(str(problem)) from problem


def check(place: Location) -> None:
    """Lists one object below a place.

    Args:
        place: The place; there need be nothing at it.

    Raises:
        NoBucketError: If its bucket is not there.
        RunError: If that cannot be listed; within a minute.
    """
    if not place.bucket:
        raise RunError(f"{place}: names no bucket; write it as {place.scheme}://BUCKET/FOLDER")
    if place.scheme == S3:
        _check_s3(place)
    else:
        _check_google(place)


def _check_s3(place: Location) -> None:
    import boto3
    from botocore import exceptions
    from botocore.config import Config

    config = Config(
        connect_timeout=_SECONDS,
        read_timeout=_SECONDS,
        retries={"total_max_attempts": _ATTEMPTS},
        # As TensorFlow does; an endpoint's certificate is for its host alone.
        s3={"addressing_style": "path"},
    )
    bundle = os.environ.get("AWS_CA_BUNDLE")
    if bundle and not os.path.exists(bundle):  # noqa: PTH110 (as OpenSSL reads it)
        raise RunError(
            f"{place}: {bundle} (AWS_CA_BUNDLE) is not there; check storage.s3_ca_file, and the "
            "secret that brings it"
        )
    region, endpoint = None, "Amazon S3"
    try:
        session = boto3.Session()
        _require_plain_credentials(place, session)
        client = session.client(
            "s3", region_name=os.environ.get("AWS_REGION") or None, config=config
        )
        region, endpoint = client.meta.region_name, client.meta.endpoint_url
        answer = client.list_objects_v2(Bucket=place.bucket, Prefix=place.path, MaxKeys=1)
        if answer.get("Name") != place.bucket:
            # As a console or a login page does, which boto3 takes for an empty list.
            raise RunError(
                f"{place}: {endpoint} has answered, but not as S3 does; check storage.s3_endpoint"
            )
    except RecursionError as error:
        raise RunError(
            f"{place}: {endpoint} sends each call on to another address; set storage.s3_endpoint "
            "to that, such as https:// for http://"
        ) from error
    except exceptions.ClientError as error:
        answer = error.response
        kind = NoBucketError if answer.get("Error", {}).get("Code") == _NO_BUCKET else RunError
        raise kind(f"{place}: {_s3_problem(place, region, endpoint, answer)}") from error
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
    ) as error:
        raise RunError(
            f"{place}: no credentials for S3 ({_line(error)}): a pod has them by aws_secret or "
            f"by its service account's role, you by AWS's variables or ~/.aws; {_DOCS}"
        ) from error
    except exceptions.SSLError as error:
        by = f"the certificates in {bundle} (AWS_CA_BUNDLE)" if bundle else "the public authorities"
        raise RunError(
            f"{place}: {endpoint} cannot be trusted by {by}; name its own by storage.s3_ca_file "
            f"({_line(error)})"
        ) from error
    except (exceptions.BotoCoreError, ValueError, OSError) as error:
        raise RunError(
            f"{place}: {endpoint} does not answer ({_line(error)}); check storage.s3_endpoint"
        ) from error


def _require_plain_credentials(place: Location, session: Any) -> None:
    """Refuses what no header can hold, before an error shows it."""
    credentials = session.get_credentials()
    if credentials is None:
        return
    frozen = credentials.get_frozen_credentials()
    for name, text in (
        ("AWS_ACCESS_KEY_ID", frozen.access_key),
        ("AWS_SECRET_ACCESS_KEY", frozen.secret_key),
        ("AWS_SESSION_TOKEN", frozen.token),
    ):
        if text and not _PLAIN.fullmatch(text):
            raise RunError(
                f"{place}: {name} has a space, a line break or another character that is not for "
                "it; make the secret anew, from files that printf writes: echo ends a line"
            )


def _s3_problem(
    place: Location, region: str | None, endpoint: str, answer: dict[str, dict[str, object]]
) -> str:
    error = answer.get("Error", {})
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    # A proxy answers without one.
    code = str(error.get("Code") or f"HTTP {status}")
    if code == _NO_BUCKET:
        return f"there is no bucket {place.bucket} at {endpoint}; make it, or mend the URI"
    if code in ("PermanentRedirect", "AuthorizationHeaderMalformed") or status == 301:
        other = error.get("Region") or "another"
        return f"the bucket is in region {other}, not in {region}; set storage.s3_region"
    if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken"):
        return f"{endpoint} does not take the credentials ({code}); renew the secret"
    if status == 403:
        return (
            f"the credentials may not list it ({code}); allow s3:ListBucket on {place.bucket}, and "
            "s3:GetObject, s3:PutObject and s3:DeleteObject in it"
        )
    words = f"{status}" if code == str(status) else f"{status} {code}"
    return (
        f"{endpoint} has answered {words}: {_line(error.get('Message', ''))}; see its log, or "
        "check storage.s3_endpoint"
    )


def _check_google(place: Location) -> None:
    from google.api_core import exceptions
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
    from google.cloud import storage
    from requests import RequestException

    try:
        # A project is for making buckets only.
        client = storage.Client(project="none")
        blobs = client.list_blobs(
            place.bucket, prefix=place.path, max_results=1, timeout=_SECONDS, retry=None
        )
        next(iter(blobs), None)
    except exceptions.NotFound as error:
        raise NoBucketError(
            f"{place}: there is no bucket {place.bucket}; make it, or mend the URI"
        ) from error
    except (exceptions.Forbidden, exceptions.Unauthorized) as error:
        raise RunError(
            f"{place}: the credentials may not list it; give their account the role Storage Object "
            f"User (roles/storage.objectUser) on bucket {place.bucket}"
        ) from error
    except DefaultCredentialsError as error:
        raise RunError(
            f"{place}: no credentials for Cloud Storage: a pod has them by gcp_secret or workload "
            f"identity, you by 'gcloud auth application-default login'; {_DOCS}"
        ) from error
    except GoogleAuthError as error:
        raise RunError(
            f"{place}: Google does not take the credentials ({_line(error)}); renew them"
        ) from error
    except (exceptions.GoogleAPIError, RequestException, ValueError) as error:
        raise RunError(f"{place}: Cloud Storage does not answer ({_line(error)})") from error


def _line(error: object) -> str:
    return " ".join(str(error).split())[:300]
