# SPDX-License-Identifier: Apache-2.0
"""A task instance without Airflow around it: just what operators take from their context.

What Airflow does with operators is tested on a real one (``tests/stack``).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Store(dict[str, Any]):
    """Airflow's task state store of one task instance."""

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        self[key] = value


class Assets:
    """Airflow 3.3's state stores of the assets that a task declares, by the asset's name; shared by all runs.

    As Airflow's own: an inactive asset refuses what is written, and answers "not there" to who reads.
    """

    def __init__(self) -> None:
        self.stores: dict[str, Store] = {}
        self.active = True

    def __getitem__(self, asset: Any) -> _AssetStore:
        return _AssetStore(self, asset.name)


class _AssetStore:
    def __init__(self, assets: Assets, name: str) -> None:
        self._assets = assets
        self._values = assets.stores.setdefault(name, Store())

    def get(self, key: str, default: Any = None) -> Any:
        return self._values.get(key, default) if self._assets.active else default

    def set(self, key: str, value: Any) -> None:
        if not self._assets.active:
            raise RuntimeError("ASSET_NOT_FOUND: 404")
        self._values[key] = value


class Instance:
    """One task instance: its identity, its XComs, its memory between tries.

    :param assets: what all runs share; without it the context is that of an Airflow before 3.3.
    """

    def __init__(
        self,
        task_id: str = "video",
        *,
        dag_id: str = "films",
        run_id: str = "manual__1",
        map_index: int = -1,
        try_number: int = 1,
        max_tries: int = 3,
        clear_number: int = 0,
        dag: Any = None,
        assets: Assets | None = None,
    ) -> None:
        self.xcoms: dict[str, Any] = {}
        self.store = Store()
        self.ti = SimpleNamespace(
            dag_id=dag_id,
            task_id=task_id,
            run_id=run_id,
            map_index=map_index,
            try_number=try_number,
            max_tries=max_tries,
            xcom_push=lambda key, value: self.xcoms.__setitem__(key, value),
        )
        self.dag = dag
        self.assets = assets
        self.clear_number = clear_number

    @property
    def context(self) -> dict[str, Any]:
        return {
            "ti": self.ti,
            "dag_run": SimpleNamespace(run_id=self.ti.run_id, clear_number=self.clear_number),
            "dag": self.dag,
            "task_state_store": self.store,
            **({"asset_state_store": self.assets} if self.assets is not None else {}),
        }
