"""Where everything of one local Tidemill lies: one folder, so that removing it removes all.

Called by everything in `infra.local` and by the command line. It only names places; who writes
into one makes it.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """The folders below `root`; `tools` may be shared with another home (tests do that), and so may
    the releases (the regions of one machine do that).
    """

    root: Path
    tools: Path
    shared_releases: Path | None = None
    artifacts: str = ""
    """The store that releases are put into, a URL; empty: where they lie already."""

    @property
    def run(self) -> Path:
        """Process records, the lock, endpoints: true only while the servers run."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def releases(self) -> Path:
        """<model>/<version>/, as `inference.releases` writes them."""
        return self.shared_releases or self.root / "releases"

    @property
    def triton(self) -> Path:
        """The model repository that Triton serves."""
        return self.root / "triton"

    @property
    def endpoints(self) -> Path:
        return self.run / "endpoints.json"

    @property
    def scrape_targets(self) -> Path:
        """What Prometheus asks for metrics, in its file_sd form; read again when it changes."""
        return self.run / "prometheus-targets.json"

    @property
    def wanted(self) -> Path:
        """The workers that `tidemill up` wants to run; `infra.supervise` keeps them running."""
        return self.run / "wanted.json"

    @property
    def kept(self) -> Path:
        """What `infra.supervise` tells of them."""
        return self.run / "kept.json"

    def state(self, worker: str) -> Path:
        """The store of one worker; the name is the same after each restart."""
        return self.data / "state" / worker
