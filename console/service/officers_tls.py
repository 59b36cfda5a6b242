"""The officers' address over TLS: its certificate and key, read and checked before the service begins."""

from __future__ import annotations

import hashlib
import ssl
import stat
from pathlib import Path

from kentongan.errors import BadConfig
from kentongan.quick_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Tls:
    """A server's certificate and key; `fingerprint` is the SHA-256 of the certificate itself, in hexadecimal."""

    context: ssl.SSLContext
    fingerprint: str

    @classmethod
    def read(cls, certificate: Path | None, key: Path | None) -> Tls:
        """Reads both files; raises BadConfig naming file and remedy."""
        if certificate is None or key is None:
            raise BadConfig(
                "officers are answered over TLS alone; name --tls-certificate and --tls-key, or both in service.yaml"
            )
        try:
            if key.stat().st_mode & stat.S_IROTH:
                raise BadConfig(f"{key} can be read by everybody; run: chmod 640 {key}")
            pem = certificate.read_text("ascii")
            own = pem[pem.index("-----BEGIN CERTIFICATE-----") :]
            own = own[: own.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")]
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(certificate, key, password=_refuse_password)
            return cls(context, hashlib.sha256(ssl.PEM_cert_to_DER_cert(own)).hexdigest())
        except OSError as error:
            # An SSLError is one too: it then says which of the two does not fit.
            why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
            raise BadConfig(f"certificate {certificate} and key {key} cannot be used: {why}; name others") from None
        except ValueError:
            raise BadConfig(f"{certificate} holds no certificate; name a PEM file") from None


def _refuse_password() -> bytes:
    # OpenSSL would ask on the terminal, where nobody sits.
    raise BadConfig("the private key is sealed by a password; name one that is not, which only this user can read")
