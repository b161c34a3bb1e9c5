"""The files that the configuration of an HTTP output names: certificates, keys, headers."""

import os
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

from monitord.config.file import read_file
from monitord.config.load_outputs import wrong_header
from monitord.config.outputs import HttpConfig
from monitord.dataclass import dataclass
from monitord.sinks.sockets import why

NO_CERTIFICATE = "no certificate in it; PEM begins with -----BEGIN CERTIFICATE-----"

PASSPHRASE = "the key has a passphrase; take it off with: openssl pkey -in KEY -out NEWKEY"


@dataclass(eq=False, slots=True)
class FileError(Exception):
    """
    A file that cannot be used.

    :ivar key: of the output, that names it.
    :ivar line: 1-based; 0 when the trouble is of the whole file.
    :ivar what: is wrong with it; never shows what is in it.
    """

    key: str
    path: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}{f':{self.line}' if self.line else ''}: {self.what}"


def troubles(config: HttpConfig, *, tls: bool) -> Iterator[FileError]:
    """All that is wrong with the files of an output; those of TLS only where it is used."""
    if config.headers_file:
        yield from read_headers(config.headers_file)[1]
    if not tls:
        return
    context = _empty_context()
    if config.ca_file:
        try:
            trust(context, config.ca_file)
        except FileError as trouble:
            yield trouble
    if config.client_cert:
        try:
            prove(context, config.client_cert, config.client_key)
        except FileError as trouble:
            yield trouble


def tls_context(config: HttpConfig) -> ssl.SSLContext:
    """
    What a client needs for TLS.

    :raises FileError: one of the files cannot be used.
    """
    context = _empty_context() if config.ca_file else ssl.create_default_context()
    if config.ca_file:
        trust(context, config.ca_file)
    if config.client_cert:
        prove(context, config.client_cert, config.client_key)
    return context


def trust(context: ssl.SSLContext, ca_file: Path) -> None:
    """
    Trust the certificates of a file.

    :raises FileError: it cannot be used.
    """
    if b"CERTIFICATE-----" not in _read("ca_file", ca_file):
        raise FileError("ca_file", ca_file, 0, NO_CERTIFICATE)
    try:
        context.load_verify_locations(ca_file)
    except OSError as err:  # ssl.SSLError is one
        raise FileError("ca_file", ca_file, 0, _reason(err)) from err


def prove(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    """
    Show a certificate to servers that ask for one.

    :raises FileError: it, or its key, cannot be used.
    """
    # OpenSSL says of all of these "PEM lib", and not of which file.
    if b"CERTIFICATE-----" not in _read("client_cert", cert):
        raise FileError("client_cert", cert, 0, NO_CERTIFICATE)
    where, path = ("client_key", key) if key else ("client_cert", cert)
    text = _read(where, path)
    if b"PRIVATE KEY-----" not in text:
        raise FileError(where, path, 0, "no private key in it" + ("" if key else ", and no client_key names one"))
    if b"ENCRYPTED" in text:
        raise FileError(where, path, 0, PASSPHRASE)
    try:
        context.load_cert_chain(cert, key, password=lambda: b"")
    except OSError as err:
        raise FileError(where, path, 0, _reason(err)) from err


def read_headers(path: Path) -> tuple[Mapping[str, str], list[FileError]]:
    """The headers of a file, lines of ``Name: value``, and what is wrong with it."""
    headers, wrong = {}, []
    try:
        lines = read_file(path).decode("latin-1").splitlines()
    except OSError as err:
        return {}, [FileError("headers_file", path, 0, _unreadable(err))]
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, value = line.partition(":")
        what = wrong_header(name, value.strip()) if colon else "not a line of the form 'Name: value'"
        if what:
            wrong.append(FileError("headers_file", path, number, what))
        else:
            headers[name] = value.strip()
    return headers, wrong


def _empty_context() -> ssl.SSLContext:
    """One that trusts nothing yet, and then what it is told to, be it a server's own certificate."""
    # Not ssl.create_default_context(): of Python 3.13 it asks for extensions that a CA made by openssl(1) lacks.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _read(key: str, path: Path) -> bytes:
    try:
        return read_file(path)
    except OSError as err:
        raise FileError(key, path, 0, _unreadable(err)) from err


def _unreadable(error: OSError) -> str:
    return why(error) + (f"; let uid {os.geteuid()} read it" if isinstance(error, PermissionError) else "")


def _reason(error: OSError) -> str:
    reason = str(getattr(error, "reason", None) or why(error))
    if reason == "KEY_VALUES_MISMATCH":
        return "the key belongs to another certificate than client_cert"
    return reason.lower().replace("_", " ")
