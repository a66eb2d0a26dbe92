// SPDX-License-Identifier: Apache-2.0
// The upper part of a card: the result, or why there is none (yet).

import { h, UI } from "./host.js";
import { Outputs } from "./outputs.js";
import { Notice, Strip } from "./stage.js";
import { clock, spoken, STATES } from "./words.js";

function Waiting({ card, now }) {
  // The clock is drawn once a second, so a card may be younger than it.
  const elapsed = Math.max(0, (now - new Date(card.since).getTime()) / 1000);
  const expected = card.expected;
  const rendering = card.state === "rendering";
  const late = expected && elapsed > expected;
  const times = expected ? `${clock(elapsed)}${late ? ", usually" : " of about"} ${clock(expected)}` : clock(elapsed);
  const said = `${STATES[card.state].label} for ${spoken(elapsed)}${expected ? ` of about ${spoken(expected)}` : ""}`;
  // Never full before it is done: a render may take longer than the others did.
  const progress = rendering && expected ? Math.min(0.96, elapsed / expected) : undefined;
  return h(Notice, { icon: rendering ? "video" : "clock", tone: rendering ? "blue.fg" : "orange.fg", progress,
    head: STATES[card.state].label },
    h(UI.Text, { fontVariantNumeric: "tabular-nums", "aria-label": said, role: "timer" }, times),
    !rendering && h(UI.Text, { mt: 1 }, "The account is at its concurrency limit; nothing is paid yet."));
}

/** What a card shows above its words. The reason stands below, where there is room for all of it. */
export function Media({ card, now, play }) {
  const state = STATES[card.state] ?? STATES.unreadable;
  if (card.state === "retrying") return h(Strip, { icon: "clock", tone: "orange.fg", head: state.label });
  if (card.state === "fetching") {
    return h(Notice, { icon: "ready", tone: "blue.fg", head: state.label }, "Kling has made it; a worker saves it as soon as one is free.");
  }
  if (state.waiting) return h(Waiting, { card, now });
  if (card.state !== "done") {
    return h(Strip, { icon: "warning", tone: card.state === "failed" ? "fg.error" : "fg.muted", head: state.label });
  }
  return h(Outputs, { card, play });
}
