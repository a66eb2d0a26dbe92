# SPDX-License-Identifier: Apache-2.0
"""What a request may name: the outputs of its account's tasks, by their ids, and files by their URLs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.media import sources
from kling_provider.sandbox.media.files import ImageFile
from kling_provider.sandbox.media.inputs import UNREACHABLE, InputImage, measure_image
from kling_provider.sandbox.media.masks import MaskFile
from kling_provider.sandbox.media.sources import Source
from kling_provider.sandbox.products.outputs import Link, RenderedOutput
from kling_provider.sandbox.state.accounts import SandboxAccount
from kling_provider.sandbox.state.backend import Backend
from kling_provider.sandbox.state.tasks import Task

if TYPE_CHECKING:
    from kling_provider.sandbox.products.base import Product

_OUTPUT_LIFE = 30 * 86_400
"""Seconds for which an output can be named by its id (documented)."""
_SESSION_LIFE = 24 * 3600
"""Seconds for which a session is open (documented)."""
_OWN_FILE = re.compile(r"/files/(\d+)/([^/]+)")


class Library:
    """The media of one account.

    :param check_link: (path, query, now) -> what is wrong with a signed link of the sandbox.
    """

    def __init__(
        self,
        account: SandboxAccount,
        *,
        backend: Backend,
        products: Mapping[str, Product],
        check_link: Callable[[str, str, float], str | None],
    ) -> None:
        self.account = account
        self.options = backend.options
        self.now = backend.settle_tasks()
        self._backend = backend
        self.products = products
        self._check_link = check_link

    def list_tasks(self, *products: str) -> Iterator[Task]:
        """List the account's tasks of these kinds that have succeeded, newest first; without a name those of all."""
        for task in reversed(self._backend.all()):
            wanted = not products or task.request.product in products
            if wanted and task.account == self.account.name and task.get_state(self.now) == "succeeded":
                yield task

    def find_output(self, output_id: str, *types: str, where: str) -> tuple[Task, RenderedOutput]:
        """Return the output with this id, and the task that made it.

        :param types: the words of the standard design: ``video``, ``audio``.
        :raises InvalidParameter: no task of the account has made it, or more than 30 days ago.
        """
        for task in self.list_tasks():
            if output_id in task.output_ids:
                for output in self.products[task.request.product].list_outputs(task):
                    if output.type in types and output_id in (
                        output.standard.get("id"),
                        output.legacy.get("id"),
                    ):
                        if self.now >= task.ends + _OUTPUT_LIFE:
                            raise InvalidParameter(f"{where} {output_id} is older than 30 days")
                        return task, output
        raise InvalidParameter(f"{where} {output_id} not found")

    def find_video(self, video_id: str, where: str = "video_id") -> Source:
        """Return the video with this id.

        :raises InvalidParameter: no task of the account has made it, or more than 30 days ago.
        """
        return self._find_source(video_id, "video", where=where, keys=("url",))

    def find_sound(self, audio_id: str, where: str = "audio_id") -> Source:
        """Return the sound with this id.

        :raises InvalidParameter: no task of the account has made it, or more than 30 days ago.
        """
        return self._find_source(audio_id, "audio", where=where, keys=("url", "url_mp3", "mp3_url"))

    def _find_source(self, output_id: str, kind: str, *, where: str, keys: tuple[str, ...]) -> Source:
        task, output = self.find_output(output_id, kind, where=where)
        for key in keys:
            link = output.legacy.get(key, output.standard.get(key))
            if isinstance(link, Link):
                found = self._describe_link(task, link)
                if found is not None:
                    return replace(found, id=output_id)
        raise InvalidParameter(f"{where} {output_id} not found")

    def _describe_link(self, task: Task, link: Link) -> Source | None:
        facts = sources.describe_file(link.media)
        if facts is None:
            return None
        faces = sources.count_faces(task.request.prompt, default=facts.faces)
        return replace(facts, task_id=task.id, file=link.name, faces=faces)

    def read_video(self, url: str, where: str = "video_url") -> Source:
        """Return what the URL of a video stands for.

        :raises InvalidParameter: it is no URL.
        """
        own = self._find_own_file(url)
        if own is not None:
            return replace(own, faces=sources.count_faces(urlsplit(url).query, default=own.faces))
        return sources.read_video_url(url, where)

    def read_sound(self, value: str, where: str, *, max_mb: int) -> Source:
        """Return what a sound stands for: a URL, or raw base64.

        :raises InvalidParameter: it is neither, too large, or no sound.
        """
        return self._find_own_file(value) or sources.read_sound(value, where, max_mb=max_mb)

    def _find_own_file(self, url: str) -> Source | None:
        """Return the file of any account whose signed link this is; None for every other URL."""
        if not url.startswith(("http://", "https://")):
            return None
        parts = urlsplit(url)
        match = _OWN_FILE.fullmatch(parts.path)
        task = self._backend.get_task(match[1]) if match else None
        if match is None or task is None:
            return None
        link = self.products[task.request.product].find_link(task, match[2])
        wrong = self._check_link(parts.path, parts.query, self.now)
        if link is None or wrong is not None or task.get_state(self.now) != "succeeded":
            return Source(seconds=0, url=url, failure_message=UNREACHABLE)
        found = self._describe_link(task, link)
        if found is None:  # it neither moves nor sounds, so its format is the wrong one everywhere
            return Source(seconds=0, url=url, format=link.media.file_suffix.removeprefix("."))
        return replace(found, url=url)

    def measure_image(self, image: InputImage | None) -> tuple[int, int] | None:
        """Return width and height in pixels, also of an image that a task of the sandbox has made; None where they are unknown."""
        if image is None or image.own_file is None:
            return measure_image(image)
        task_id, name = image.own_file
        task = self._backend.get_task(task_id)
        link = None if task is None else self.products[task.request.product].find_link(task, name)
        media = None if link is None else link.media
        return (media.width, media.height) if isinstance(media, ImageFile | MaskFile) else None

    def find_image_fault(self, image: InputImage | None) -> str | None:
        """Return why an image cannot be had that is a file of the sandbox itself; None for any other, and a good one."""
        if image is None or image.own_file is None or image.url is None:
            return None
        parts = urlsplit(image.url)
        task_id, name = image.own_file
        task = self._backend.get_task(task_id)
        wrong = self._check_link(parts.path, parts.query, self.now)
        if task is None or wrong is not None or task.get_state(self.now) != "succeeded":
            return UNREACHABLE
        link = self.products[task.request.product].find_link(task, name)
        return None if link is not None and link.media.content_type.startswith("image/") else UNREACHABLE

    def find_session(self, product: str, session_id: str) -> Task:
        """Return the task of a tool that opened a session.

        :raises InvalidParameter: no such session is open in the account: sessions end after 24 hours.
        """
        for task in self.list_tasks(product):
            if task.output_ids[0] == session_id and self.now < task.ends + _SESSION_LIFE:
                return task
        raise InvalidParameter("session_id is invalid or expired")
