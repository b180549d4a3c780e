"""A server that speaks S3: moto's, in a thread of the tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from helpers.buckets import BUCKET, SECRET, Bucket


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    """Run a server, and return its URL."""
    moto = pytest.importorskip("moto.server", reason="the extra 'recipes' is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Make an empty bucket, and set the variables that lead there."""
    boto3 = pytest.importorskip("boto3", reason="the extra 'recipes' is not installed")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-of-the-tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    made = Bucket(s3_server, client)
    yield made
    for key in made.keys():  # noqa: SIM118  (no mapping)
        client.delete_object(Bucket=BUCKET, Key=key)
    client.delete_bucket(Bucket=BUCKET)
    client.close()
