"""Blocks of a backup compressed and, where there is a key, encrypted and signed. Pure but for the
key's file.

A key never encrypts by itself: each backup has two keys of its own, made from it and the backup's
id (HKDF, RFC 5869), one for AES-256-GCM of the blocks (a random nonce each), one for HMAC-SHA256 of
the manifest. A block is bound to the place it was written to, so blocks cannot change places.
"""

import hashlib
import hmac
import os
import zlib
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from infra.backup.problems import KeyFileError

KEY_BYTES = 32
NONCE_BYTES = 12
_LEVEL = 1
"""States are mostly hashes: higher levels take five times as long for a few percent."""


class Key:
    """What opens and closes the backups of a deployment."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise KeyFileError(f"a key has {KEY_BYTES} bytes, this one {len(secret)}")
        self._secret = secret
        self.id = _derived(secret, b"", b"tidemill backup key id")[:8].hex()
        """Says which key it was, and nothing of the key."""

    @classmethod
    def read(cls, path: Path) -> "Key":
        try:
            return cls(bytes.fromhex(path.read_text().strip()))
        except OSError as error:
            raise KeyFileError(f"the key file {path} cannot be read: {error.strerror}") from None
        except ValueError:
            raise KeyFileError(f"{path} does not hold {2 * KEY_BYTES} hex digits") from None

    def seal(self, backup_id: str) -> "Seal":
        salt = backup_id.encode()
        return Seal(
            AESGCM(_derived(self._secret, salt, b"tidemill backup blocks")),
            _derived(self._secret, salt, b"tidemill backup manifest"),
        )


class Seal:
    """How the blocks of one backup are closed. Without arguments: compressed only."""

    def __init__(self, cipher: AESGCM | None = None, signing: bytes | None = None) -> None:
        self._cipher = cipher
        self._signing = signing

    def close(self, plain: bytes, place: str) -> bytes:
        packed = zlib.compress(plain, _LEVEL)
        if self._cipher is None:
            return packed
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, packed, place.encode())

    def open(self, stored: bytes, place: str) -> bytes:
        """Raises ValueError for what `close` did not give for this place."""
        if self._cipher is not None:
            nonce, stored = stored[:NONCE_BYTES], stored[NONCE_BYTES:]
            try:
                stored = self._cipher.decrypt(nonce, stored, place.encode())
            except InvalidTag:
                raise ValueError("it was not sealed with this key for this place") from None
        try:
            return zlib.decompress(stored)
        except zlib.error as error:
            raise ValueError(f"it does not unpack: {error}") from None

    def signature(self, content: bytes) -> str | None:
        """64 hex digits; None without a key."""
        if self._signing is None:
            return None
        return hmac.new(self._signing, content, hashlib.sha256).hexdigest()


UNSEALED = Seal()


def _derived(secret: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=purpose).derive(secret)
