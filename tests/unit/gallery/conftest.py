# SPDX-License-Identifier: Apache-2.0
"""Two DAGs of two people in a metadata database, and the gallery's app as each of them meets it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from kling_provider.compat import has_gallery
from tests.unit.gallery.seeds import Seeds

RUN = "manual__2026-07-01T06:00:00+00:00"
As = Callable[[str | None], TestClient]


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Before Airflow 3.3 there is only the plugin that offers nothing."""
    return None if has_gallery() or collection_path.name == "test_gallery_plugin.py" else True


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The auth manager, and an allowed folder; returns that folder."""
    shown = tmp_path / "shown"
    shown.mkdir()
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "tests.unit.gallery.server.SomeDagsAuthManager")
    monkeypatch.setenv("AIRFLOW__KLING__GALLERY_ROOTS", f" {shown} , /nowhere/at-all")
    return shown


@pytest.fixture
def seeds(metadata_db: Path, settings: Path) -> Iterator[Seeds]:
    """Two DAGs of two people, each with a run; everything is taken out again after the test."""
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        world = Seeds(session, settings)
        for dag_id in ("ann_clips", "bob_clips"):
            world.dag(dag_id)
            world.run(dag_id, RUN)
        session.commit()
        yield world
        world.remove_all()


@pytest.fixture
def as_user(seeds: Seeds) -> Iterator[As]:
    from airflow.api_fastapi.app import purge_cached_app

    purge_cached_app()
    from tests.unit.gallery.server import server, signed_in

    app = server()
    yield lambda user: signed_in(app, user)
    purge_cached_app()
