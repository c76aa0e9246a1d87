"""Releases: written once, verified at every step, installed into Triton and proved there."""

from inference.releases.encoder import check_encoder, install_encoder, load_encoders, with_text
from inference.releases.folder import manifest_hash_of, read, verify, versions, write
from inference.releases.install import install
from inference.releases.serving import check_golden, load

__all__ = [
    "check_encoder", "check_golden", "install", "install_encoder", "load", "load_encoders",
    "manifest_hash_of", "read", "verify", "versions", "with_text",
    "write",
]  # fmt: skip
