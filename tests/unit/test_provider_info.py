# SPDX-License-Identifier: Apache-2.0
"""What Airflow reads about this provider, and what it makes of it: schemas, form, command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import airflow
import jsonschema
import pytest

from kling_provider.api.dialects import DIALECTS
from kling_provider.api.host_profiles import PROFILES
from kling_provider.api.hosts import REGIONS
from kling_provider.get_provider_info import get_provider_info
from kling_provider.hooks.connection import OUR_EXTRAS
from kling_provider.hooks.connection_form import CONN_FIELDS

AIRFLOW = Path(airflow.__file__).parent


@pytest.mark.airflow_version
def test_it_fits_airflows_schema() -> None:
    schema = json.loads((AIRFLOW / "provider_info.schema.json").read_text())
    info = get_provider_info()
    jsonschema.Draft7Validator(schema).validate(info)
    assert json.loads(json.dumps(info)) == info


def test_the_connection_form_fits_the_stricter_schema() -> None:
    """``provider_info.schema.json`` takes any form; the schema of ``provider.yaml`` of 3.3 checks it."""
    schema = json.loads((AIRFLOW / "provider.yaml.schema.json").read_text())
    part = schema["properties"]["connection-types"]
    assert "conn-fields" in part["items"]["properties"], (
        "this Airflow's schema does not know forms: take a newer one"
    )
    validator = jsonschema.Draft7Validator({**schema, "properties": {}, "required": [], **part})
    validator.validate(get_provider_info()["connection-types"])


@pytest.mark.parametrize(
    "broken",
    [
        {"label": "x"},
        {"label": "x", "schema": {"type": "text"}},
        {"label": "x", "schema": {"type": "string"}, "hint": "y"},
        {"label": "x", "schema": {"type": "string", "format": "secret"}},
    ],
)
def test_the_stricter_schema_is_strict(broken: dict[str, Any]) -> None:
    """Were it not, the test above would say nothing."""
    schema = json.loads((AIRFLOW / "provider.yaml.schema.json").read_text())["properties"]["connection-types"]
    (connection,) = get_provider_info()["connection-types"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(schema).validate([{**connection, "conn-fields": {"x": broken}}])


def test_the_form_offers_exactly_our_extras_and_their_values() -> None:
    assert tuple(CONN_FIELDS) == OUR_EXTRAS
    enums = {name: field["schema"].get("enum") for name, field in CONN_FIELDS.items()}
    assert enums == {
        "region": list(REGIONS),
        "profile": ["automatic", *PROFILES],
        "api": ["automatic", *DIALECTS],
        "namespace": None,
        "unit_price": None,
        "max_concurrency": None,
        "webhook_secret": None,
        "callback_base_url": None,
    }
    assert CONN_FIELDS["region"]["schema"]["default"] == "global"
    assert all(field["label"] and field["description"] for field in CONN_FIELDS.values())


def names() -> list[str]:
    """Every dotted name in the provider info, classes and modules."""
    found: list[str] = []

    def collect(value: Any) -> None:
        if isinstance(value, str) and value.startswith("kling_provider."):
            found.append(value)
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            collect(part)

    collect(get_provider_info())
    return found


@pytest.mark.airflow_version
@pytest.mark.parametrize("name", names())
def test_every_name_imports(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    if not hasattr(import_module(module), attribute):
        import_module(name)


def public(module: str, base: type) -> set[str]:
    """The public classes of a module that are of this kind."""
    found = import_module(module)
    return {
        name
        for name, item in vars(found).items()
        if isinstance(item, type)
        and issubclass(item, base)
        and item.__module__.startswith("kling_provider.")
        and not name.startswith("_")
    }


@pytest.mark.airflow_version
def test_every_link_of_an_operator_is_listed() -> None:
    from airflow.sdk import BaseOperator, BaseOperatorLink

    classes = public("kling_provider.operators.kling", BaseOperator) | {"KlingTaskSensor"}
    assert {"KlingSubmitOperator", "KlingGenerateOperator", "KlingDownloadOperator"} <= classes
    used = {
        f"{type(link).__module__}.{type(link).__name__}"
        for module in ("kling_provider.operators.kling", "kling_provider.sensors.kling")
        for name in public(module, BaseOperator)
        for link in getattr(import_module(module), name).operator_extra_links
    }
    listed = set(get_provider_info()["extra-links"])
    assert used <= listed
    assert listed == {
        f"kling_provider.links.kling.{name}"
        for name in public("kling_provider.links.kling", BaseOperatorLink)
    }


# -- what Airflow makes of it -----------------------------------------------------------------------------


def run(*command: str) -> str:
    """The standard output of a process of this environment, with its throw-away home."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


#: Airflow's own description of our connection form; on 3.1 it asks the hook, and replaces modules for that.
FORM = """
import json
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

[meta] = [meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == "kling"]
print("FORM" + meta.model_dump_json())
"""


@pytest.mark.slow
@pytest.mark.airflow_version
def test_the_form_that_the_api_server_serves() -> None:
    served = json.loads(run(sys.executable, "-c", FORM).rpartition("FORM")[2])
    assert (served["hook_class_name"], served["hook_name"]) == (
        "kling_provider.hooks.kling.KlingHook",
        "Kling",
    )
    assert set(served["extra_fields"]) == set(OUR_EXTRAS)
    for name, field in served["extra_fields"].items():
        schema, ours = field["schema"], CONN_FIELDS[name]
        assert (schema.get("title") or field.get("label")) == ours["label"]
        assert (field.get("description") or schema.get("description")) == ours["description"]
        # Airflow 3.1 makes each of its own widgets optional.
        served_types, wanted = schema["type"], ours["schema"]["type"]
        assert served_types in (wanted, [wanted, "null"])
        offered = [choice for choice in schema.get("enum") or () if choice is not None]
        assert offered == [choice for choice in ours["schema"].get("enum", ()) if choice is not None]
    standard = served["standard_fields"]
    assert standard["password"]["title"] == "API key"
    assert standard["login"]["title"] == "Access key"
    assert standard["host"]["placeholder"] == "empty: Kling itself, by region"
    # As long as Airflow tests no connection without one.
    assert standard["port"]["hidden"] is False
    assert standard["url_schema"]["hidden"] is True


@pytest.mark.slow
@pytest.mark.airflow_version
def test_the_command_line_lists_every_part() -> None:
    shown = run(
        sys.executable, "-m", "airflow", "providers", "get", "airflow-provider-kling", "--full", "-o", "json"
    )
    (info,) = json.loads(shown[shown.index("[{") :])
    (connection,) = info["connection-types"]
    assert connection["connection-type"] == "kling"
    assert set(connection["conn-fields"]) == set(OUR_EXTRAS)
    for part in ("hooks", "operators", "sensors", "triggers"):
        assert [module for one in info[part] for module in one["python-modules"]] == [
            f"kling_provider.{part}.kling"
        ]
    assert "kling_provider.links.kling.KlingResultLink" in info["extra-links"]
    assert [one["name"] for one in info["task-decorators"]] == ["kling"]


@pytest.mark.slow
@pytest.mark.airflow_version
def test_the_decorator_is_known_to_airflow() -> None:
    out = run(sys.executable, "-c", "from airflow.sdk import task; print('DECORATOR', task.kling.__name__)")
    assert "DECORATOR kling_task" in out
