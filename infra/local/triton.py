"""One real Triton Inference Server on this machine, from its wheel, with the Python backend.

Models are loaded by request only (explicit control): `inference.releases` puts a version into the
repository and asks for it, so nothing is served that nobody released. After a restart no model is
loaded until somebody asks; the ready Triton of this file is therefore an empty one.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import tritonclient.grpc as triton_grpc

from infra.local.home import Home
from infra.local.install import triton as wheel
from infra.local.ports import HOST
from infra.local.supervisor import Server


@dataclass(frozen=True)
class Triton:
    """Where Triton listens and what it may use. The repository is <home>/triton, also where several
    run in one home: each loads by itself what it is asked to.
    """

    http_port: int
    grpc_port: int
    metrics_port: int
    python_memory_mb: int = 4
    ready_timeout_s: float = 120.0
    stop_timeout_s: float = 30.0
    name: str = "triton"

    @property
    def grpc_url(self) -> str:
        return f"{HOST}:{self.grpc_port}"


_CHECKOUT = Path(__file__).resolve().parents[2]
"""The models' own modules, wherever the server is started."""
_MIB = 1024 * 1024


def server(home: Home, triton: Triton) -> Server:
    return Server(
        name=triton.name,
        command=(
            wheel.program(),
            f"--model-repository={home.triton}",
            "--model-control-mode=explicit",
            f"--backend-directory={wheel.backends(home.tools)}",
            *_listening("http", triton.http_port),
            *_listening("grpc", triton.grpc_port),
            *_listening("metrics", triton.metrics_port),
            f"--backend-config=python,shm-default-byte-size={triton.python_memory_mb * 1024**2}",
            # Two servers on one machine (tests beside a demo) must not share memory regions.
            f"--backend-config=python,shm-region-prefix-name={_memory_prefix(triton)}",
            "--allow-cpu-metrics=true",
            "--disable-auto-complete-config",
            # Unloading waits for requests under way, for this long.
            "--exit-timeout-secs=10",
        ),
        env=environment(home),
        ports={
            "TIDEMILL_TRITON_HTTP_PORT": triton.http_port,
            "TIDEMILL_TRITON_GRPC_PORT": triton.grpc_port,
            "TIDEMILL_TRITON_METRICS_PORT": triton.metrics_port,
        },
        prepare=lambda: _prepare(home, triton),
        ready=lambda: answers(triton),
        ready_timeout_s=triton.ready_timeout_s,
        stop_timeout_s=triton.stop_timeout_s,
    )


def answers(triton: Triton) -> bool:
    """Whether the server lives; which models answer is for whoever released them.

    It calls itself not ready for as long as a version that was refused is in its index, while the
    others go on answering.
    """
    client = triton_grpc.InferenceServerClient(
        triton.grpc_url,
        # A proxy that the environment names is for other machines.
        channel_args=[("grpc.enable_http_proxy", 0)],
    )
    try:
        return bool(client.is_server_live(client_timeout=2))
    finally:
        client.close()


def environment(home: Home) -> dict[str, str]:
    """What the server and the Python of its models need.

    The environment's own `python3` must come first on PATH, or the stub starts another one, which
    has no numpy. Nothing of the caller's PATH: from another terminal the server would look changed
    and be replaced. One thread a model: on two cores more threads only wait for each other. What
    a model allocates for one request is kept for the next: given back each time, it cost a model's
    process 20,000 page faults a second and a fifth of its rate.
    """
    bin_folder = Path(sys.executable).parent
    return {
        "PATH": f"{bin_folder}:{os.defpath}",
        "LD_LIBRARY_PATH": wheel.library_path(home.tools),
        "PYTHONPATH": f"{_CHECKOUT}:{wheel.site_packages()}",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "MALLOC_MMAP_THRESHOLD_": str(32 * _MIB),
        "MALLOC_TRIM_THRESHOLD_": str(128 * _MIB),
        "MALLOC_TOP_PAD_": str(16 * _MIB),
    }


def _listening(protocol: str, port: int) -> tuple[str, str]:
    return (f"--{protocol}-port={port}", f"--{protocol}-address={HOST}")


def _memory_prefix(triton: Triton) -> str:
    return f"tidemill_{triton.grpc_port}_"


def _prepare(home: Home, triton: Triton) -> None:
    home.triton.mkdir(parents=True, exist_ok=True)
    # A killed server leaves its shared memory behind; nobody else listens on this port now.
    for region in Path("/dev/shm").glob(f"{_memory_prefix(triton)}*"):  # noqa: S108
        region.unlink(missing_ok=True)
