// SPDX-License-Identifier: Apache-2.0
// One video: what it shows, what it was made from, what it cost, and where it comes from.

import { h, React, Router, UI, useState } from "./host.js";
import { Media } from "./media.js";
import { ago, cost, moment, title } from "./words.js";

const inPath = encodeURIComponent;

export const dagPath = (card) => `/dags/${inPath(card.dag_id)}`;
export const taskPath = (card) =>
  `${dagPath(card)}/runs/${inPath(card.run_id)}/tasks/${inPath(card.task_id)}` +
  (card.map_index >= 0 ? `/mapped/${card.map_index}` : "");

const To = ({ to, label, children }) =>
  h(UI.Link, { asChild: true, color: "fg.info", minWidth: 0 },
    h(Router.Link, { to, "aria-label": label, title: label }, h(UI.Text, { as: "span", truncate: true }, children)));

function Facts({ card, scoped }) {
  const paid = cost(card.billing);
  const facts = [
    card.model,
    card.seconds ? `${Math.round(card.seconds * 10) / 10} s` : "",
    // On a run's own page the cost is the run's; elsewhere it is the video's.
    card.again && scoped ? "delivered again, nothing paid" : paid,
    card.again && !scoped ? "delivered again" : "",
    card.take ? `take ${card.take}` : "",
  ].filter(Boolean);
  return h(UI.HStack, { as: "ul", "aria-label": "Facts", listStyleType: "none", flexWrap: "wrap", gap: 0, rowGap: 1, fontSize: "xs", color: "fg.muted" },
    ...facts.map((fact, place) =>
      h(UI.Box, { as: "li", key: fact }, place > 0 && h("span", { "aria-hidden": true, style: { margin: "0 0.45em" } }, "·"), fact)));
}

function Prompt({ text }) {
  const [open, setOpen] = useState(false);
  if (!text) return null;
  const long = text.length > 130;
  return h(UI.Box, { fontSize: "sm", color: "fg.muted" },
    h(UI.Text, { lineClamp: open ? undefined : 2, whiteSpace: open ? "pre-wrap" : undefined }, text),
    long && h(UI.Button, { variant: "plain", size: "xs", px: 0, height: "auto", minH: 6, color: "fg.info", onClick: () => setOpen(!open),
      "aria-expanded": open }, open ? "Less" : "Whole prompt"));
}

/** The card. `scoped`: it stands on a page of its own run, so the DAG need not be named. Drawn again on change only. */
export const Card = React.memo(({ card, now, scoped }) => {
  const [index, setIndex] = useState(0);
  const many = card.outputs.length > 1;
  const task = card.map_index >= 0 ? `${card.task_id} [${card.map_index}]` : card.task_id;
  return h(UI.Box, { as: "article", "aria-label": title(card), "data-key": card.key, "data-state": card.state,
    borderWidth: 1, borderColor: "border.emphasized", borderRadius: "lg", overflow: "hidden", display: "flex", flexDirection: "column", height: "100%" },
    h(Media, { card, index, now }),
    many && h(UI.HStack, { px: 3, pt: 2, gap: 1 }, ...card.outputs.map((_, n) =>
      h(UI.Button, { key: n, size: "2xs", variant: n === index ? "subtle" : "ghost", onClick: () => setIndex(n), "aria-pressed": n === index }, n + 1))),
    h(UI.VStack, { align: "stretch", gap: 2, p: 3, flex: 1 },
      h(UI.HStack, { justify: "space-between", align: "start", gap: 3 },
        h(UI.Heading, { as: "h3", size: "sm", lineClamp: 2, wordBreak: "break-word", lineHeight: "short" }, title(card)),
        h(UI.Text, { as: "time", dateTime: card.at, title: moment(card.at), fontSize: "xs", color: "fg.muted", whiteSpace: "nowrap", pt: "2px" }, ago(card.at, now))),
      card.name && h(Prompt, { text: card.prompt }),
      !card.name && (card.prompt ?? "").length > 48 && h(Prompt, { text: card.prompt }),
      h(UI.Box, { flex: 1 }),
      h(Facts, { card, scoped }),
      h(UI.HStack, { gap: 2, fontSize: "xs", borderTopWidth: 1, borderColor: "border.muted", pt: 2, minWidth: 0 },
        !scoped && h(To, { to: dagPath(card), label: `DAG ${card.dag_id}` }, card.dag_id),
        !scoped && h("span", { "aria-hidden": true }, "›"),
        h(To, { to: taskPath(card), label: `Task instance ${task} of run ${card.run_id}` }, task))));
});
