# SPDX-License-Identifier: Apache-2.0
"""What Airflow's page of rendered fields shows of a request: what may be shown, not what is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kling_provider.storage import shown_request


class Rendered(Mapping[str, Any]):
    """A rendered request until the task starts. Airflow stores what :meth:`serialize` returns.

    Links lose what grants access, base64 becomes its sha256, a callback's URL its host.
    """

    def __init__(self, request: Mapping[str, Any]) -> None:
        self.request = request

    def __getitem__(self, key: str) -> Any:
        return self.request[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.request)

    def __len__(self) -> int:
        return len(self.request)

    def __repr__(self) -> str:
        return repr(self.serialize())

    def serialize(self) -> dict[str, Any]:
        """Return the request as it may be shown, without secrets."""
        return shown_request(self.request)


def wrap_requests(value: Any) -> Any:
    """Wrap a request, or each of a list of them."""
    if isinstance(value, Mapping):
        return Rendered(value)
    return [wrap_requests(one) for one in value] if isinstance(value, list | tuple) else value


def unwrap_requests(value: Any) -> Any:
    """Return the requests that were wrapped by :func:`wrap_requests` again."""
    if isinstance(value, Rendered):
        return value.request
    return [unwrap_requests(one) for one in value] if isinstance(value, list) else value
