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

from kling_provider.api.requests import IMAGE_FIELDS, Request
from kling_provider.api.values import one_form

#: How far the same request is paid once: in this run, in this DAG, or in the whole account.
PayOncePer = Literal["run", "dag", "content"]
SCOPES: tuple[PayOncePer, ...] = ("run", "dag", "content")

#: Attempts per intended video: a new one only after Kling itself failed the one before.
MAX_ATTEMPTS = 20

_VERSION = 1

#: Frozen on purpose, apart from the models' defaults: a value that equals its entry is left out, so that
#: writing a default out changes nothing, and a later change of our defaults does not pay again.
_DEFAULTS: dict[str, Any] = {
    "type": "text_to_video",
    "model": "kling-3.0",
    "duration": 5,
    "resolution": "720p",
    "aspect_ratio": "16:9",
    "audio": "off",
    "multi_shot": False,
    "watermark": False,
    "cfg_scale": 0.5,
}

_PATHS = frozenset({*IMAGE_FIELDS, "dynamic_masks"})
#: None of these changes the video.
_NOT_THE_VIDEO = frozenset({"name", "take", "adopt", "callback_url", "external_task_id"})


def fingerprint(request: Request, images: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What of ``request`` changes the video, the same for both API designs.

    :param images: per image field, what stands for it (``sha256:…`` of its bytes, or its address without
        signature), as :func:`kling_provider.storage.resolve_images` gives it.
    """
    fields = {
        # The bytes of a path are its own; a text is the same text in every form of Unicode.
        key: value if key in _PATHS else _in_one_form(value)
        for key, value in request.model_dump(exclude=set(_NOT_THE_VIDEO), exclude_none=True).items()
    }
    for field in ("prompt", "negative_prompt"):
        if not fields.get(field, "").strip():
            fields.pop(field, None)
    fields["audio"], fields["multi_shot"] = request.sound, request.one_shot
    images = images or {}
    fields |= {field: images[field] for field in IMAGE_FIELDS if field in images}
    for number, mask in enumerate(fields.get("dynamic_masks", ())):
        mask["mask"] = images.get(f"dynamic_masks.{number}.mask", mask["mask"])
    if request.camera_control is not None:
        fields["camera_control"] = request.camera_control.model_dump(exclude_defaults=True)
    return {
        key: value
        for key, value in fields.items()
        if value not in (None, []) and _DEFAULTS.get(key, _Missing) != value
    }


def _in_one_form(value: Any) -> Any:
    if isinstance(value, str):
        return one_form(value)
    if isinstance(value, dict):
        return {key: _in_one_form(item) for key, item in value.items()}
    return [_in_one_form(item) for item in value] if isinstance(value, list) else value


class _Missing:
    """Equal to no value, so that ``None`` in the table would still mean something."""


@dataclass(frozen=True)
class Identity:
    """One intended video.

    :param own: the user's own ``external_task_id``, used as it is; then there is one attempt only.
    """

    namespace: str
    dag_id: str
    scope: Mapping[str, Any]
    fingerprint: Mapping[str, Any]
    take: int = 0
    own: str | None = None

    @classmethod
    def of(
        cls,
        request: Request,
        *,
        pay_once_per: PayOncePer,
        namespace: str,
        dag_id: str,
        task_id: str,
        run_id: str,
        map_index: int,
        images: Mapping[str, str] | None = None,
    ) -> Identity:
        """The identity of ``request`` at a task instance."""
        scope: dict[str, Any] = {"per": pay_once_per}
        if pay_once_per != "content":
            scope |= {"dag": dag_id, "task": task_id}
            if request.name is not None:
                scope["name"] = one_form(request.name)
        if pay_once_per == "run":
            scope["run"] = run_id
            if request.name is None:
                scope["map"] = map_index
        return cls(
            namespace=namespace,
            dag_id="" if pay_once_per == "content" else dag_id,
            scope=scope,
            fingerprint=fingerprint(request, images),
            take=request.take,
            own=request.external_task_id,
        )

    def external_task_id(self, attempt: int = 0) -> str:
        """``af-`` + 8 hex that say whose it is + 32 hex of the rest: 43 characters, letters, digits, dash."""
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
        return f"af-{owner_hash(self.namespace, self.dag_id)}{_hash(document)[:32]}"

    @property
    def key(self) -> str:
        """The identity whatever the attempt: what records and sidecars keep.

        The user's own external id says nothing of the request, so a digest of it follows.
        """
        if self.own is not None:
            return f"{self.own}#{_hash(self.fingerprint)[:8]}"
        return self.external_task_id(0)

    @property
    def attempts(self) -> int:
        return 1 if self.own is not None else MAX_ATTEMPTS

    def attempt_of(self, external_task_id: str) -> int | None:
        """Which attempt an external id of ours is; ``None`` for somebody else's."""
        for attempt in range(self.attempts):
            if self.external_task_id(attempt) == external_task_id:
                return attempt
        return None


def owner_hash(namespace: str, dag_id: str) -> str:
    """8 hex: whose an external id is. Empty ``dag_id`` for the scope of a whole account."""
    return _hash([namespace, dag_id])[:8]


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode()).hexdigest()


def is_ours(external_task_id: str | None, namespace: str, dag_ids: Sequence[str] | None = None) -> bool:
    """Whether an external id was computed here, and by one of ``dag_ids`` where they are given.

    The namespace is hashed together with the DAG id, so without ``dag_ids`` it cannot be told.
    """
    if external_task_id is None or not re.fullmatch(r"af-[0-9a-f]{40}", external_task_id):
        return False
    if dag_ids is None:
        return True
    return external_task_id[3:11] in {owner_hash(namespace, dag_id) for dag_id in dag_ids}
