"""TLS and proxies of backends: settings, and the check that their files can be used."""

import hashlib
import re
import ssl
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_serializer, field_validator, model_validator

from gateway.config.exclusions import KEY_WITHOUT_CERTIFICATE
from gateway.config.fields import ConfigSection
from gateway.config.secrets import mask_url

NO_PROXY = "none"
"""Value of `proxy` that means a direct connection, whatever the environment says."""


class TlsConfig(ConfigSection):
    """TLS of a backend. The files are read at the start and with every reload."""

    ca_file: str | None = Field(default=None, min_length=1)
    """PEM file with the certificates of the authorities to trust, in place of the system's."""
    cert_file: str | None = Field(default=None, min_length=1)
    """PEM file with the client's certificate (mTLS), followed by those between it and its authority."""
    key_file: str | None = Field(default=None, min_length=1)
    """PEM file with the private key of `cert_file`, not encrypted. Default: it is in `cert_file`."""
    verify: bool = True
    """Verify the backend's certificate and host name. `false` lets anybody on the way read keys and prompts."""

    @field_validator("ca_file", "cert_file", "key_file")
    @classmethod
    def _is_pem(cls, path: str | None, info: ValidationInfo) -> str | None:
        if path is None:
            return None
        content = _read_file(path)
        expected = "PRIVATE KEY" if info.field_name == "key_file" else "CERTIFICATE"
        # RFC 7468, 2: a line of its own, with the label's last words.
        if not re.search(rf"^-----BEGIN [A-Z ]*{expected}-----".encode(), content, re.MULTILINE):
            raise ValueError(f"{path} is not a PEM file with a {expected.lower()}")
        return path

    @model_validator(mode="after")
    def _builds(self) -> "TlsConfig":
        if self.key_file and not self.cert_file:
            raise ValueError(KEY_WITHOUT_CERTIFICATE)
        if self.ca_file or self.cert_file:  # to read the system's authorities takes 100 ms and tells nothing
            self.build_context()
        return self

    def digest(self) -> bytes:
        """Return a hash of the settings and the content of the files. Raises ValueError if one cannot be read."""
        made = hashlib.sha256(repr(self).encode())
        for path in (self.ca_file, self.cert_file, self.key_file):
            if path is not None:
                made.update(_read_file(path) + b"|")
        return made.digest()

    def build_context(self) -> ssl.SSLContext:
        """Return the context for connections. Raises ValueError if the files cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(f"ca_file: {self.ca_file} holds no valid certificate: {_reason(error)}") from error
        context.set_alpn_protocols(["http/1.1"])
        if not self.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self.cert_file:
            self._load_client_certificate(context, self.cert_file)
        return context

    def _load_client_certificate(self, context: ssl.SSLContext, cert_file: str) -> None:
        try:
            # Without the callback, OpenSSL would ask for an encrypted key's password on the terminal.
            context.load_cert_chain(cert_file, self.key_file, password=_no_password)
        except _Encrypted as error:
            path = self.key_file or cert_file
            raise ValueError(f"{path} is encrypted: decrypt it with `openssl pkey`, and protect the file") from error
        except (OSError, ssl.SSLError) as error:
            if "KEY_VALUES_MISMATCH" in str(error):
                raise ValueError(f"the key in {self.key_file or cert_file} is not that of {cert_file}") from error
            files = " and ".join(one for one in (cert_file, self.key_file) if one)
            raise ValueError(f"{files} cannot be used as a client's certificate: {_reason(error)}") from error


SYSTEM_TLS = TlsConfig()
"""The system's authorities, and no client's certificate."""


def _read_file(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error


class _Encrypted(ValueError):
    pass


def _no_password() -> str:
    raise _Encrypted


def _reason(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or error)


def _proxy_url(url: str) -> str:
    if url == NO_PROXY:
        return url
    if fault := proxy_fault(url):
        raise ValueError(fault)
    return url


def proxy_fault(url: str) -> str | None:
    """Return why a proxy's URL cannot be used, None if it can. The URL is not shown: it may hold a password."""
    try:
        parts = urlsplit(url)
        is_valid = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return "expected a proxy's URL, http://[user:password@]host:port; percent-encode the password"
    if parts.scheme.startswith("socks"):
        return "SOCKS proxies are not supported: name an HTTP proxy"
    if parts.scheme not in ("http", "https") or not is_valid or parts.path.strip("/") or parts.query or parts.fragment:
        return "expected a proxy's URL, http://[user:password@]host:port; percent-encode the password"
    if not url.isascii() or any(one <= " " for one in url):
        return "a proxy's URL has white space, a control character, or a character other than ASCII in it"
    return None


ProxyUrl = Annotated[str, AfterValidator(_proxy_url)]


class NetworkConfig(ConfigSection):
    """The way to a backend."""

    proxy: ProxyUrl | None = Field(default=None, repr=False)
    """URL of an HTTP proxy, `http://user:password@host:port`; `none` for a direct connection. Default: as `HTTP_PROXY`,
    `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say."""
    tls: TlsConfig = SYSTEM_TLS
    """TLS settings, for a private authority or a client's certificate."""

    @field_serializer("proxy")
    def _mask_proxy(self, proxy: str | None) -> str | None:
        return None if proxy is None else mask_url(proxy)
