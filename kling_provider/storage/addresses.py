# SPDX-License-Identifier: Apache-2.0
"""Where a download may connect to: anywhere on the internet, and at home only where the connection itself points.

What names a result's link is the host's answer, and a worker reaches what its writer does not: databases, metadata
services, other people's machines. So the address is checked that the socket is connected to, whatever a name resolves to
and wherever a redirect leads.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from kling_provider.hooks.transport import WatchedAdapter

if TYPE_CHECKING:
    from requests import Session

    from kling_provider.hooks.connection import KlingConnection

#: An IPv4 address inside an IPv6 one, as NAT64 writes it (RFC 6052).
_NAT64 = ip_network("64:ff9b::/96")

#: The extra of a connection that lifts the rule.
_EXTRA = "allow_private_downloads"


class Refused(Exception):
    """The link leads to where a download must not go; the text says where, and what allows it."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a connection allows.

    :param home: the connection's own host, which may have a private address.
    :param everywhere: any host may.
    """

    home: str
    everywhere: bool = False

    @classmethod
    def of_connection(cls, connection: KlingConnection) -> Reach:
        """Return what a connection allows."""
        home = urlsplit(connection.base_url).hostname or ""
        return cls(home, everywhere=connection.allow_private_downloads)

    def check_address(self, host: str, address: str) -> None:
        """Check an IP address that a download from ``host`` would be connected to.

        :raises Refused: where it may not.
        """
        if self.everywhere or host.lower() == self.home.lower() or is_public(address):
            return
        raise Refused(
            f"{host} has the private address {address}, and it is not the host of the connection. If the results really "
            f"lie there, set the connection's extra {_EXTRA} to true"
        )


def is_public(address: str) -> bool:
    """Return whether an IP address is public; an IPv4 address within an IPv6 one is judged by itself."""
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if inner is None and found in _NAT64:
            inner = IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            found = inner
    return found.is_global and not found.is_multicast


def guard_session(
    session: Session, reach: Reach, *, answer_time: float, slowest: float | None = None
) -> None:
    """Make ``session`` check every address that it connects to, and follow no redirect from https to http.

    Behind a proxy the proxy connects: there only an address that a link names itself is checked.

    :param answer_time: seconds for a whole answer; ``slowest``: bytes a second that give so much more time.
    """

    def check_peer(connection: HTTPConnection) -> None:
        if connection.proxy is None and connection.sock is not None:
            try:
                reach.check_address(connection.host.strip("[]"), connection.sock.getpeername()[0])
            except Refused:
                connection.close()
                raise

    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            check_peer(self)

    class Encrypted(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            check_peer(self)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    class Guarded(WatchedAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            HTTPAdapter.init_poolmanager(self, *args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": EncryptedPool}
            self._watch_pools(self.poolmanager)

        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            host = (urlsplit(request.url).hostname or "").strip("[]")
            if _is_address(host):
                reach.check_address(host, host)
            return super().send(request, *args, **kwargs)

    for scheme in ("http://", "https://"):
        session.mount(scheme, Guarded(answer_time=answer_time, slowest=slowest))


def is_downgrade(url: str, target: str | None) -> bool:
    """Return whether a redirect from ``url`` gives up encryption."""
    return url.lower().startswith("https:") and (target or "").lower().startswith("http:")


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
