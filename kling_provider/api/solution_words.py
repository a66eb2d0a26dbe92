# SPDX-License-Identifier: Apache-2.0
"""The avatars, voices and models that Kling's solutions know (Chinese reference of autumn 2026). The lists change there."""

from __future__ import annotations

AVATARS = tuple(
    f"avatar_{name}"
    for name in [
        "vivian_female",
        "lee_male",
        "chenjing_female",
        "zhaochen_male",
        "wanglei_male",
        "eva_female",
        "oliver_male",
        "elena_female",
        "adam_male",
        "anna_female",
        "rajput_male",
        "mia_female",
        "river_male",
        "marcus_male",
        "toto_cartoon",
    ]
)
AGENT_VOICES = (
    "male_calm_informative",
    "female_clear_rational",
    "female_gentle_soothing",
    "female_bright_engaging",
    "male_crisp_persuasive",
    "female_intelligent_narrative",
    "male_clear_professional",
    "male_energetic_sporty",
    "female_warm_rich",
)
SALES_VOICES = (
    "energetic_sales_girl",
    "gentle_sales_woman",
    "crisp_sales_girl",
    "mature_sales_woman",
    "calm_sales_woman",
    "soft_sales_woman",
    "energetic_sales_boy",
    "enthusiastic_sales_man",
    "steady_sales_man",
    "calm_sales_man",
)
TRY_ON_MODELS = ("kolors-virtual-try-on-v1", "kolors-virtual-try-on-v1-5")
