"""A bucket of the tests, as a client sees it that is not ours."""

from __future__ import annotations

from typing import Any

from attrs import frozen

SECRET = "the-secret-of-the-bucket"
BUCKET = "history"


@frozen
class Bucket:
    """A bucket of a server that speaks S3, and a client of it."""

    url: str
    client: Any

    def keys(self) -> list[str]:
        """List the keys of all objects."""
        found = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return [each["Key"] for each in found]

    def read(self, key: str) -> bytes:
        """Read an object."""
        content: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return content

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def uploads(self) -> list[Any]:
        """List the uploads in parts that are not completed."""
        found: list[Any] = self.client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return found
