# SPDX-License-Identifier: Apache-2.0
"""Everything that can be set when a sandbox starts; the command line and :class:`Sandbox` share it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CHOICES = {
    "profile": ("kling", "gateway"),
    "shape": (
        "native",
        "dmxapi",
        "dmxapi-2025",
        "dmxapi-responses",
        "new-api",
        "new-api-video",
        "new-api-plugin",
        "cometapi",
        "kapon",
        "xmsmartlink",
        "crazyrouter",
        "aimanyi",
        "cloudsway",
        "tokenhub",
        "qianfan",
    ),
    "region": ("global", "china"),
    "pack": ("trial", "plain", "none"),
}

_PREFIXES = {
    "dmxapi-responses": "",
    "cloudsway": "/v1/ai/sandbox/kling/videos",  # the third part is a customer's own
    "tokenhub": "/v1/wand/kling",
    "qianfan": "/v1/kling",  # not known: chosen here
}
"""What stands before the paths of a gateway; of all others it is ``/kling``."""


@dataclass(kw_only=True)
class Options:
    """Defaults suit a demonstration: a 90 s render takes 3 s."""

    host: str = "127.0.0.1"
    port: int = 0
    port_file: Path | None = None
    profile: str = "kling"
    shape: str = "dmxapi"
    prefix: str | None = None
    region: str = "global"
    time_scale: float = 30.0
    render_seconds: float = 90.0
    concurrency: int = 5
    units: float = 1000.0
    image_units: float = 10_000.0
    pack: str = "trial"
    api_key: str | None = None
    access_key: str = "ak-kling-sandbox"
    secret_key: str = "sandbox-secret-key-that-guards-nothing"
    webhook_secret: str | None = None
    latency: float = 0.0
    account_qps: float = 1.0
    seed: int = 1
    state_dir: Path | None = None
    media_cache_mb: int = 512
    short_side: int | None = None
    allow_hosts: str = ""
    effect_scenes: str = "bloombloom,dizzydizzy,expansion,fuzzyfuzzy,squish"

    def __post_init__(self) -> None:
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, not {getattr(self, name)!r}")
        if self.short_side is not None and (self.short_side < 16 or self.short_side % 2):
            raise ValueError("short_side must be an even number of at least 16 pixels")
        if self.time_scale <= 0 or self.render_seconds < 0:
            raise ValueError("time_scale must be above 0 and render_seconds not below it")
        self.state_dir = Path(self.state_dir) if self.state_dir is not None else None
        self.port_file = Path(self.port_file) if self.port_file is not None else None

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """Return the names with dots that it may be called by, in small letters."""
        return tuple(name.strip().lower() for name in self.allow_hosts.split(",") if name.strip())

    @property
    def one_image_scenes(self) -> tuple[str, ...]:
        """Return the scenes of effects that take one image."""
        return tuple(name.strip() for name in self.effect_scenes.split(",") if name.strip())

    @property
    def is_gateway(self) -> bool:
        """Return whether it stands in for a gateway, not for Kling itself."""
        return self.profile == "gateway"

    @property
    def path_prefix(self) -> str:
        """Return what stands before the paths: what was given, the gateway's own, else nothing."""
        own = _PREFIXES.get(self.shape, "/kling") if self.is_gateway else ""
        given = self.prefix if self.prefix is not None else own
        return "/" + given.strip("/") if given.strip("/") else ""

    @property
    def first_key(self) -> str:
        """Return the API key of the first account."""
        return self.api_key or ("sk-kling-sandbox" if self.is_gateway else "api-key-kling-sandbox")
