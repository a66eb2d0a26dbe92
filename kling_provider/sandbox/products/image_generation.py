# SPDX-License-Identifier: Apache-2.0
"""Images from a prompt, and perhaps from an image: ``/v1/images/generations``, and Kling 4.0 in the standard design."""

from __future__ import annotations

from decimal import Decimal

from kling_provider.sandbox.http.errors import InvalidParameter
from kling_provider.sandbox.http.fields import Fields
from kling_provider.sandbox.products import image_4, legacy_image
from kling_provider.sandbox.products.image import (
    RATIOS,
    ImageProduct,
    ImageSettings,
    compute_image_size,
)
from kling_provider.sandbox.state.tasks import CreateRequest, Dialect

_OLD = "kling-v2-1"
_REFERENCES = ("subject", "face")


class ImageGenerationProduct(ImageProduct):
    """``POST /v1/images/generations`` and ``POST /image-generation/{model}``.

    The standard path is an inference, see :mod:`~kling_provider.sandbox.products.image_4`.
    """

    name = "image-generation"
    standard_path = "/image-generation/{model}"
    legacy_path = "/v1/images/generations"

    def check_body(self, dialect: Dialect, body: object, *, model: str, lenient: bool) -> CreateRequest:
        """Check a body of either design."""
        if dialect == "standard":
            return image_4.read_create(self.name, model, body)
        return _read_legacy(self.name, body)

    def get_image_price(self, request: CreateRequest) -> Decimal:
        """Return 8 units for ``kling-v3``; for ``kling-v2-1`` 4 from text and 8 from an image."""
        settings = ImageSettings(**request.settings)
        if request.dialect == "standard":
            return image_4.get_image_price(request.model, settings.resolution)
        return Decimal(4 if request.model == _OLD and not settings.from_image else 8)


def _read_legacy(product: str, body: object) -> CreateRequest:
    fields = Fields(body)
    name = legacy_image.read_model_name(fields, ("kling-v3", _OLD), "kling-v3")
    prompt = legacy_image.read_prompt(fields, required=True)
    negative = legacy_image.read_limited_text(fields, "negative_prompt")
    image = legacy_image.read_image(fields, "image")
    if negative and image is not None:
        raise InvalidParameter("negative_prompt is not supported with image")
    _check_fidelity(fields, name, has_image=image is not None)
    elements = legacy_image.read_elements(fields)
    if elements and name == _OLD:
        raise InvalidParameter(f"element_list is not supported by model {name}")
    legacy_image.check_references(int(image is not None), len(elements))
    resolution = fields.read_choice("resolution", ("1k", "2k"), "1k")
    width, height = compute_image_size(resolution, fields.read_choice("aspect_ratio", RATIOS, "16:9"))
    settings = ImageSettings(
        count=legacy_image.read_count(fields),
        width=width,
        height=height,
        resolution=resolution,
        from_image=image is not None,
    )
    return CreateRequest(
        product=product,
        model=name,
        model_name=name,
        prompt=prompt,
        settings=settings.to_json(),
        image=image,
        failure_message=legacy_image.find_failure([image]),
        elements=elements,
        **legacy_image.read_options(fields),
    )


def _check_fidelity(fields: Fields, name: str, *, has_image: bool) -> None:
    """Check what only ``kling-v2-1`` has: how it looks at the image, and how closely."""
    for key in ("image_reference", "image_fidelity", "human_fidelity"):
        if fields.raw.get(key) is not None and name != _OLD:
            raise InvalidParameter(f"{key} is not supported by model {name}")
    reference = fields.read_choice("image_reference", _REFERENCES, "")
    if reference and not has_image:
        raise InvalidParameter("image is required with image_reference")
    legacy_image.read_bounded_number(fields, "image_fidelity", 0, 1)
    human = legacy_image.read_bounded_number(fields, "human_fidelity", 0, 1)
    if human is not None and reference != "subject":
        raise InvalidParameter("human_fidelity requires image_reference subject")
