"""An S3 server in this process; the commands reach it as they reach any, by AWS_* variables."""

from collections.abc import Iterator
from contextlib import contextmanager

import fsspec
from moto.server import ThreadedMotoServer

from infra.local.ports import HOST

BUCKET = "kept"


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """What the environment must say to reach it; it has one empty bucket."""
    server = ThreadedMotoServer(HOST, 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    url = f"http://{HOST}:{port}"
    try:
        options = {"key": "tests", "secret": "tests", "endpoint_url": url}
        fsspec.filesystem("s3", skip_instance_cache=True, **options).mkdir(BUCKET)
        yield {
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": "tests",
            "AWS_ENDPOINT_URL": url,
        }
    finally:
        server.stop()
