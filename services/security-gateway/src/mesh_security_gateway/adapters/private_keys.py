"""Implements `ports.PrivateKeys`: JWTs by joserfc, certificates by cryptography."""

from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from mesh_security_gateway.domain.injectors import JwtAlgorithm
from mesh_security_gateway.errors import SecretUnfit

_MIN_RSA_BITS = 2048


class PemKeys:
    """Reads a key for each use and keeps none."""

    def jwt(self, pem: str, algorithm: JwtAlgorithm, claims: dict[str, Any], key_id: str | None) -> str:
        header = {"alg": algorithm, "typ": "JWT"} | ({"kid": key_id} if key_id else {})
        return jwt.encode(header, claims, _key(pem, algorithm), algorithms=[algorithm])

    def check_key(self, pem: str, algorithm: JwtAlgorithm) -> None:
        self.jwt(pem, algorithm, {}, None)

    def check_certificate(self, pem: str) -> None:
        """A chain whose first certificate is the key's."""
        try:
            key = serialization.load_pem_private_key(pem.encode(), password=None)
            first, *_ = x509.load_pem_x509_certificates(pem.encode())
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise SecretUnfit("A client certificate is its chain and its private key, in PEM.") from None
        if first.public_key() != key.public_key():
            raise SecretUnfit("The private key is not the first certificate's.")


def _key(pem: str, algorithm: JwtAlgorithm) -> RSAKey | ECKey | OKPKey:
    match algorithm, _loaded(pem):
        case "RS256", rsa.RSAPrivateKey(key_size=bits) as key if bits >= _MIN_RSA_BITS:
            return RSAKey.import_key(key)
        case "ES256", ec.EllipticCurvePrivateKey(curve=ec.SECP256R1()) as key:
            return ECKey.import_key(key)
        case "EdDSA", ed25519.Ed25519PrivateKey() as key:
            return OKPKey.import_key(key)
        case _:
            raise SecretUnfit(f"The private key is none for {algorithm}.")


def _loaded(pem: str) -> object:
    """The private key in there, or null."""
    try:
        return serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
