# SPDX-License-Identifier: Apache-2.0
"""The scenes of video effects that Kling named on 2026-09-20. The list is open: scenes come and go without notice."""

from __future__ import annotations

import difflib

_TWO_IMAGES = """
cheers_2026 daily_ootd eternal_kiss fight_pro finger_swipe french_elegance heart_gesture_pro hug_pro kiss_pro
pet_skateboard smooth_transition snow_night_kiss studio_look switch_to_silk toss_run
"""

_ONE_IMAGE = """
3d_cartoon_2 advent_of_flora african_sway air_dunk arg_goal arg_hot_dance barbie_transform beast_striker
bicycle_kick birthday_board birthday_star black_wings bloodline_dance blow_blaze bouncy_dance bouquet_drop
box_of_joy bra_goal bra_hot_dance building_sweater bullet_time_360 bullet_time_lite champagne_birthday
chanel_dance chinese_trend christmas_photo_shoot chubby_fish city_to_village color_mixing coronation_of_frost
countdown_teleport critter_paste crystal_horse cute_dance cute_pumpkin_transform dance_with_dragon daoma_dance
day_to_night demon_transform dirt_rush disco_paws dj_pet dollar_rain_pro drunk_dance drunk_dance_pet
dumpling_making_pet expression_challenge f1_live first_toast_of_the_year fish_making_pet flash_drive flash_ride
food_splash football_dance football_dance_2 football_live football_live_9_16 fortune_god_transform
fortune_in_motion fortune_knocks_cartoon fra_hot_dance funky_martian get_rich_quick ghost_step_dance
glamour_photo_shoot golden_horse_fortune golden_wing good_luck_dance good_luck_spirit great_success
guardian_spirit hair_dressup halloween_escape happy_birthday heart_gesture_dance horse_mask horse_year_firework
hot_feet_dance idol_live instant_christmas j_var_live jealousy_sway jumping_ginger_joy knock_at_a_door_revenge
korean_baseball korean_baseball_9_16 laicai_dance landmark_reveal lantern_festival_cuju lantern_glow lion_dance
lion_dance_pet love_theme_song lucky_horse_year lucky_money_come lucky_red_packet lucky_veggie luminous_elf
maestro_of_magic magic_carpet_ride magic_match_tree magic_world_vlog magic_world_vlog_9_16 make_it_rain
makeup_style martial_arts martial_meow minimalist_light motorcycle_dance mummy_transform my_santa_pic
net_the_fish new_year_feast new_year_greeting nezha ornament_crash overdrive palm_sized_figure_pro paw_headbang
perler_beads pet_bee_pro pet_burst pet_crash_earth pet_dance pet_diving pet_fitness pet_lion_pro pet_moto_rider
pet_red_packet pet_roll_window pet_working_daily phantom_jewel pigeon_dance pink_pink_wings poping por_goal
prank_box prosperity pumpitup_dance pumpkin_head_transform pure_white_wings raid_check red_card_sent_off
red_packet_box return_of_the_king ring_in_new running running_man samba_fever santa_express santa_gift
santa_random_surprise sassy_shake scarlet_and_snow sedan_chair_dance send_my_love shooting_star shrug_dance
shush_my_dreams skateskate skyfall smooth_sailing_dance snowboarding snowglobe soccer_star sovereign_scepter
spark_in_the_snow sparkler_wand spielberg_transition spring_bloom steampunk_christmas subject_3_dance
summer_fireworks surfsurf surprise_bouquet swag_dance swing_swing swish_swish tangyuan_to_animal tennis_trend
tennis_trend_9_16 the_exercise the_high_kick the_hip_sway throne_of_king thumbs_up_pro tiger_hug_pro
tiny_beast_printer twist_shake unique_firework unique_spring_couplets vampire_transform venomous_spider
victory_slide wealth_drive whirling_beverage whirling_beverage_9_16 wiggle_faces_pets winter_charm
witch_transform woodland_elf yangge_dance zombie_transform zoom_out
"""

#: Scenes with two people or things, side by side.
TWO_IMAGES = frozenset(_TWO_IMAGES.split())
_KNOWN = TWO_IMAGES | frozenset(_ONE_IMAGE.split())

#: Listed, though the vendor's update log says that they have ended.
ENDED: frozenset[str] = frozenset({"magic_match_tree"})


def is_known(scene: str) -> bool:
    """Tell whether a scene was on the list."""
    return scene in _KNOWN


def find_near_scene(scene: str) -> str | None:
    """Return the known scene that differs from an unknown one in dashes, blanks and case only; else ``None``."""
    return next(
        (known for known in sorted(_KNOWN) if _fold(known) == _fold(scene) and known != scene),
        None,
    )


def suggest_scene(scene: str) -> str | None:
    """Return the most similar known scene; ``None`` where none is similar."""
    near = difflib.get_close_matches(scene.lower(), sorted(_KNOWN), n=1, cutoff=0.8)
    return near[0] if near else None


def _fold(scene: str) -> str:
    return "".join(sign for sign in scene.lower() if sign.isalnum())
