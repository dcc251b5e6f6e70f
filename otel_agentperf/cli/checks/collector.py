"""Whether something answers where telemetry is sent over OTLP: a connection, with TLS where it is used, and no data."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from otel_agentperf.cli.checks import sdk
from otel_agentperf.cli.finding import Finding, ok, wrong

TIMEOUT_S = 3.0
_DEFAULTS = {"grpc": "http://localhost:4317", "http/protobuf": "http://localhost:4318"}


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a signal goes."""

    address: str
    """As it is set."""
    key: str
    """The variable that sets it, or nothing."""
    host: str
    port: int
    tls: bool
    authorities: str
    """File of the certificates that are trusted; empty: those of the system."""


def collector(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Each place that OTLP goes to, whatever the signals that share it."""
    if environ.get("OTEL_CONFIG_FILE") or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return
    signals: dict[_Target, list[str]] = {}
    for signal in sdk.SIGNALS:
        for protocol in sdk.otlp_protocols(environ, signal):
            target = _target(environ, signal, protocol)
            if isinstance(target, str):
                yield wrong(target)
            elif target is not None:
                signals.setdefault(target, []).append(signal)
    for target, those in signals.items():
        yield _answers(target, " and ".join(those))


def _variable(environ: Mapping[str, str], signal: str, what: str) -> tuple[str, str]:
    """A variable of the OTLP exporter, of the signal or of all, and its value; empty where neither is set."""
    for key in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_{what}", f"OTEL_EXPORTER_OTLP_{what}"):
        if environ.get(key, "").strip():
            return key, environ[key].strip()
    return "", ""


def _target(environ: Mapping[str, str], signal: str, protocol: str) -> _Target | str | None:
    """Where a signal goes; a sentence where that cannot be, and `None` where no connection can be tried from here."""
    key, address = _variable(environ, signal, "ENDPOINT")
    address = address or _DEFAULTS[protocol]
    parts = urlsplit(address if "//" in address else f"//{address}")
    is_http = protocol == "http/protobuf"
    if is_http and parts.scheme not in ("http", "https"):
        return f"{key}={address} must begin with http:// or https:// for {protocol}: {signal} cannot be sent"
    if parts.scheme not in ("", "http", "https") or parts.hostname is None:
        return None  # a socket in the file system, or a scheme of gRPC's own
    if is_http and signal.upper() in key and parts.path in ("", "/"):
        return f"{key}={address} is used as it is, and has no path: {signal} are lost; add /v1/{signal}"
    insecure = _variable(environ, signal, "INSECURE")[1].lower()
    tls = parts.scheme == "https" or (not is_http and parts.scheme == "" and insecure != "true")
    tls = tls or (not is_http and parts.scheme == "http" and insecure not in ("", "true"))
    authorities_key, authorities = _variable(environ, signal, "CERTIFICATE")
    if tls and authorities and not Path(authorities).is_file():
        return f"{authorities_key}={authorities} is no file: {signal} cannot be sent"
    try:
        port = parts.port or (443 if parts.scheme == "https" or not is_http else 80)
    except ValueError:
        return f"{key}={address} has no port that exists: {signal} cannot be sent"
    if _goes_through_proxy(parts.hostname):
        return None
    return _Target(address, key, parts.hostname, port, tls, authorities if tls else "")


def _goes_through_proxy(host: str) -> bool:
    return any(name in getproxies() for name in ("http", "https", "grpc", "all")) and not proxy_bypass(host)


def _answers(target: _Target, signals: str) -> Finding:
    where = f"{target.host}:{target.port}"
    how = f"{target.key}={target.address}" if target.key else "the default of OTLP"
    reason = _why_unreachable(target)
    if reason is None:
        return ok(f"something answers at {where}, where {signals} go ({how})")
    return wrong(f"{signals} go to {where} ({how}), and it {reason}: they are lost")


def _why_unreachable(target: _Target) -> str | None:
    """Why no connection could be made, as the end of a sentence; `None` where it could."""
    try:
        with socket.create_connection((target.host, target.port), TIMEOUT_S) as connection:
            if target.tls:
                trusted = ssl.create_default_context(cafile=target.authorities or None)
                with trusted.wrap_socket(connection, server_hostname=target.host):
                    pass
    except ConnectionRefusedError:
        return "refuses connections (is the Collector running?)"
    except TimeoutError:
        return f"does not answer within {TIMEOUT_S:g} s"
    except socket.gaierror:
        return "is a name that is not known here"
    except ssl.SSLCertVerificationError as error:
        return f"has a certificate that is not trusted ({error.verify_message}; see OTEL_EXPORTER_OTLP_CERTIFICATE)"
    except ssl.SSLError:
        return "does not speak TLS (an address with http:// does without)"
    except OSError as error:
        return f"cannot be reached ({error.strerror or error})"
    return None
