# SPDX-License-Identifier: Apache-2.0
"""The connection form, defined once: provider info takes it from here, and so does Airflow 3.1's hook form.

It imports nothing, so that provider info stays cheap.
"""

from __future__ import annotations

from typing import Any

_PROFILES = ("kling", "gateway", "new-api", "dmxapi", "cometapi")

#: Airflow's ``conn-fields``: our extras, as the form shows them.
CONN_FIELDS: dict[str, Any] = {
    "region": {
        "label": "Region",
        "description": "Where the key was made; used when Host is empty.",
        "schema": {"type": ["string", "null"], "enum": ["global", "china"], "default": "global"},
    },
    "profile": {
        "label": "Profile",
        "description": "What the host is. Empty: by its name; a host that is not known is a gateway.",
        "schema": {"type": ["string", "null"], "enum": [*_PROFILES, None]},
    },
    "api": {
        "label": "API",
        "description": "Kling's API design. Empty: standard for Kling with an API key, else legacy.",
        "schema": {"type": ["string", "null"], "enum": ["standard", "legacy", None]},
    },
    "namespace": {
        "label": "Namespace",
        "description": "Set it where two Airflows share one Kling account: it keeps their videos apart.",
        "schema": {"type": ["string", "null"]},
    },
    "max_concurrency": {
        "label": "Tasks in flight",
        "description": "How many the account allows per model. Empty: learned.",
        "schema": {"type": ["integer", "null"], "minimum": 1},
    },
}


def ui_field_behaviour() -> dict[str, Any]:
    """Labels and placeholders of Airflow's own fields, in the hook method's spelling."""
    return {
        "hidden_fields": ["schema", "port"],
        "relabeling": {
            "host": "Host (empty: by region)",
            "login": "Access key (empty with an API key)",
            "password": "API key, or secret key",
        },
        "placeholders": {"host": "https://api-singapore.klingai.com"},
    }


def connection_form_widgets() -> dict[str, Any]:
    """The same fields for Airflow 3.1, which asks the hook (its API server stands in for these libraries)."""
    from flask_appbuilder.fieldwidgets import BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import IntegerField, StringField
    from wtforms.validators import Optional, any_of

    widgets = {}
    for name, spec in CONN_FIELDS.items():
        schema = spec["schema"]
        choices = [choice for choice in schema.get("enum", ()) if choice is not None]
        widgets[name] = (IntegerField if "integer" in schema["type"] else StringField)(
            lazy_gettext(spec["label"]),
            validators=[Optional(), any_of([*choices, None])] if choices else [Optional()],
            description=spec["description"],
            widget=BS3TextFieldWidget(),
        )
    return widgets
