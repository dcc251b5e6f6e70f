"""Fetches a document over HTTP: a trace from a backend, a baseline from its address.

What is sent as a header, a login in the address included, goes to that origin alone (scheme, host and port): a
redirect to another one gets none of it. Only http and https are followed, never from https to http, and five times
at most. Size and time are bounded. No message holds a login, a query (it may be a signature) or the value of a
header.
"""

from __future__ import annotations

import base64
import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from importlib import import_module
from time import monotonic
from typing import IO
from urllib.parse import unquote, urlsplit, urlunsplit

MAX_REDIRECTS = 5
import_module("encodings.idna")  # sockets import it at the first host name: not in a thread, see `PriceBook.load`
_SCHEMES = ("http", "https")
_CHUNK = 65_536
_MAX_ERROR = 200
_NO_SECRET = frozenset({"accept"})
_DEFAULT_PORTS = {"http": 80, "https": 443}


class FetchError(OSError):
    """There is no answer, or an error, or more than is wanted. The message names the address."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; `None` where there was no answer."""


def without_login(url: str) -> tuple[str, dict[str, str]]:
    """Return the address without the login in it, and the headers that send the login."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {base64.b64encode(login).decode()}"}


def shown(url: str) -> str:
    """Return an address as it may be shown: without login, query and fragment."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def fetch(url: str, headers: Mapping[str, str] | None = None, *, most_bytes: int, timeout_s: float) -> bytes:
    """Fetch one document.

    Args:
        url: an http or https address, which may hold a login.
        headers: what to send to this origin.
        most_bytes: the most that is read of an answer.
        timeout_s: the most seconds in all.

    Raises:
        FetchError: there is no answer in time, or an error, or more than `most_bytes`.
    """
    plain, login = without_login(url)
    sent = {**(headers or {}), **login}
    secrets = {name: value for name, value in sent.items() if name.lower() not in _NO_SECRET}
    deadline_s = monotonic() + timeout_s
    try:
        _check_scheme(plain)
        request = urllib.request.Request(plain, headers=sent)  # noqa: S310 - the scheme was checked
        opener = urllib.request.build_opener(_Redirects(plain, secrets, deadline_s))
        with opener.open(request, timeout=timeout_s) as answer:
            return _read(answer, most_bytes, deadline_s)
    except urllib.error.HTTPError as error:
        with error:
            body = " ".join(error.read(_MAX_ERROR).decode("utf-8", "replace").split())
        message = f"{shown(url)}: HTTP {error.code} {error.reason}"
        if body and body.isprintable() and "\ufffd" not in body:
            message += f": {body}"
        raise FetchError(_without(secrets, message), error.code) from None
    except urllib.error.URLError as error:
        raise FetchError(f"{shown(url)}: {_without(secrets, str(error.reason))}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FetchError(f"{shown(url)}: {_without(secrets, str(error)) or type(error).__name__}") from None


def _check_scheme(url: str) -> None:
    scheme = urlsplit(url).scheme.lower()
    if scheme not in _SCHEMES:
        raise ValueError(f"only http and https are followed, not {scheme or 'an address without a scheme'}")


def _read(answer: IO[bytes], most_bytes: int, deadline_s: float) -> bytes:
    data = bytearray()
    # `read1` returns what has come, so that an answer that trickles in is left at the deadline.
    read = getattr(answer, "read1", answer.read)
    while chunk := read(_CHUNK):
        data += chunk
        if len(data) > most_bytes:
            raise ValueError(f"the answer is larger than {most_bytes >> 20} MB; ask for less")
        _check_time(deadline_s)
    return bytes(data)


def _check_time(deadline_s: float) -> None:
    if monotonic() > deadline_s:
        raise TimeoutError("the answer did not end in time")


def _without(headers: Mapping[str, str], text: str) -> str:
    """The text without any value that was sent as a header, whole or without the word before it, as in `Bearer x`."""
    for value in headers.values():
        for secret in (value, value.rpartition(" ")[2]):
            if secret:
                text = text.replace(secret, "***")
    return text


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme.lower())


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects with the bounds of this module."""

    max_redirections = MAX_REDIRECTS

    def __init__(self, url: str, headers: Mapping[str, str], deadline_s: float) -> None:
        self._origin = _origin(url)
        self._secrets = {name.capitalize() for name in headers}
        self._deadline_s = deadline_s

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _check_time(self._deadline_s)
        _check_scheme(newurl)
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise ValueError("a redirect from https to http is not followed")
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and _origin(newurl) != self._origin:
            for name in self._secrets:
                following.remove_header(name)
        return following
