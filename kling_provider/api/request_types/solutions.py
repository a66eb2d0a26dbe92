# SPDX-License-Identifier: Apache-2.0
"""Kling's ready-made solutions for shops and series.

Ids go along and are looked up, and nobody has published whether a second create with the same one is refused. Which of the
account's limits they count against is not published either.
"""

from __future__ import annotations

from kling_provider.api.price_rules import NotPublished
from kling_provider.api.request_types.spec import RequestSpec

#: Where Kling's own host reads and lists the tasks of all solutions.
_TASKS = "/solutions"

SPECS: tuple[RequestSpec, ...] = (
    RequestSpec(
        type="virtual_try_on",
        made_by="solutions:VirtualTryOn",
        paths={"standard": "/solutions/virtual_try_on", "legacy": "/v1/images/kolors-virtual-try-on"},
        outputs=("image",),
        price_rule=NotPublished("image"),
        noun="image",
        locked="no",
        tasks_path=_TASKS,
        concurrency=None,
        package="image",
        example="virtual_try_on.yaml",
    ),
    RequestSpec(
        type="goods_studio",
        made_by="solutions:GoodsStudio",
        paths={"standard": "/solutions/e-commerce/goods_studio"},
        outputs=("video",),
        price_rule=NotPublished("video"),
        locked="no",
        tasks_path=_TASKS,
        concurrency=None,
        example="goods_studio.yaml",
    ),
    RequestSpec(
        type="talking_agent",
        made_by="solutions:TalkingAgent",
        paths={"standard": "/solutions/talking_agent"},
        outputs=("video",),
        price_rule=NotPublished("video"),
        locked="no",
        tasks_path=_TASKS,
        concurrency=None,
        example="talking_agent.yaml",
    ),
    RequestSpec(
        type="clothing_dupe",
        made_by="solutions:ClothingDupe",
        paths={"standard": "/solutions/e-commerce/clothing_dupe"},
        outputs=("image", "video"),
        price_rule=NotPublished("video"),
        locked="no",
        tasks_path=_TASKS,
        concurrency=None,
        example="clothing_dupe.yaml",
    ),
    RequestSpec(
        type="drama_subtitle",
        made_by="solutions:DramaSubtitle",
        paths={"standard": "/solutions/drama_subtitle"},
        outputs=("video", "subtitle"),
        price_rule=NotPublished("video"),
        locked="no",
        tasks_path=_TASKS,
        concurrency=None,
        example="drama_subtitle.yaml",
    ),
)
