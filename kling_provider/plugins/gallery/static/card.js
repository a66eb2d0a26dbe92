// SPDX-License-Identifier: Apache-2.0
// One result: what it shows, what it was made from, what it cost, and where it comes from.

import { h, React, Router, UI, useState } from "./host.js";
import { Media } from "./media.js";
import { CardMenu } from "./menu.js";
import { ago, asked, cost, moment, title } from "./words.js";

const inPath = encodeURIComponent;

export const dagPath = (card) => `/dags/${inPath(card.dag_id)}`;
export const taskPath = (card) =>
  `${dagPath(card)}/runs/${inPath(card.run_id)}/tasks/${inPath(card.task_id)}` +
  (card.map_index >= 0 ? `/mapped/${card.map_index}` : "");

const To = ({ to, label, children }) =>
  h(UI.Link, { asChild: true, color: "fg.info", minWidth: 0 },
    h(Router.Link, { to, "aria-label": label, title: label }, h(UI.Text, { as: "span", truncate: true }, children)));

function Facts({ card, scoped }) {
  const paid = cost(card.billing ?? []);
  const facts = [
    ...asked(card),
    // On a run's own page the cost is the run's; elsewhere it is the result's.
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
  const long = text.length > 90 || text.includes("\n");
  return h(UI.Box, { fontSize: "sm", color: "fg.muted", wordBreak: "break-word" },
    h(UI.Text, { lineClamp: open ? undefined : 2, whiteSpace: open ? "pre-wrap" : undefined }, text),
    long && h(UI.Button, { variant: "plain", size: "xs", px: 0, height: "auto", minH: 6, color: "fg.info", onClick: () => setOpen(!open),
      "aria-expanded": open }, open ? "Less" : "Whole prompt"));
}

/** Why there is no result, whole; what to do about it comes first. */
function Reason({ card }) {
  if (!card.reason) return null;
  const more = card.reason !== card.todo;
  return h(UI.Box, { role: "group", "aria-label": "Reason", fontSize: "xs", borderRadius: "md", bg: "bg.muted", px: 3, py: 2, wordBreak: "break-word" },
    card.todo && h(UI.Text, { fontWeight: "semibold", mb: more ? 1 : 0 }, card.todo),
    more && h(UI.Text, { color: "fg.muted", whiteSpace: "pre-wrap" }, card.reason));
}

const Notes = ({ notes }) =>
  notes?.length > 0 && h(UI.Text, { fontSize: "xs", color: "fg.warning" },
    `Part of what its task wrote cannot be read: ${notes.join(", ")}.`);

/** Which task instance it is: by its entry's name, where it has one and the card is not called so. */
function origin(card) {
  if (card.map_index < 0) return card.task_id;
  const entry = card.label ?? card.name;
  return entry && entry !== title(card) ? `${card.task_id} · ${entry}` : card.task_id;
}

/** The card. `scoped`: it stands on a page of its own Dag, which need not be named. Drawn again on change only. */
export const Card = React.memo(({ card, now, scoped, play }) => {
  const instance = `Task instance ${card.task_id}${card.map_index >= 0 ? ` ${card.label ?? card.name ?? `[${card.map_index}]`}` : ""}`;
  return h(UI.Box, { as: "article", "aria-label": title(card), "data-key": card.key, "data-state": card.state,
    borderWidth: 1, borderColor: "border.emphasized", borderRadius: "lg", overflow: "hidden", display: "flex", flexDirection: "column" },
    h(Media, { card, now, play }),
    h(UI.VStack, { align: "stretch", gap: 2, p: 3 },
      h(UI.HStack, { justify: "space-between", align: "start", gap: 2 },
        h(UI.Heading, { as: "h3", size: "sm", lineClamp: 2, wordBreak: "break-word", lineHeight: "short", flex: 1 }, title(card)),
        h(UI.Text, { as: "time", dateTime: card.at, title: moment(card.at), fontSize: "xs", color: "fg.muted", whiteSpace: "nowrap", pt: "2px" }, ago(card.at, now)),
        h(CardMenu, { card })),
      h(Reason, { card }),
      (card.name || card.label || (card.prompt ?? "").length > 48) && h(Prompt, { text: card.prompt }),
      h(Facts, { card, scoped }),
      h(Notes, { notes: card.notes }),
      h(UI.HStack, { gap: 2, fontSize: "xs", borderTopWidth: 1, borderColor: "border.muted", pt: 2, minWidth: 0 },
        !scoped && h(To, { to: dagPath(card), label: `Dag ${card.dag_id}` }, card.dag_id),
        !scoped && h("span", { "aria-hidden": true }, "›"),
        h(To, { to: taskPath(card), label: `${instance} of run ${card.run_id}` }, origin(card)))));
});

/** Keeps a card that cannot be drawn from taking the others with it. */
export class Guard extends React.Component {
  constructor(props) {
    super(props);
    this.state = { failed: false };
  }

  static getDerivedStateFromError() {
    return { failed: true };
  }

  render() {
    if (!this.state.failed) return this.props.children;
    return h(UI.Box, { as: "article", "aria-label": "A result that cannot be shown", "data-state": "unreadable", borderWidth: 1,
      borderColor: "border.emphasized", borderRadius: "lg", p: 5, fontSize: "sm", color: "fg.muted" },
      "This card cannot be shown. The task instance's own pages tell of its result.");
  }
}
