# SPDX-License-Identifier: Apache-2.0
"""Scenes play side by side in one Airflow; a test waits for the facts of its scene.

A test names its scene by ``@pytest.mark.parametrize("facts", [scene], indirect=True)``. Only the scenes of the tests
that were selected are played, all at once, as most of their time is waiting; except that those whose time is measured
go first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Self

import pytest

from tests.stack.promises.world import World

Scene = Callable[[World], Any]
_MEASURED: set[Scene] = set()


def measured(scene: Scene) -> Scene:
    """A scene that wants the machine for itself."""
    _MEASURED.add(scene)
    return scene


class Stage:
    """Plays the scenes of ``items``."""

    def __init__(self, world: World, items: Iterable[pytest.Item]) -> None:
        self.world = world
        calls = [call for item in items if (call := getattr(item, "callspec", None))]
        # Tests elsewhere may have a parameter of this name, too; a scene is a function.
        asked = [call.params["facts"] for call in calls if callable(call.params.get("facts"))]
        self._scenes = list(dict.fromkeys(asked))
        self._pool = ThreadPoolExecutor(max_workers=max(1, len(self._scenes)))
        self._playing: dict[Scene, Future[Any]] = {}

    def __enter__(self) -> Self:
        self.world.api.dag("promises")  # signs in, before threads share the session
        first = [scene for scene in self._scenes if scene in _MEASURED]
        self._playing = {scene: self._pool.submit(scene, self.world) for scene in first}
        before = list(self._playing.values())

        def after(scene: Scene) -> Any:
            wait(before)
            return scene(self.world)

        self._playing |= {
            scene: self._pool.submit(after, scene) for scene in self._scenes if scene not in first
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def facts(self, scene: Scene) -> Any:
        """What the scene came to; its error is raised."""
        return self._playing[scene].result()

    def all_over(self) -> World:
        """Wait until every scene is over, well or not."""
        wait(self._playing.values())
        return self.world
