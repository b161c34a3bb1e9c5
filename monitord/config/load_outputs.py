"""How the keys of ``outputs:`` are read."""

import re
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import yaml

from monitord.config.address import parse_address
from monitord.config.codes import Code
from monitord.config.outputs import (
    FACILITIES,
    AlertLogConfig,
    AlertmanagerConfig,
    Format,
    ProgramConfig,
    SyslogAddress,
    SyslogConfig,
    WebhookConfig,
)
from monitord.config.values import (
    Read,
    WrongValueError,
    is_null,
    items_of,
    optional,
    read_choice,
    read_flag,
    read_number,
    read_text,
)

QUEUE_ALERTS_MAX = 1 << 20
"""An alert takes a few KiB."""

TIMEOUT_MAX_S = 300

SPOOL_MIB_MAX = 1 << 16

OURS = ("connection", "content-length", "content-type", "host", "idempotency-key", "transfer-encoding")
"""Headers that monitord sets itself."""

_TOKEN = re.compile("[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_NOT_IN_VALUES = re.compile("[^\t -~\xa0-\xff]")


class Section(Protocol):
    """Makes the reader of a mapping: its name, what is made of it, its keys, and the one that must be there."""

    def __call__(self, name: str, make: Any, keys: Mapping[str, Read], required: str = "") -> Read: ...


def outputs_keys(section: Section, file: Read) -> dict[str, Read]:
    """
    How each key of ``outputs:`` is read.

    :param file: reads a path.
    """
    timeout = read_number(1, TIMEOUT_MAX_S)
    http = {
        "headers": read_headers,
        "headers_file": optional(file),
        "ca_file": optional(file),
        "client_cert": optional(file),
        "client_key": optional(file),
        "timeout_s": timeout,
    }
    webhook = {
        **http,
        "url": read_url,
        "format": _read_format,
        "spool": optional(file),
        "spool_mib": read_number(1, SPOOL_MIB_MAX),
    }
    alertmanager = {**http, "urls": read_urls, "resolve_after_s": read_number(1, 7 * 24 * 3600)}
    alert_log = {"path": file, "format": _read_format}
    syslog = {"address": read_syslog_address, "facility": read_choice(FACILITIES), "format": _read_format}
    program = {"command": read_command, "format": _read_format, "timeout_s": timeout}
    return {
        "queue_alerts": read_number(1, QUEUE_ALERTS_MAX),
        "console": read_flag,
        "journald": read_flag,
        "alert_log": optional(section("outputs.alert_log", AlertLogConfig, alert_log, "path")),
        "syslog": optional(section("outputs.syslog", SyslogConfig, syslog)),
        "webhook": optional(section("outputs.webhook", WebhookConfig, webhook, "url")),
        "alertmanager": optional(section("outputs.alertmanager", AlertmanagerConfig, alertmanager, "urls")),
        "program": optional(section("outputs.program", ProgramConfig, program, "command")),
    }


def read_url(node: yaml.Node) -> str:
    """An http or https URL. What is wrong with it is said without showing it: the path of a webhook can be a secret."""
    text = _secret(node, "a URL")
    wrong = None
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise WrongValueError(Code.URL, "not a URL; write https://HOST/PATH") from None
    if parts.scheme not in ("http", "https"):
        wrong = f"a URL of {parts.scheme or 'no scheme'}; write https://HOST/PATH"
    elif not parts.hostname or port == 0:
        wrong = "a URL without a host or with port 0; write https://HOST/PATH"
    elif parts.username is not None:
        wrong = "name and password are not taken from the URL; put an Authorization header into headers_file"
    elif parts.fragment:
        wrong = "nothing behind # is sent; leave it out"
    elif not text.isascii() or any(letter <= " " for letter in text):
        wrong = "spaces and letters beyond ASCII must be written %XX, in the host's name xn--..., as idn(1) prints it"
    elif not _is_host(parts.hostname):
        wrong = "a URL without a host's name: between dots are 1 to 63 characters; write https://HOST/PATH"
    if wrong:
        raise WrongValueError(Code.URL, wrong)
    return text


def _is_host(name: str) -> bool:
    """Whether it can be asked for, as `http.client` does."""
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True


def read_urls(node: yaml.Node) -> tuple[str, ...]:
    """One URL of an Alertmanager or more, to which the path of its API is added."""
    urls = tuple(read_url(item) for item in items_of(node))
    if any(urlsplit(url).path.rstrip("/").endswith(("/api/v2", "/api/v2/alerts")) for url in urls):
        raise WrongValueError(Code.URL, "/api/v2 is added; leave it out")
    if not urls:
        raise WrongValueError(Code.URL, "no URL; write [http://HOST:9093]")
    if len(set(urls)) < len(urls):
        raise WrongValueError(Code.URL, "the same URL twice; keep one")
    return urls


def read_headers(node: yaml.Node) -> tuple[tuple[str, str], ...]:
    """Names and values of headers; values are not shown: they can be secrets."""
    if is_null(node):
        return ()
    if not isinstance(node, yaml.MappingNode):
        raise WrongValueError(Code.WRONG_TYPE, "expected names with values, as in {X-Team: security}")
    headers = []
    for name_node, value_node in node.value:
        name = read_text(name_node)
        wrong = wrong_header(name, _secret(value_node, "a text (in quotes)"))
        if wrong:
            raise WrongValueError(Code.HEADER, wrong)
        headers.append((name, str(value_node.value)))
    return tuple(headers)


def wrong_header(name: str, value: str) -> str | None:
    """What is wrong with a header, without its value; None when nothing is."""
    if not _TOKEN.fullmatch(name):
        return f"{name!r} cannot be the name of a header"
    if name.lower() in OURS:
        return f"{name} is set by monitord; leave it out"
    if _NOT_IN_VALUES.search(value):
        return f"the value of {name} has characters that a header cannot have"
    return None


def read_syslog_address(node: yaml.Node) -> SyslogAddress:
    """A socket's path, ``udp://HOST:PORT`` or ``tcp://HOST:PORT``."""
    text = read_text(node)
    transport, found, place = text.partition("://")
    if not found:
        # sun_path of struct sockaddr_un has 108 bytes.
        if not text.startswith("/") or "\0" in text or len(text.encode()) > 107:
            raise WrongValueError(Code.SYSLOG, f"{text!r}: write /dev/log, udp://HOST:514 or tcp://HOST:514")
        return SyslogAddress("unix", text)
    if transport not in ("udp", "tcp"):
        raise WrongValueError(Code.SYSLOG, f"{text!r}: {transport!r} is neither udp nor tcp")
    address = parse_address(place)
    if isinstance(address, str) or address[1] == 0:
        raise WrongValueError(Code.SYSLOG, f"{text!r}: write {transport}://HOST:PORT, as in {transport}://[::1]:514")
    return SyslogAddress(transport, *address)


def read_command(node: yaml.Node) -> tuple[str, ...]:
    """The words of a command, the program first, by its path."""
    words = tuple(read_text(item) for item in items_of(node))
    if not words or not words[0].startswith("/"):
        raise WrongValueError(Code.COMMAND, "the first word is the path of the program, as in [/usr/bin/logger, -t, x]")
    if any("\0" in word for word in words):
        raise WrongValueError(Code.COMMAND, "a word of a command cannot hold a NUL")
    return words


def _read_format(node: yaml.Node) -> Format:
    return Format(read_choice(Format)(node))


def _secret(node: yaml.Node, expected: str) -> str:
    """A text that no message may show."""
    try:
        return read_text(node)
    except WrongValueError as wrong:
        raise WrongValueError(wrong.code, f"expected {expected}") from None
