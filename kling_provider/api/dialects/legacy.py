# SPDX-License-Identifier: Apache-2.0
"""The legacy ``/v1`` API: ``model_name`` in the body, durations as text, one path per product."""

from __future__ import annotations

from urllib.parse import quote

from kling_provider.api.calls import ApiRequest
from kling_provider.api.catalog import find_spec, spec_of
from kling_provider.api.problems import Problem
from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.requests.fields import ApiDesign


class LegacyDialect:
    """``POST /v1/videos/text2video`` and its like; API key or access key and secret key."""

    name = "legacy"
    design: ApiDesign = "legacy"

    def create(self, request: KlingRequest, external_task_id: str | None) -> ApiRequest:
        """Return the paid call, with every field at the top of the body."""
        spec = spec_of(request)
        body = request.to_body(self.design)
        if request.callback_url and spec.callbacks:
            body["callback_url"] = request.callback_url
        if external_task_id and spec.external_ids:
            body["external_task_id"] = external_task_id
        return ApiRequest("POST", spec.paths[self.design], json=body)

    def find_unsupported(self, request: KlingRequest) -> list[Problem]:
        """Return no problems: :class:`KlingRequest` itself reports fields that this design lacks."""
        return []

    def read(self, type: str, id: str) -> ApiRequest:
        """Return the call that reads one task; an external id may stand in the place of Kling's.

        :raises ValueError: where the legacy API does not have the type.
        """
        spec = find_spec(type)
        if spec is None or self.design not in spec.paths:
            raise ValueError(f"the legacy API has no type {type!r}")
        return ApiRequest("GET", f"{spec.paths[self.design]}/{quote(id, safe='')}")


#: Entries of one page of a list. Kling allows 500 everywhere, and 1000 for some lists.
PAGE_SIZE = 500


def list_page(path: str, page: int) -> ApiRequest:
    """Return the call that lists one page of what was made at ``path``; the response tells neither a total nor the order.

    :param page: from 1; Kling allows 1000.
    """
    return ApiRequest("GET", path, params={"pageNum": str(page), "pageSize": str(PAGE_SIZE)})
