"""Masking of secrets in what is printed."""

import re

MASK = "**********"
_PARAMETERS = re.compile(r"([?&](?:sentinel_)?(?:username|password)=)[^&]*", re.IGNORECASE)


def mask_url(url: str) -> str:
    """Return a URL without its user and password, however they are written.

    A password may contain `/`, `@`, `:` and `?` unescaped, and redis-py also takes it as a parameter: the user's part
    is all up to the last `@`, and both parameters are masked.
    """
    scheme, separator, rest = url.partition("://")
    if "@" in rest:
        rest = f"{MASK}@{rest.rpartition('@')[2]}"
    elif "@" in scheme:
        # Without a scheme nothing tells where a password begins.
        return MASK
    return _PARAMETERS.sub(rf"\g<1>{MASK}", f"{scheme}{separator}{rest}")
