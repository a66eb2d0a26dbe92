# SPDX-License-Identifier: Apache-2.0
"""What a host can do. The known ones are in :mod:`kling_provider.api.host_profiles`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kling_provider.api.catalog import spec_of
from kling_provider.api.problems import Problem

if TYPE_CHECKING:
    from kling_provider.api.requests.base import KlingRequest

#: Base addresses by region (Kling docs, authentication page). A key works in its own region only.
REGIONS = {
    "global": "https://api-singapore.klingai.com",
    "china": "https://api-beijing.klingai.com",
}

#: Kling's former domain: only the ``/v1`` tree lives there, ``/tasks`` is a 404 page (live, 2026-09-28).
_FORMER = "api.klingai.com"

#: Where Kling's own videos lie, subdomains included (links of both regions, 2025 and 2026). Gateways pass them on.
KLING_MEDIA_HOSTS = ("klingai.com", "inkwai.com", "kechuangai.com")


class Lock(StrEnum):
    """What Kling's ``external_task_id`` is worth for one type and model on one host."""

    #: A second create with the same id is refused, so the id is a lock.
    LOCKED = "locked"
    #: The id goes along, but no second create was seen to be refused.
    CARRIED = "carried"
    #: The id is not taken.
    NONE = "none"


@dataclass(frozen=True, slots=True)
class HostProfile:
    """One kind of host."""

    name: str
    #: The API that the host speaks unless the connection says otherwise.
    api: str
    #: Its domains, subdomains included.
    domains: tuple[str, ...] = ()
    #: Where the facts are from, and the month in which they were read there.
    source: str = ""
    read_in: str = ""
    #: The types of requests that its documents have; empty: every type that its API has a path for may be there.
    types: tuple[str, ...] = ()
    #: Refuses duplicate external ids (for the models above).
    locks: bool = False
    #: Carries external ids at all.
    external_ids: bool = False
    #: Carries the address of a callback.
    callbacks: bool = True
    #: Finds tasks by external id.
    can_find_by_external_id: bool = False
    #: The API whose path reads a task, where that is another than the one that makes it.
    read_api: str = ""
    #: ``GET /tasks`` with up to 20 ids and ``POST /tasks``.
    task_reads: bool = False
    #: ``/account/costs``.
    account: bool = False
    #: Uses other status words than Kling, in any case: those of ``dialects/status_words.py``.
    accepts_gateway_statuses: bool = True
    #: External ids and callbacks reach the account of a reseller, where equal ids of other customers collide: they go
    #: along only where the connection has a namespace.
    needs_namespace: bool = False
    #: Hosts beside its own where its videos lie, subdomains included.
    media_hosts: tuple[str, ...] = KLING_MEDIA_HOSTS
    #: The API that it speaks below a path, where that differs from ``api``: DMXAPI's old route is ``/kling``.
    api_below_path: str = ""
    #: What a task log says before a paid call by ``api_below_path``.
    notice_below_path: str = ""
    #: What a task log says before a paid call, if anything.
    notice: str = ""

    @property
    def is_kling(self) -> bool:
        """Tell whether this is Kling's own host, with regions and a console; all others are gateways."""
        return self.name == "kling"

    def find_lock(self, request: KlingRequest) -> Lock:
        """Return what an external id is worth at this host for a request, by its type and model."""
        spec = spec_of(request)
        if not spec.takes_external_id(request.model) or not self.external_ids:
            return Lock.NONE
        return Lock.LOCKED if self.locks and spec.is_locked(request.model) else Lock.CARRIED

    def find_unsupported(self, request: KlingRequest) -> list[Problem]:
        """Return what this host would drop silently, whatever the API design; such a request is not sent."""
        if self.types and request.type not in self.types:
            message = (
                f"must be {' or '.join(self.types)} at a {self.name} host, whose documents have no other"
            )
            return [Problem("type", request.type, message)]
        carried = {"external_task_id": self.external_ids, "callback_url": self.callbacks}
        return [
            Problem(field, None, f"must be left out: {self.no_ids_reason}")
            for field, is_carried in carried.items()
            if getattr(request, field) and not is_carried
        ]

    @property
    def no_ids_reason(self) -> str:
        """Return why external ids and callbacks are not sent to this host, for messages."""
        why = f"a {self.name} host drops it silently"
        if self.needs_namespace:
            why += (
                " (or give the connection the extra namespace, a word of your own: installs since August 2026 pass it on, "
                "to an account that you share with other customers)"
            )
        return why

    def for_credential(self, *, api_key: bool) -> HostProfile:
        """Return the profile for a kind of credential: ``/tasks`` refuses access key and secret key (observed live)."""
        if self.task_reads and not api_key:
            return replace(self, task_reads=False)
        return self

    def with_namespace(self, namespace: str) -> HostProfile:
        """Return the profile for a namespace: where customers share an account, ids are sent only with one."""
        return (
            replace(self, external_ids=True, callbacks=True) if self.needs_namespace and namespace else self
        )

    def for_api(self, api: str) -> HostProfile:
        """Return the profile for an API: the responses route reads one task by its id, and does nothing else."""
        if api == "responses":
            return replace(
                self,
                external_ids=False,
                needs_namespace=False,
                can_find_by_external_id=False,
                task_reads=False,
                account=False,
            )
        return replace(self, notice=self.notice_below_path) if self.api_below_path == api else self

    def for_base_url(self, base_url: str) -> HostProfile:
        """Return the profile for a base URL.

        Kling's former domain has the legacy API only, and some gateways speak another API below a path.
        """
        parts = urlsplit(base_url)
        if self.task_reads and (parts.hostname or "").lower() == _FORMER:
            return replace(self, api="legacy", task_reads=False)
        if self.api_below_path and parts.path.strip("/"):
            return replace(self, api=self.api_below_path)
        return self


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` (with or without a port) is this machine by its name or address alone."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
