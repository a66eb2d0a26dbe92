// SPDX-License-Identifier: Apache-2.0
// What can be taken from a card: the file, its path, the prompt, Kling's id.

import { address, copy, h, UI, useEffect, useState } from "./host.js";
import { Icon } from "./icons.js";
import { path, title } from "./words.js";

/** The link of an output as text, from the route that alone knows it. */
async function readLink(src) {
  const answer = await fetch(address(src));
  if (!answer.ok) throw new Error("no link");
  return answer.text();
}

const linkRoute = (card, n) =>
  ["links", card.dag_id, card.run_id, card.task_id, card.map_index, n].map(encodeURIComponent).join("/");

/** What the menu offers: `[value, words, action]`. */
function entries(card, output, n) {
  const here = output?.place === "here" && output.src;
  const atKling = output && !here && output.place !== "expired" && card.state === "done";
  return [
    here && ["download", "Download", null],
    card.prompt && ["prompt", "Copy prompt", () => copy(card.prompt)],
    output?.address && ["path", "Copy path", () => copy(path(output.address))],
    card.kling_task_id && ["id", "Copy Kling id", () => copy(card.kling_task_id)],
    atKling && ["link", "Copy Kling's link", () => readLink(linkRoute(card, n)).then(copy)],
  ].filter(Boolean);
}

export function CardMenu({ card, output }) {
  const [told, setTold] = useState("");
  useEffect(() => {
    if (!told) return undefined;
    const timer = setTimeout(() => setTold(""), 2500);
    return () => clearTimeout(timer);
  }, [told]);
  const n = Math.max(0, card.outputs?.indexOf(output) ?? 0);
  const offered = entries(card, output, n);
  if (offered.length === 0) return null;
  const choose = async ({ value }) => {
    const action = offered.find(([one]) => one === value)?.[2];
    if (!action) return;
    const done = await action().catch(() => false);
    setTold(done ? "Copied" : "Not copied");
  };
  return h(UI.Menu.Root, { onSelect: choose, positioning: { placement: "bottom-end" } },
    told && h(UI.Badge, { size: "xs", role: "status" }, told),
    h(UI.Menu.Trigger, { asChild: true },
      h(UI.IconButton, { size: "2xs", variant: "ghost", "aria-label": `More of ${title(card)}` }, h(Icon, { name: "more", size: 16, fill: true }))),
    h(UI.Portal, null,
      h(UI.Menu.Positioner, null,
        h(UI.Menu.Content, null, ...offered.map(([value, words, action]) =>
          action
            ? h(UI.Menu.Item, { key: value, value }, words)
            : h(UI.Menu.Item, { key: value, value, asChild: true },
                h("a", { href: `${address(output.src)}?download=true`, download: "" }, words)))))));
}
