# SPDX-License-Identifier: Apache-2.0
"""The hosts that are known, one row each, with the source of its facts. A host that is not here is a ``gateway``.

A host's word for the state of a task is no row here: see :mod:`kling_provider.api.dialects.status_words`.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from kling_provider.api.hosts import KLING_MEDIA_HOSTS, HostProfile

_DMXAPI_RETIRED = (
    "This host documents its path /kling with models that Kling retired on 2026-09-15 (kling-v1, kling-v1-5, kling-v1-6). "
    "For kling-3.0 write its host without a path into the connection, such as https://www.dmxapi.cn"
)

#: What the gateways that speak the standard API document.
_DOCUMENTED = ("text_to_video", "image_to_video", "omni_video")

_ROWS = (
    HostProfile(
        "kling",
        "standard",
        ("klingai.com",),
        "Kling's documentation and live probes",
        "2026-09",
        locks=True,
        external_ids=True,
        can_find_by_external_id=True,
        task_reads=True,
        account=True,
        accepts_gateway_statuses=False,
    ),
    # Any host that we do not know: create and read by id, nothing else. The id is sent, and not checked.
    HostProfile(
        "gateway", "legacy", source="what every known gateway can do", read_in="2026-11", external_ids=True
    ),
    # Submit and read by id. Installs before August 2026 (relay/channel/task/kling) drop external ids and callbacks, later
    # ones (plugins/tasks/kling) pass them on to the reseller's account. No look-up, no lock.
    HostProfile(
        "new-api",
        "legacy",
        source="the public source of new-api and of its Kling plugin",
        read_in="2026-11",
        needs_namespace=True,
        callbacks=False,
    ),
    # The pages of 2026 know POST /v1/responses alone: submit and read by id, no external ids. Those of 2025 have Kling's
    # own paths below /kling, with external_task_id. Videos come from the store of the reseller behind it.
    HostProfile(
        "dmxapi",
        "responses",
        ("dmxapi.cn", "dmxapi.com"),
        "DMXAPI's documentation of 2025 and 2026",
        "2026-11",
        external_ids=True,
        media_hosts=(*KLING_MEDIA_HOSTS, "exp.bcevod.com"),
        api_below_path="legacy",
        notice_below_path=_DMXAPI_RETIRED,
    ),
    HostProfile(
        "cometapi",
        "legacy",
        ("cometapi.com",),
        "CometAPI's documentation",
        "2026-07",
        external_ids=True,
    ),
    # The only gateway found with a list and a look-up by external id.
    HostProfile(
        "kapon",
        "legacy",
        ("kapon.cloud",),
        "Kapon's documentation",
        "2026-10",
        external_ids=True,
        can_find_by_external_id=True,
    ),
    # The model stands in the body, and one path reads all types.
    HostProfile(
        "tokenhub",
        "tokenhub",
        ("tokenhub.tencentmaas.com",),
        "Tencent Cloud's documentation of TokenHub",
        "2026-10",
        types=_DOCUMENTED,
        external_ids=True,
        media_hosts=(*KLING_MEDIA_HOSTS, "myqcloud.com"),
    ),
    # Creates as the standard API, and reads by the path of the legacy one.
    HostProfile(
        "aimanyi",
        "standard",
        ("aimanyi.com",),
        "its documentation",
        "2026-10",
        read_api="legacy",
        types=_DOCUMENTED,
        external_ids=True,
    ),
    # The whole path up to /kling/videos belongs into the connection's host.
    HostProfile(
        "cloudsway",
        "standard",
        ("cloudsway.net",),
        "a recorded create",
        "2026-09",
        types=_DOCUMENTED,
        external_ids=True,
    ),
    HostProfile(
        "xmsmartlink", "legacy", ("xmsmartlink.com",), "its documentation", "2026-10", external_ids=True
    ),
    HostProfile(
        "crazyrouter", "legacy", ("crazyrouter.com",), "its documentation", "2026-10", external_ids=True
    ),
)

PROFILES = {profile.name: profile for profile in _ROWS}


def find_profile_name(base_url: str) -> str:
    """Return the name of the profile of a base URL; ``gateway`` for a host that is not in the table."""
    host = (urlsplit(base_url).hostname or "").lower()
    for profile in _ROWS:
        if any(host == domain or host.endswith("." + domain) for domain in profile.domains):
            return profile.name
    return "gateway"
