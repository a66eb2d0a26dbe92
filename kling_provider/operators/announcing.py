# SPDX-License-Identifier: Apache-2.0
"""What operators tell of each video when they are done: an asset event, lineage, and the result in the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kling_provider.operators.declaring import DeclaresAsset
from kling_provider.task_log import log_group

if TYPE_CHECKING:
    from kling_provider.api.requests import Request
    from kling_provider.storage import SavedFile, SavedResult
    from kling_provider.submission.sent import SentRequest

log = logging.getLogger(__name__)

_FACTS = (
    "kling_task_id",
    "external_task_id",
    "name",
    "type",
    "prompt",
    "model",
    "take",
    "adopted",
    "billing",
    "created_at",
    "finished_at",
    "expires_at",
)


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a task instance came to, for lineage.

    :param facts: of the result (:data:`_FACTS`); a submit knows fewer.
    :param images: addresses of the pictures that went in.
    """

    facts: Mapping[str, Any]
    images: Sequence[str] = ()
    saved: SavedResult | None = None

    @property
    def files(self) -> Sequence[SavedFile]:
        """The files that were saved."""
        return self.saved.files if self.saved is not None else ()


class TellsLineage(DeclaresAsset):
    """An operator that OpenLineage can ask."""

    _made: Made | None = None
    #: The outputs of the result, once there is one; the link *Video* reads it.
    kling_outputs: Sequence[Mapping[str, Any]] = ()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Inputs (pictures), outputs (files), and a run facet ``kling`` with ids, model and cost."""
        from kling_provider.operators.lineage import openlineage_of
        from kling_provider.operators.telling import undisturbed

        if self._made is not None:
            with undisturbed("tell OpenLineage"):
                return openlineage_of(self._made)
        return None


class VideoOutlet(TellsLineage):
    """An operator whose videos are events of its asset."""

    _asset_among = "outlets"

    def _finished(
        self,
        context: Mapping[str, Any],
        result: dict[str, Any],
        saved: SavedResult | None = None,
        *,
        request: Request | SentRequest | None,
    ) -> dict[str, Any]:
        """Tell of a finished video; returns its result.

        :param saved: what is saved of it, now or before.
        """
        from kling_provider.operators.lineage import collect
        from kling_provider.operators.telling import undisturbed

        images: Sequence[str] = ()
        with undisturbed("name the inputs of this request"):
            images = _input_urls(request)
        made = Made(facts={fact: result[fact] for fact in _FACTS}, images=images, saved=saved)
        self._made, self.kling_outputs = made, result["outputs"]
        with undisturbed("tell the lineage collector"):
            collect(made, self)
        conn_id = getattr(request, "kling_conn_id", None) or getattr(self, "kling_conn_id", None)
        event = video_event(made, result, request, conn_id=conn_id, context=context)
        self._announce(context, event)
        with undisturbed("log the result"), log_group(log.info, "Result"):
            for line in told(result, saved):
                log.info("%s", line)
        return result

    def _announce(self, context: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        """Every asset that this task updates gets the video's facts, the user's own ones too."""
        from airflow.sdk import Asset

        from kling_provider.operators.telling import undisturbed

        for outlet in self.outlets:
            if isinstance(outlet, Asset):
                with undisturbed(f"add the video to the event of {outlet.name}"):
                    context["outlet_events"][outlet].extra.update(event)

    def _made_no_video(self) -> None:
        """The task succeeds without a video, so no asset is updated, the user's own ones neither."""
        self._declares = False
        self.outlets = []


def _input_urls(request: Request | SentRequest | None) -> tuple[str, ...]:
    from kling_provider.storage import image_addresses
    from kling_provider.submission.sent import SentRequest

    if request is None:
        return ()
    if isinstance(request, SentRequest):
        return request.input_urls
    return tuple(image_addresses(request).values())


def video_event(
    made: Made,
    result: Mapping[str, Any],
    request: Request | SentRequest | None,
    *,
    conn_id: str | None,
    context: Mapping[str, Any],
) -> dict[str, Any]:
    """The ``extra`` of a video's asset event (JSON; ``docs/assets.md``). It carries no link and nothing secret."""
    ti = context["ti"]
    return {
        **made.facts,
        "delivered": made.saved is not None and made.saved.reused,
        "conn_id": conn_id,
        "duration": next((output["duration"] for output in result["outputs"]), None),
        "resolution": getattr(request, "resolution", None),
        "aspect_ratio": getattr(request, "aspect_ratio", None),
        "audio": getattr(request, "sound", None),
        "manifest": result["manifest"],
        "files": [
            {
                "file": saved.file,
                "poster": saved.poster_file,
                "type": saved.output.type,
                "sha256": saved.output.sha256,
                "bytes": saved.output.bytes,
            }
            for saved in made.files
        ],
        "dag_id": ti.dag_id,
        "run_id": ti.run_id,
        "task_id": ti.task_id,
        "map_index": ti.map_index,
    }


def told(result: Mapping[str, Any], saved: SavedResult | None) -> list[str]:
    """The result in lines for the log, without links."""
    from kling_provider.api.billing import billing_text

    cost = billing_text(result["billing"])
    lines = [
        f"Kling task {result['kling_task_id']}, external id {result['external_task_id'] or 'none'}",
        f"made {result['created_at']}, finished {result['finished_at']}; its link dies {result['expires_at']}",
        f"cost: {cost or 'not said by Kling'}{' (paid earlier)' if result['adopted'] else ''}",
    ]
    if saved is None:
        return [*lines, "not saved: no destination was given here"]
    for one in saved.files:
        lines.append(f"file: {one.file} ({one.output.bytes} bytes, sha256 {one.output.sha256})")
        if one.poster_file:
            lines.append(f"poster: {one.poster_file}")
    return [*lines, f"manifest: {saved.manifest_file}"]
