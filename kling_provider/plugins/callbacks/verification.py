# SPDX-License-Identifier: Apache-2.0
"""Tell whether a message is Kling's and new: signatures of Standard Webhooks, and the ids of messages that came before.

No I/O. The signature is over the bytes as they came; nothing of a body is parsed before it was found right.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Literal

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

#: Verified where a connection has no secret, or is none: so the time an answer takes tells an outsider nothing.
_NOBODYS_SECRET = "whsec_bm9ib2R5IGhhcyB0aGlzIHNlY3JldA=="
#: The headers that Standard Webhooks signs by.
_SIGNED_BY = ("webhook-id", "webhook-timestamp", "webhook-signature")
#: An id of a message is a text of this length at most; those of Kling are numbers.
_LONGEST = {"webhook-id": 256, "webhook-timestamp": 32, "webhook-signature": 2048}

Refusal = Literal["unsigned", "stale", "forged"]


def find_refusal(secrets: Sequence[str], headers: Mapping[str, str], body: bytes) -> Refusal | None:
    """Find why a message is not Kling's; ``None`` where one of the secrets signed it within five minutes of now.

    :param secrets: of the connection; while one is rotated there are several.
    :param headers: of the message, names in small letters.
    :param body: as it came.
    """
    signed_by = {name: headers.get(name, "") for name in _SIGNED_BY}
    if not all(signed_by.values()) or any(len(text) > _LONGEST[name] for name, text in signed_by.items()):
        return "unsigned"
    refusal: Refusal = "forged"
    for secret in secrets or (_NOBODYS_SECRET,):
        try:
            Webhook(secret).verify(body, signed_by, json_parse=False)
        except WebhookVerificationError as error:
            # The package has one error for all; the words of the two about the time are its own.
            if "too old" in str(error) or "too new" in str(error):
                refusal = "stale"
        except ValueError:  # a body that is no text, a signature without its version or its base64
            continue
        else:
            return refusal if not secrets else None
    return refusal


class SeenMessages:
    """The ids of messages that were taken, for as long as their signatures hold. Of one process.

    :param most: how many are kept; the oldest are forgotten first, and could only wake a task that waits again.
    :param lasts: for how many seconds: five minutes before and after the time that a message states.
    """

    def __init__(self, *, most: int = 20_000, lasts: float = 660.0) -> None:
        self._most = most
        self._lasts = lasts
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()

    def is_new(self, conn_id: str, message_id: str) -> bool:
        """Tell whether a message comes for the first time, and keep its id."""
        now = time.monotonic()
        while self._seen and (len(self._seen) >= self._most or next(iter(self._seen.values())) <= now):
            self._seen.popitem(last=False)
        key = (conn_id, message_id)
        if key in self._seen:
            return False
        self._seen[key] = now + self._lasts
        return True

    def forget(self, conn_id: str, message_id: str) -> None:
        """Forget a message that could not be handled, so that its repetition is."""
        self._seen.pop((conn_id, message_id), None)
