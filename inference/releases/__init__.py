"""Releases: written once, verified at every step, installed into Triton and proved there."""

from inference.releases.folder import manifest_hash_of, read, verify, versions, write
from inference.releases.install import install
from inference.releases.serving import check_golden, load

__all__ = [
    "check_golden", "install", "load", "manifest_hash_of", "read", "verify", "versions", "write",
]  # fmt: skip
