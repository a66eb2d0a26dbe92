// SPDX-License-Identifier: Apache-2.0
// The outputs of a finished card, each as what it is: videos and sounds with a player, images as a grid, the rest as words.

import { address, h, UI, useEffect, useRef, useState } from "./host.js";
import { Icon } from "./icons.js";
import { Address, Notice, Stage, useSeen } from "./stage.js";
import { clock, day, nameOf, path, plural, size, title } from "./words.js";
import { Video } from "./video.js";

/** So many images are in a grid; the others are a click away. */
const IN_GRID = 4;
/** Bytes of an image that is shown without a poster. */
const LARGEST_IMAGE = 4 * 1024 * 1024;

/** What the account keeps: an id that later requests use. */
const KEPT = ["voice", "element", "session"];

const familyOf = (output) => (output.media_type ?? "").split("/")[0];

function Absent({ card, output }) {
  const what = {
    expired: ["clock", "Kling's link has expired", h(UI.Text, null,
      `The result was kept until ${day(card.expires_at)}, and was not saved to a file. A destination keeps the next one.`)],
    elsewhere: ["box", "Kept in your storage", h(Address, { text: output.address })],
    missing: ["box", "Not on this server's disk", h(UI.Text, null,
      "The file was removed, or the API server does not share the disk of the workers. It was saved as"),
      h(Address, { text: output.address })],
    outside: ["warning", "Outside the gallery's folders", h(UI.Text, null, output.why), h(Address, { text: output.address })],
    unserved: ["box", "Saved, and not shown here", h(UI.Text, null, output.why), h(Address, { text: output.address })],
    changed: ["warning", "Not the file that was saved", h(UI.Text, null, output.why)],
    replaced: ["box", "Replaced by a newer one", h(UI.Text, null, output.why)],
    unlisted: ["box", "At Kling, on another host", h(UI.Text, null, output.why)],
    kling: ["box", "At Kling", h(UI.Text, null, output.why)],
  }[output.place] ?? ["warning", "Not available", output.why];
  return h(Notice, { icon: what[0], head: what[1] }, ...what.slice(2));
}

/** One tile of the grid. A large image without a poster is a link with its size: nobody loads 20 MB for a list. */
function Tile({ card, output, src, still, fit = "cover" }) {
  const label = `Open ${nameOf(card, output)}`;
  const heavy = !still && output.bytes > LARGEST_IMAGE;
  return h("a", { className: "kling-tile", href: address(src), target: "_blank", rel: "noopener noreferrer", "aria-label": label, title: label },
    heavy
      ? h(UI.VStack, { height: "100%", justify: "center", gap: 1, color: "fg.muted", fontSize: "xs" }, h(Icon, { name: "image", size: 24 }), size(output.bytes))
      : h("img", { src: address(still ?? src), alt: nameOf(card, output), loading: "lazy", decoding: "async", style: { objectFit: fit } }));
}

/** Images of a task: one fills the stage; of many the first four are a grid, and all of them a list. */
function Images({ card, images }) {
  const [place, seen] = useSeen();
  const [open, setOpen] = useState(false);
  const list = useRef(null);
  useEffect(() => {
    if (open) list.current?.focus();
  }, [open]);
  if (images.length === 1) return h(Stage, { ref: place }, seen && h(Tile, { card, ...images[0], fit: "contain" }));
  if (open) {
    return h(UI.Box, { bg: "bg.muted", p: 1 },
      h(UI.Box, { as: "ul", ref: list, tabIndex: -1, className: "kling-images", "aria-label": `${images.length} images` },
        ...images.map((one, n) => h("li", { key: n }, h(Tile, { card, ...one, fit: "contain" })))),
      h(UI.Button, { size: "xs", variant: "ghost", width: "100%", mt: 1, onClick: () => setOpen(false), "aria-expanded": true }, "Show fewer"));
  }
  const more = images.length - IN_GRID;
  const shown = images.slice(0, IN_GRID);
  return h(Stage, { ref: place },
    h("ul", { className: "kling-grid", "data-images": shown.length, "aria-label": `${images.length} images` },
      ...shown.map((one, n) =>
        h("li", { key: n },
          seen && h(Tile, { card, ...one }),
          more > 0 && n === IN_GRID - 1 &&
            h("button", { type: "button", className: "kling-more", onClick: () => setOpen(true), "aria-expanded": false,
              "aria-label": `Show all ${images.length} images of ${title(card)}` }, `+${more}`)))));
}

const Row = ({ label, children }) =>
  h(UI.HStack, { as: "li", gap: 2, minWidth: 0, fontSize: "xs", color: "fg.muted" },
    label && h(UI.Text, { flexShrink: 0, maxWidth: "45%" }, label), children);

const Sound = ({ card, output, label }) =>
  h(Row, { label },
    h("audio", { controls: true, preload: "none", src: address(output.src), "aria-label": `Sound: ${nameOf(card, output)}`, style: { flex: 1, minWidth: 0, height: 36 } }));

/** What no player of the browser plays: subtitles, and formats that are not known. */
const PlainFile = ({ card, output, label }) =>
  h(Row, { label },
    h(UI.Link, { href: `${address(output.src)}?download=true`, download: "", color: "fg.info", "aria-label": `Download ${nameOf(card, output)}` },
      h(Icon, { name: "ready", size: 16 }), path(output.address).split("/").pop() || "Download"));

/** An output that is no file: its id, and what is known of it. */
function PlainFacts({ output, label }) {
  const facts = [output.id && ["id", output.id], ...Object.entries(output.facts ?? {})].filter(Boolean);
  return h(UI.Box, { as: "li", fontSize: "xs", color: "fg.muted", minWidth: 0 },
    label && h(UI.Text, { fontWeight: "medium", color: "fg" }, label),
    h("dl", { className: "kling-facts" },
      ...facts.flatMap(([name, value]) => [
        h("dt", { key: name }, name.replaceAll("_", " ")),
        h("dd", { key: `${name} value` }, h(UI.Text, { as: "span", userSelect: name === "id" ? "all" : undefined, wordBreak: "break-word" }, value))])));
}

const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);

/** What an output is called in a list: "Sound · 0:05", "Model image 2". */
function labelOf(output, alike) {
  const number = alike.length > 1 ? ` ${alike.indexOf(output) + 1}` : "";
  return [capital(output.noun) + number, output.seconds && clock(output.seconds)].filter(Boolean).join(" · ");
}

/** Several videos stand in one stage, with buttons to choose. */
function Videos({ card, videos, play }) {
  const [index, setIndex] = useState(0);
  const output = videos[Math.min(index, videos.length - 1)];
  return h(UI.Box, null, h(Video, { key: output.src, card, output, play }),
    videos.length > 1 && h(UI.HStack, { px: 3, pt: 2, gap: 1, flexWrap: "wrap" }, ...videos.map((one, n) =>
      h(UI.Button, { key: n, size: "2xs", variant: n === index ? "subtle" : "ghost", onClick: () => setIndex(n), "aria-pressed": n === index,
        "aria-label": `Show ${nameOf(card, one)}` }, n + 1))));
}

/** What stands at the top of a card of sounds or facts alone. */
const Emblem = ({ icon, children }) =>
  h(UI.HStack, { bg: "bg.muted", color: "fg.muted", px: 3, py: 2.5, gap: 2, fontSize: "sm", fontWeight: "medium" }, h(Icon, { name: icon, size: 20 }), children);

/** The outputs of a card, what is to be looked at first. */
export function Outputs({ card, play }) {
  const outputs = card.outputs ?? [];
  const shown = outputs.filter((one) => one.src);
  const facts = outputs.filter((one) => one.place === "facts" || KEPT.includes(one.kind) || Object.keys(one.facts ?? {}).length > 0);
  const absent = outputs.filter((one) => !one.src && one.place !== "facts");
  if (shown.length === 0 && facts.length === 0) return h(Absent, { card, output: absent[0] ?? {} });
  const of = (family) => shown.filter((one) => familyOf(one) === family);
  const [videos, pictures, sounds] = [of("video"), of("image"), of("audio")];
  const files = shown.filter((one) => ![...videos, ...pictures, ...sounds].includes(one));
  const images = [
    ...pictures.map((output) => ({ output, src: output.src, still: output.poster })),
    ...outputs.flatMap((output) => (output.images ?? []).map((src) => ({ output, src }))),
  ];
  const alike = (output) => outputs.filter((one) => one.noun === output.noun);
  const label = (output) => labelOf(output, alike(output));
  const kinds = [...new Set([...videos, ...images.map(({ output }) => output)].map((one) => one.noun))];
  const rows = [
    // Where a stage shows several things, words say what they are.
    kinds.length > 1 && h(Row, { key: "kinds" }, capital(kinds.map((noun) => plural(noun, alike({ noun }).length)).join(", "))),
    ...sounds.map((output) => h(Sound, { key: output.src, card, output, label: outputs.length > 1 && label(output) })),
    ...files.map((output) => h(PlainFile, { key: output.src, card, output, label: label(output) })),
    ...facts.map((output, n) => h(PlainFacts, { key: n, output, label: outputs.length > 1 && label(output) })),
    shown.some((one) => one.place !== "here" && !videos.includes(one)) &&
      h(Row, { key: "away" }, card.expires_at ? `At Kling until ${day(card.expires_at)}` : "At Kling"),
    ...absent.map((output, n) => h(Row, { key: `absent ${n}`, label: label(output) },
      output.address ? h(Address, { text: output.address }) : h(UI.Text, null, WORDS_FOR_ABSENT[output.place] ?? output.why ?? "not available"))),
  ].filter(Boolean);
  return h(UI.Box, null,
    videos.length > 0 && h(Videos, { card, videos, play }),
    images.length > 0 && h(Images, { card, images }),
    videos.length + images.length === 0 &&
      h(Emblem, { icon: sounds.length > 0 ? "sound" : "box" },
        capital(plural(outputs[0].noun, outputs.every((one) => one.noun === outputs[0].noun) ? outputs.length : 1))),
    rows.length > 0 && h(UI.VStack, { as: "ul", "aria-label": "Outputs", align: "stretch", gap: 2, px: 3, pt: 3, listStyleType: "none" }, ...rows));
}

const WORDS_FOR_ABSENT = { expired: "Kling's link has expired", kling: "at Kling", unlisted: "at Kling, on another host" };
