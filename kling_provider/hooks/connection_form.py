# SPDX-License-Identifier: Apache-2.0
"""The connection form, defined once: provider info takes it from here, and so does Airflow 3.1's hook form.

It imports nothing, so that provider info stays cheap.
"""

from __future__ import annotations

from typing import Any

#: A choice that leaves it to the provider; the form cannot offer an empty one.
AUTOMATIC = "automatic"
_PROFILES = (
    "kling",
    "gateway",
    "new-api",
    "dmxapi",
    "cometapi",
    "kapon",
    "tokenhub",
    "aimanyi",
    "cloudsway",
    "xmsmartlink",
    "crazyrouter",
)

#: Airflow's ``conn-fields``: our extras, as the form shows them.
CONN_FIELDS: dict[str, Any] = {
    "region": {
        "label": "Region",
        "description": "Where the key was made; used when Host is empty.",
        "schema": {"type": "string", "enum": ["global", "china"], "default": "global"},
    },
    "profile": {
        "label": "Profile",
        "description": "What the host is. Automatic: by its name; a host that is not known is a gateway.",
        "schema": {"type": "string", "enum": [AUTOMATIC, *_PROFILES], "default": AUTOMATIC},
    },
    "api": {
        "label": "API",
        "description": "How requests are sent. Automatic: standard for Kling with an API key, responses for DMXAPI, else legacy.",
        "schema": {
            "type": "string",
            "enum": [AUTOMATIC, "standard", "legacy", "responses", "standard-body", "tokenhub"],
            "default": AUTOMATIC,
        },
    },
    "namespace": {
        "label": "Namespace",
        "description": "Set it where two Airflows share one Kling account: it keeps their results apart.",
        "schema": {"type": ["string", "null"]},
    },
    "unit_price": {
        "label": "Price of a unit",
        "description": 'At a gateway, such as "0.79 CNY". Empty: Kling\'s list price, or unknown.',
        "schema": {"type": ["string", "null"]},
    },
    "max_concurrency": {
        "label": "Tasks in flight",
        "description": "How many the account allows per model. Empty: learned.",
        "schema": {"type": ["integer", "null"], "minimum": 1},
    },
    "webhook_secret": {
        "label": "Webhook secret",
        "description": "Of Kling's console (whsec_…): takes Kling's callbacks. Several with a space between them.",
        "schema": {"type": ["string", "null"], "format": "password"},
    },
    "callback_base_url": {
        "label": "Public URL of Airflow",
        "description": "Where Kling reaches this API server. Empty: [api] base_url, unless only your network knows it.",
        "schema": {"type": ["string", "null"]},
    },
}


def build_ui_field_behaviour() -> dict[str, Any]:
    """Return labels and placeholders of Airflow's own fields, in the hook method's spelling."""
    return {
        # Airflow 3.3.2 tests no connection without a port, so the field is there to write 0 into.
        "hidden_fields": ["schema"],
        "relabeling": {"login": "Access key", "password": "API key"},
        "placeholders": {
            "host": "empty: Kling itself, by region",
            "login": "empty with an API key",
            "password": "or the secret key",
            "port": "0 lets Airflow test the connection",
        },
    }


def build_connection_form_widgets() -> dict[str, Any]:
    """Return the form's fields for Airflow 3.1, which asks the hook for them.

    Airflow's API server stands in for the libraries that are imported here.
    """
    from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
    from flask_babel import lazy_gettext
    from wtforms import IntegerField, PasswordField, StringField
    from wtforms.validators import Optional, any_of

    widgets = {}
    for name, spec in CONN_FIELDS.items():
        schema = spec["schema"]
        choices = schema.get("enum", ())
        is_secret = schema.get("format") == "password"
        field = IntegerField if "integer" in schema["type"] else PasswordField if is_secret else StringField
        widgets[name] = field(
            lazy_gettext(spec["label"]),
            validators=[Optional(), any_of(choices)] if choices else [Optional()],
            description=spec["description"],
            widget=BS3PasswordFieldWidget() if is_secret else BS3TextFieldWidget(),
        )
    return widgets
