"""What a provider says of somebody in a signed token (OpenID Connect Core 1.0, section 3.1.3.7)."""

from datetime import timedelta
from typing import Any

import jwt
from allauth.socialaccount.providers.oauth2.client import OAuth2Error

_SIGNED_BY = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_CLOCKS_DIFFER = timedelta(minutes=5)


def has_key_of(token: str, keys: Any) -> bool:
    """Whether `keys` has the one that signed `token`, as far as it says: a provider changes its keys now and then."""
    try:
        wanted = jwt.get_unverified_header(token).get("kid")
        return wanted is None or any(key.get("kid") == wanted for key in keys["keys"])
    except (jwt.PyJWTError, AttributeError, KeyError, TypeError):
        return False


def _key_of(token: str, known: list[jwt.PyJWK]) -> jwt.PyJWK:
    header = jwt.get_unverified_header(token)
    fitting = [key for key in known if header.get("kid") in (None, key.key_id) and key.public_key_use in (None, "sig")]
    if len(fitting) != 1:
        raise jwt.InvalidKeyError("no one key fits it (kid)")
    data = fitting[0]._jwk_data
    # One that does not say for which algorithm it is serves for each of its kind; PyJWT takes the commonest.
    return fitting[0] if data.get("alg") else jwt.PyJWK(data, algorithm=_asymmetric(header.get("alg")))


def _asymmetric(algorithm: object) -> str:
    if algorithm not in _SIGNED_BY:
        raise jwt.InvalidAlgorithmError("it is signed in a way that is not taken (alg)")
    return str(algorithm)


def claims_of(token: str, keys: Any, *, audience: str, issuer: str) -> dict[str, Any]:
    """`keys` is the provider's JWK set. Raises OAuth2Error, whose words are for operators."""
    try:
        claims = jwt.decode(
            token,
            key=_key_of(token, jwt.PyJWKSet.from_dict(keys).keys),
            algorithms=_SIGNED_BY,
            audience=audience,
            issuer=issuer,
            leeway=_CLOCKS_DIFFER,
            options={"require": ["exp", "iat"]},
        )
        if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != audience:
            raise jwt.InvalidAudienceError("it is for several, and the portal is not the one that asked (azp)")
        return claims
    except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError) as error:
        raise OAuth2Error(f"the id_token is not valid now: {error}; is the clock of this machine right?") from error
    except jwt.PyJWTError as error:
        raise OAuth2Error(f"the id_token is not valid: {error}") from error
