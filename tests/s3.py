"""Moto's server of Amazon S3 on loopback, in this process, with one bucket."""

import contextlib
import dataclasses
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import requests

KEY_ID, SECRET_KEY = "an-access-key", "a-secret-key"
REGION = "eu-west-1"


@dataclasses.dataclass(frozen=True)
class S3Server:
    """A server that runs.

    Attributes:
        url: Its address.
        client: A boto3 client of it.
        variables: What a process needs in its environment to use it.
    """

    url: str
    client: Any
    variables: Mapping[str, str]


@contextlib.contextmanager
def running_s3(bucket: str) -> Iterator[S3Server]:
    """Runs a server with one bucket.

    Args:
        bucket: Name of the bucket.
    """
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        # What it knows is this process's, and outlives a server.
        requests.post(f"{url}/moto-api/reset", timeout=10).raise_for_status()
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET_KEY,
        )
        client.create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        yield S3Server(
            url,
            client,
            {
                "AWS_ENDPOINT_URL_S3": url,
                "AWS_REGION": REGION,
                "AWS_ACCESS_KEY_ID": KEY_ID,
                "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            },
        )
    finally:
        server.stop()
