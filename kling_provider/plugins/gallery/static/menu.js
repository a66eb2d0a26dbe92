// SPDX-License-Identifier: Apache-2.0
// What can be taken from a card: its files, their paths, the prompt, Kling's ids.

import { address, copy, h, UI, useEffect, useState } from "./host.js";
import { Icon } from "./icons.js";
import { nameOf, path, title } from "./words.js";

/** The link of an output as text, from the route that alone knows it. */
async function readLink(src) {
  const answer = await fetch(address(src));
  if (!answer.ok) throw new Error("no link");
  return answer.text();
}

const linkRoute = (card, n) =>
  ["links", card.dag_id, card.run_id, card.task_id, card.map_index, n].map(encodeURIComponent).join("/");

/** More outputs than this are downloaded from the card itself. */
const MOST = 12;

/** What the menu offers: `[value, words, action]`, or for a download `[value, words, null, route]`. */
function entries(card) {
  const outputs = (card.state === "done" && card.outputs) || [];
  const words = (verb, output) => (outputs.length > 1 ? `${verb} ${nameOf({ ...card, name: "" }, output).split(", ").pop()}` : verb);
  const here = (output) => output.place === "here" && output.src;
  const each = outputs.map((output, n) => [output, n]).slice(0, MOST);
  return [
    ...each.filter(([output]) => here(output)).map(([output, n]) => [`download ${n}`, words("Download", output), null, output.src]),
    card.prompt && ["prompt", "Copy prompt", () => copy(card.prompt)],
    ...each.filter(([output]) => output.address).map(([output, n]) =>
      [`path ${n}`, outputs.length > 1 ? `Copy path of ${words("", output).trim()}` : "Copy path", () => copy(path(output.address))]),
    card.kling_task_id && ["id", "Copy Kling id", () => copy(card.kling_task_id)],
    ...each.filter(([output]) => output.id && ["voice", "element", "session"].includes(output.kind)).map(([output, n]) =>
      [`id ${n}`, `Copy ${output.noun} id`, () => copy(output.id)]),
    ...each.filter(([output]) => !here(output) && !["expired", "facts"].includes(output.place)).map(([output, n]) =>
      [`link ${n}`, outputs.length > 1 ? `Copy Kling's link of ${words("", output).trim()}` : "Copy Kling's link", () => readLink(linkRoute(card, n)).then(copy)]),
  ].filter(Boolean);
}

export function CardMenu({ card }) {
  const [told, setTold] = useState("");
  useEffect(() => {
    if (!told) return undefined;
    const timer = setTimeout(() => setTold(""), 2500);
    return () => clearTimeout(timer);
  }, [told]);
  const offered = entries(card);
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
        h(UI.Menu.Content, null, ...offered.map(([value, words, action, src]) =>
          action
            ? h(UI.Menu.Item, { key: value, value }, words)
            : h(UI.Menu.Item, { key: value, value, asChild: true },
                h("a", { href: `${address(src)}?download=true`, download: "" }, words)))))));
}
