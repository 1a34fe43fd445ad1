"""What goes wrong on the wire: aiohttp's errors as httpx's, and which of them pass.

    aiohttp                            httpx
    ConnectionTimeoutError             ConnectTimeout
    ServerTimeoutError (reading)       ReadTimeout
    ClientConnectorDNSError            ConnectError
    ClientConnectorCertificateError    CertificateRefused (ConnectError)
    ClientConnectorSSLError            ConnectError
    ClientProxyConnectionError         ProxyError
    ClientHttpProxyError               ProxyRefused (ProxyError), ProxyError for 5xx
    ClientConnectorError               ConnectError
    ServerDisconnectedError            RemoteProtocolError
    ClientPayloadError                 RemoteProtocolError
    ClientConnectionError, OSError     ReadError
    ClientResponseError                Malformed (RemoteProtocolError)
    InvalidURL, other ClientError      UnsupportedProtocol

aiohttp's own texts hold the whole URL, so none of them is repeated and none of its errors
stays in the chain of ours: a query parameter may be a credential.
"""

from __future__ import annotations

import os
from typing import Final, final

import aiohttp
import httpx

__all__ = [
    "FOREIGN_ERRORS",
    "CertificateRefused",
    "Malformed",
    "ProxyRefused",
    "is_passing",
    "translate",
]

FOREIGN_ERRORS: Final = (aiohttp.ClientError, OSError)
"""What aiohttp raises while connecting, sending and reading; TimeoutError is an OSError."""


@final
class CertificateRefused(httpx.ConnectError):
    """The server's certificate is not one that we trust."""


@final
class ProxyRefused(httpx.ProxyError):
    """The proxy answered CONNECT with a status that another attempt will not change."""


@final
class Malformed(httpx.RemoteProtocolError):
    """The server's answer is no HTTP, or its header is larger than we accept."""


def translate(exc: BaseException) -> httpx.TransportError:
    """The httpx error that says what `exc` of aiohttp says, without its URL."""
    match exc:
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout("no connection within the connect timeout")
        case aiohttp.ServerTimeoutError():
            return httpx.ReadTimeout("silence for longer than the read timeout")
        case aiohttp.ClientConnectorDNSError():
            return httpx.ConnectError(f"the name {exc.host} can't be resolved")
        case aiohttp.ClientConnectorCertificateError():
            return CertificateRefused(f"certificate refused: {exc.certificate_error}")
        case aiohttp.ClientConnectorSSLError():
            why = exc.strerror or type(exc).__name__
            return httpx.ConnectError(f"TLS failed: {why}; is it https that it speaks there?")
        case aiohttp.ClientProxyConnectionError():
            return httpx.ProxyError(f"no connection to the proxy {exc.host}: {exc.strerror}")
        case aiohttp.ClientHttpProxyError():
            text = f"the proxy answered {exc.status}"
            return httpx.ProxyError(text) if exc.status >= 500 else ProxyRefused(text)
        case aiohttp.ClientConnectorError(os_error=ConnectionResetError(errno=None)):
            # What asyncio raises where the connection stood and ended before TLS did.
            return httpx.ConnectError(
                "the server ended the connection before TLS was agreed on; is it https, of 1.2 or "
                "later, that it speaks there, and does it ask for a client_cert?"
            )
        case aiohttp.ClientConnectorError():
            # asyncio's own text is "Connect call failed ('127.0.0.1', 8765)".
            why = os.strerror(exc.errno) if exc.errno else exc.strerror or "refused"
            return httpx.ConnectError(f"no connection: {why}")
        case aiohttp.ServerDisconnectedError():
            return httpx.RemoteProtocolError("the server closed the connection without an answer")
        case aiohttp.ClientPayloadError():
            return httpx.RemoteProtocolError("the body was cut off")
        case aiohttp.ClientResponseError():
            return Malformed("the answer is no HTTP, or its header is larger than 64 KiB")
        case aiohttp.ClientConnectionError() | OSError():
            return httpx.ReadError(f"the connection broke: {type(exc).__name__}")
        case _:
            return httpx.UnsupportedProtocol("not a URL that can be requested")


def is_passing(error: httpx.TransportError) -> bool:
    """Whether another attempt may go better: connections, timeouts, cut bodies."""
    return not isinstance(
        error, CertificateRefused | ProxyRefused | Malformed | httpx.UnsupportedProtocol
    )
