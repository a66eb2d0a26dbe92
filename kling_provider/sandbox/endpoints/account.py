# SPDX-License-Identifier: Apache-2.0
"""What is left in the account's packs."""

from __future__ import annotations

import re
from typing import Any

from kling_provider.sandbox.endpoints.base import Endpoint
from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.messages import Response, build_success
from kling_provider.sandbox.state.tasks import to_milliseconds


class AccountCosts(Endpoint):
    """``GET /account/costs``: the packs, in an envelope within the envelope."""

    operation = "account"
    accepts_tokens = True

    def run_operation(self) -> Response:
        """Return the packs that were valid at some time of the asked window (milliseconds)."""
        account, now_ms = self.authenticate_caller(), to_milliseconds(self.app.backend.settle_tasks())
        values = self.request.parse_query()
        times = [values.get("start_time", ""), values.get("end_time", "")]
        if not all(re.fullmatch(r"[0-9]{1,18}", time) for time in times):
            raise InvalidParameter("start_time and end_time are required")
        start, end = int(times[0]), int(times[1])
        if start > end:
            raise InvalidParameter("start_time must be before end_time")
        self.app.throttle_account(account.name)
        data: dict[str, Any] = {"code": 0, "msg": "success"}
        packs = [
            pack.to_wire(now_ms)
            for pack in account.packs
            if pack.bought_ms <= end and pack.invalid_ms >= start
        ]
        name = values.get("resource_pack_name")
        packs = [pack for pack in packs if name in (None, "", pack["resource_pack_name"])]
        if packs:  # recorded: without a pack the key is absent
            data["resource_pack_subscribe_infos"] = packs
        return build_success(data)
