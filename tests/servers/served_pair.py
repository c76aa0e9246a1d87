"""Two regions that serve the same release by one Triton, each with a worker that lists its states
again and again and scores half of the users as a standby.
"""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tritonclient import grpc

from inference import releases
from inference.training import train
from infra import control
from schemas.control import ModelRelease, Served
from schemas.serving import MODEL
from schemas.topics import MODEL_RELEASES
from streams.region.parity import is_sampled
from tests.inference.logs import chains
from tests.servers.conftest import RunningTriton
from tests.servers.pair import REGIONS, Pair, Region
from tests.servers.states import stock
from tests.servers.workers import Worker, own, until

USERS = [f"seen-{number}" for number in range(40)]
SHARE = 0.5
INSIDE = {user for user in USERS if is_sampled(user, SHARE)}
SLICES = 1
DEADLINE_MS = 5_000
"""Twenty times the default, for two slow, shared cores."""


def started(pair: Pair, triton: RunningTriton, folder: Path, digest_s: float) -> Iterator[Pair]:
    """Each region owns itself, sells the same items, serves the same release and has one worker."""
    release = releases.write(train(chains()), folder / "releases", {})
    releases.install(release, triton.repository)
    releases.load(triton.grpc_url, [release.name])
    releases.check_golden(triton.grpc_url, release, release.name)
    for number, region in enumerate(pair.values()):
        own(region.bootstrap, region.name, number)
        stock(region.bootstrap)
    record = ModelRelease(
        model=MODEL,
        revision=1,
        region="east",
        url=f"file://{release.parent}/{{version}}",
        hash=releases.manifest_hash_of(release),
        served={name: Served(version=release.name) for name in REGIONS},
    )
    control.write(pair["east"].settings, MODEL_RELEASES, MODEL, record)
    for region in pair.values():
        until(f"{region.name} knows both owners", lambda r=region: len(owned(r)) == 2)
    workers = [
        _worker(region, triton, folder / f"{region.name}.log", digest_s) for region in pair.values()
    ]
    try:
        for worker in workers:
            worker.start()
        yield pair
    finally:
        for worker in workers:
            worker.stop()
        with closing(grpc.InferenceServerClient(triton.grpc_url)) as client:
            client.unload_model(MODEL)
        shutil.rmtree(triton.repository / MODEL, ignore_errors=True)


def _worker(region: Region, triton: RunningTriton, log: Path, digest_s: float) -> Worker:
    settings = region.settings
    given = {
        "kafka": settings.kafka, "region": settings.region, "partitions": settings.partitions,
        "region_number": settings.region_number, "peers": ",".join(settings.peers),
        "triton": triton.grpc_url, "score_deadline_ms": DEADLINE_MS, "flush_s": 0.5,
        "sample_share": SHARE, "digest_s": digest_s, "digest_slices": SLICES,
    }  # fmt: skip
    return Worker("recommend", log, given)


def owned(region: Region) -> dict[str, int]:
    return {
        origin: record.epoch
        for origin, record in control.ownerships(region.settings).origins.items()
    }
