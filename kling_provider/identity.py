# SPDX-License-Identifier: Apache-2.0
"""Which paid job a task instance stands for, as an id that Kling itself keeps unique.

The id is computed, never stored: a retry, a clear or a run that was deleted and made again finds the same
task. Its form is pinned by golden tests for ever: another form would pay for everything once more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from kling_provider.api.requests.base import KlingRequest
from kling_provider.api.values import normalize_text

#: How far the same request is paid once: in this run, in this Dag, or in the whole account.
PayOncePer = Literal["run", "dag", "account"]
SCOPES: tuple[PayOncePer, ...] = ("run", "dag", "account")

#: Attempts per intended result: a new one only after Kling itself failed the one before.
_MAX_ATTEMPTS = 20

_VERSION = 1


@dataclass(frozen=True)
class Identity:
    """One intended result.

    :param own: the user's own ``external_task_id``, used as it is; then there is one attempt only.
    """

    namespace: str
    dag_id: str
    scope: Mapping[str, Any]
    fingerprint: Mapping[str, Any]
    take: int = 0
    own: str | None = None

    @classmethod
    def of_request(
        cls,
        request: KlingRequest,
        *,
        pay_once_per: PayOncePer,
        namespace: str,
        dag_id: str,
        task_id: str,
        run_id: str,
        map_index: int,
        images: Mapping[str, str] | None = None,
    ) -> Identity:
        """Return the identity of ``request`` at a task instance."""
        # The word of the widest scope is hashed as "content" for ever: what was paid under it must be found.
        scope: dict[str, Any] = {"per": "content" if pay_once_per == "account" else pay_once_per}
        if pay_once_per != "account":
            scope |= {"dag": dag_id, "task": task_id}
            if request.name is not None:
                scope["name"] = normalize_text(request.name)
        if pay_once_per == "run":
            scope["run"] = run_id
            if request.name is None:
                scope["map"] = map_index
        return cls(
            namespace=namespace,
            dag_id="" if pay_once_per == "account" else dag_id,
            scope=scope,
            fingerprint=request.fingerprint(images),
            take=request.take,
            own=request.external_task_id,
        )

    def external_task_id(self, attempt: int = 0) -> str:
        """Return ``af-``, 8 hex digits of the owner and 32 of the rest: 43 characters; or the user's own external id."""
        if self.own is not None:
            return self.own
        document = {
            "v": _VERSION,
            "namespace": self.namespace,
            "scope": self.scope,
            "fingerprint": self.fingerprint,
            "take": self.take,
            "attempt": attempt,
        }
        return f"af-{_hash_owner(self.namespace, self.dag_id)}{_hash_value(document)[:32]}"

    @property
    def key(self) -> str:
        """Return the identity without the attempt, as records and manifests keep it.

        The user's own external id says nothing of the request, so a digest of the request follows it.
        """
        if self.own is not None:
            return f"{self.own}#{_hash_value(self.fingerprint)[:8]}"
        return self.external_task_id(0)

    @property
    def attempts(self) -> int:
        """Return how many attempts may be made: one under the user's own id."""
        return 1 if self.own is not None else _MAX_ATTEMPTS

    def attempt_of(self, external_task_id: str) -> int | None:
        """Return the attempt to which an external id belongs; ``None`` for an id of another identity."""
        for attempt in range(self.attempts):
            if self.external_task_id(attempt) == external_task_id:
                return attempt
        return None


def _hash_owner(namespace: str, dag_id: str) -> str:
    """Return 8 hex digits for the owner of an external id. ``dag_id`` is empty for the scope of a whole account."""
    return _hash_value([namespace, dag_id])[:8]


def _hash_value(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()


def is_ours(external_task_id: str | None, namespace: str, dag_ids: Sequence[str] | None = None) -> bool:
    """Tell whether this provider computed an external id, and for one of ``dag_ids`` where they are given.

    The namespace is hashed together with the Dag id, so without ``dag_ids`` it is not compared.
    """
    if external_task_id is None or not re.fullmatch(r"af-[0-9a-f]{40}", external_task_id):
        return False
    if dag_ids is None:
        return True
    return external_task_id[3:11] in {_hash_owner(namespace, dag_id) for dag_id in dag_ids}
