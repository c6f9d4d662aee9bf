"""Throw-away credentials: a certificate for Google's hosts, and a service account whose tokens come from the front."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOSTS = ("*.googleapis.com", "googleapis.com")


def write_certificate(directory: Path) -> tuple[Path, Path]:
    """Writes a self-signed certificate for `HOSTS`, valid for a day, and its key.

    Returns:
        The certificate's and the key's path, both PEM.
    """
    # An elliptic curve: TensorFlow opens a connection for every request, and RSA signs ten times as slowly.
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Google Cloud Storage on loopback")])
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    certificate_path, key_path = directory / "certificate.pem", directory / "key.pem"
    certificate_path.write_bytes(certificate.public_bytes(Encoding.PEM))
    key_path.touch(mode=0o600)
    key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate_path, key_path


def write_service_account(directory: Path, token_url: str) -> Path:
    """Writes a service account's key file whose tokens come from `token_url`; returns its path."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    account = {
        "type": "service_account",
        "project_id": "petalstream-test",
        "private_key_id": "1",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "client_email": "test@petalstream-test.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": token_url,
    }
    path = directory / "service_account.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(account), encoding="utf-8")
    return path
