"""The demo's model: fitted on the past once, and released unless it is served already."""

from inference.data import Interactions
from inference.errors import InferenceError
from inference.releases import verify, versions, write
from inference.training import train
from inference.training.sources import COUNTED
from infra import control
from infra.cli.printing import tell
from infra.local.home import Home
from infra.releases import publish
from infra.triton_models import loaded
from schemas.releases import Manifest
from schemas.serving import MODEL
from streams.settings import Settings


def serve_model(settings: Settings, home: Home, log: Interactions, until_ms: int) -> None:
    """Raises InferenceError and BrokerError."""
    fingerprint = log.until(until_ms).positive().fingerprint()
    served = control.releases(settings).served(MODEL, settings.region)
    known = _version_of(home, fingerprint)
    if served is not None and served.version == known and known in _answering(settings):
        tell(f"{MODEL} {known}, fitted on this past before, is served already")
        return
    if known is None:
        fitted = train(log, until_ms=until_ms)
        folder = write(fitted, home.releases, {})
        tell(f"fitted on {fitted.training.interactions} ratings in {fitted.training.seconds:.1f} s")
    else:
        folder = home.releases / MODEL / known
    record = publish(settings, home, folder)
    tell(
        f"{MODEL} {folder.name} is released to Triton (revision {record.revision}), "
        "its golden outputs are right there"
    )


def _answering(settings: Settings) -> set[str]:
    """Versions that every Triton serves."""
    found = [{*loaded(url, MODEL).versions} for url in settings.triton]
    return set.intersection(*found) if found else set()


def _version_of(home: Home, fingerprint: str) -> str | None:
    """The newest release of the whole blend that was fitted on exactly this past."""
    parent = home.releases / MODEL
    for version in reversed(versions(parent)):
        try:
            manifest: Manifest = verify(parent / str(version))
        except InferenceError:
            continue
        made_of = manifest.training
        if made_of.fingerprint == fingerprint and tuple(made_of.parts) == COUNTED:
            return manifest.version
    return None
