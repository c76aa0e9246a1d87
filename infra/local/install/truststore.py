"""The certificates of this machine in the form Java reads (JKS), without any Java to make it.

The form: magic, version 2, count; an entry is tag 2, alias, creation time, "X.509", length, DER;
at the end SHA-1 over the password in UTF-16, the words "Mighty Aphrodite" and all that. The
checksum only guards against damage: nothing in the file is secret.
"""

import hashlib
import os
import re
import ssl
import struct
from pathlib import Path

from infra.local.problems import InstallError

PASSWORD = "changeit"  # noqa: S105 - Java's customary one for what is public
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_DEBIAN = "/etc/ssl/certs/ca-certificates.crt"


def write(path: Path) -> Path:
    """All certificates that this machine's other programs trust, as a store for Java."""
    bundle = Path(os.environ.get("SSL_CERT_FILE") or _DEBIAN)
    if not bundle.exists():
        raise InstallError(
            f"there are no certificates in {bundle}; install the package ca-certificates"
        )
    certificates = [ssl.PEM_cert_to_DER_cert(pem) for pem in _PEM.findall(bundle.read_text())]
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(encode(certificates))
    unfinished.replace(path)
    return path


def encode(certificates: list[bytes]) -> bytes:
    """`certificates` in DER."""
    parts = [struct.pack(">III", 0xFEEDFEED, 2, len(certificates))]
    for number, certificate in enumerate(certificates):
        parts += [
            struct.pack(">I", 2), _utf(f"certificate-{number}"), struct.pack(">Q", 0),
            _utf("X.509"), struct.pack(">I", len(certificate)), certificate,
        ]  # fmt: skip
    body = b"".join(parts)
    return (
        body
        + hashlib.sha1(  # noqa: S324 - the form asks for it
            PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + body
        ).digest()
    )


def _utf(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode("ascii")
