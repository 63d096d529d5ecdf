"""JSON web tokens signed with RSA (RS256), which Google takes in place of a password.

RSA is not something to write oneself: it is the `cryptography` package's, which only this file needs. It comes with the
extra `google`; whoever reads a configuration asks `available` first.
"""

import base64
import json
from collections.abc import Mapping
from importlib.util import find_spec


def available() -> bool:
    """Is what signs installed?"""
    return find_spec("cryptography") is not None


def sign_assertion(private_key: str, claims: Mapping[str, object], key_id: str | None) -> str:
    """A compact JWT. `private_key` as PEM. ValueError: it is none, or not RSA."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(private_key.encode(), None)
    except (TypeError, UnsupportedAlgorithm) as error:  # with a passphrase, or of a kind that is not known
        raise ValueError("the key cannot be read") from error
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("the key is not RSA")
    header = {"alg": "RS256", "typ": "JWT"} | ({"kid": key_id} if key_id else {})
    signed = f"{_part(json.dumps(header).encode())}.{_part(json.dumps(dict(claims)).encode())}"
    return f"{signed}.{_part(key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def _part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
