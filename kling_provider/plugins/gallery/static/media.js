// SPDX-License-Identifier: Apache-2.0
// The upper part of a card: the video, or why there is none (yet).

import { address, h, UI, useEffect, useRef, useState } from "./host.js";
import { clock, day, spoken, STATES, title } from "./words.js";

const PATHS = {
  play: "M8 5.5v13l10.5-6.5z",
  film: "M4 5h16v14H4z M8 5v14 M16 5v14 M4 12h16",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z M12 7.5V12l3 2",
  warning: "M12 4 2.8 19.5h18.4z M12 10v4.5 M12 17.2v.1",
  box: "M4 8l8-4 8 4v8l-8 4-8-4z M4 8l8 4 8-4 M12 12v8",
};

export const Icon = ({ name, size = 24, fill = false }) =>
  h("svg", { viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": true, style: { flexShrink: 0 },
    fill: fill ? "currentColor" : "none", stroke: fill ? "none" : "currentColor", strokeWidth: 1.6,
    strokeLinecap: "round", strokeLinejoin: "round" }, h("path", { d: PATHS[name] }));

/** Whether an element has come near the visible part of the page; it stays so. */
function useSeen() {
  const place = useRef(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (seen || !place.current) return undefined;
    const watcher = new IntersectionObserver(([entry]) => entry.isIntersecting && setSeen(true), { rootMargin: "150px" });
    watcher.observe(place.current);
    return () => watcher.disconnect();
  }, [seen]);
  return [place, seen];
}

const Stage = (props) =>
  h(UI.Box, { aspectRatio: 16 / 9, bg: "bg.muted", overflow: "hidden", position: "relative", width: "100%", ...props });

/** Words in the middle of the stage. `progress` (0 to 1) draws a line at its lower edge. */
function Notice({ icon, tone = "fg.muted", head, progress, children }) {
  return h(Stage, null,
    h(UI.VStack, { height: "100%", justify: "center", gap: 2, px: 5, py: 3, textAlign: "center", color: tone },
      h(Icon, { name: icon, size: 28 }),
      h(UI.Text, { fontWeight: "medium", fontSize: "sm" }, head),
      children && h(UI.Box, { fontSize: "xs", color: "fg.muted", maxHeight: "60%", overflowY: "auto", wordBreak: "break-word",
        tabIndex: 0, role: "group", "aria-label": head }, children)),
    progress !== undefined &&
      h(UI.Progress.Root, { value: Math.round(progress * 100), size: "xs", colorPalette: "blue", position: "absolute",
        insetX: 0, bottom: 0, "aria-hidden": true },
        h(UI.Progress.Track, { borderRadius: 0 }, h(UI.Progress.Range, { transition: "width 1s linear" }))));
}

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
  return h(Notice, { icon: rendering ? "film" : "clock", tone: rendering ? "blue.fg" : "orange.fg", progress,
    head: STATES[card.state].label },
    h(UI.Text, { fontVariantNumeric: "tabular-nums", "aria-label": said, role: "timer" }, times),
    !rendering && h(UI.Text, { mt: 1 }, "The account is busy; nothing is paid yet."));
}

function Film({ card, output, index, now }) {
  const [place, seen] = useSeen();
  const [started, setStarted] = useState(false);
  const [broken, setBroken] = useState("");
  const film = useRef(null);
  const name = title(card) + (card.outputs.length > 1 ? `, ${index + 1} of ${card.outputs.length}` : "");
  const start = () => {
    setStarted(true);
    film.current.currentTime = 0;
    film.current.play().catch(() => {});
  };
  useEffect(() => {
    // The button goes; whoever pressed it is at the film's controls now.
    if (started) film.current?.focus();
  }, [started]);
  const explain = async () => {
    // The element says nothing about the reason; the route does.
    const answer = await fetch(address(output.src), { headers: { Range: "bytes=0-0" } }).catch(() => null);
    const detail = answer && !answer.ok ? (await answer.json().catch(() => ({}))).detail : null;
    setBroken(detail ?? "Kling's link does not answer; it may have expired.");
  };
  if (broken) return h(Notice, { icon: "warning", head: "This video cannot be played" }, broken);
  const still = output.poster ? address(output.poster) : undefined;
  return h(Stage, { ref: place, bg: "black" },
    h("video", {
      ref: film, "aria-label": `Video: ${name}`, controls: started, playsInline: true, loop: true, tabIndex: started ? 0 : -1,
      preload: started ? "auto" : seen && !still ? "metadata" : "none",
      poster: seen ? still : undefined,
      // Half a second in: the first picture of a film is often black. The address stays, or the film begins anew.
      src: seen ? address(output.src) + (still ? "" : "#t=0.5") : undefined,
      onError: () => seen && explain(), onPlay: () => setStarted(true),
      style: { width: "100%", height: "100%", objectFit: "contain", display: "block" },
    }),
    !started &&
      h("button", { type: "button", className: "kling-play", onClick: start, "aria-label": `Play ${name}` },
        h("span", null, h(Icon, { name: "play", size: 26, fill: true }))),
    output.place !== "here" && !started &&
      h(UI.Badge, { position: "absolute", top: 2, right: 2, variant: "solid", colorPalette: "gray", size: "xs" },
        card.expires_at ? `At Kling until ${day(card.expires_at)}` : "At Kling"));
}

function Picture({ card, output }) {
  const [place, seen] = useSeen();
  return h(Stage, { ref: place }, seen &&
    h(UI.Image, { src: address(output.src), alt: title(card), width: "100%", height: "100%", objectFit: "contain" }));
}

const Sound = ({ card, output }) =>
  h(Stage, null, h(UI.VStack, { height: "100%", justify: "center", px: 4, color: "fg.muted" }, h(Icon, { name: "film", size: 28 }),
    h("audio", { controls: true, preload: "none", src: address(output.src), "aria-label": `Sound: ${title(card)}`, style: { width: "100%" } })));

const Address = ({ text }) => h(UI.Code, { fontSize: "xs", mt: 1, bg: "transparent", userSelect: "all", wordBreak: "break-all" }, text);

function Absent({ card, output }) {
  const what = {
    expired: ["clock", "Kling's link has expired", h(UI.Text, null,
      `The result was kept until ${day(card.expires_at)}, and was not saved to a file. A destination keeps the next one.`)],
    elsewhere: ["box", "Kept in your storage", h(Address, { text: output.address })],
    missing: ["box", "Not on this server's disk", h(UI.Text, null,
      "The file was removed, or the API server does not share the disk of the workers. It was saved as"),
      h(Address, { text: output.address })],
    outside: ["warning", "Outside the gallery's folders", h(UI.Text, null, output.why), h(Address, { text: output.address })],
    changed: ["warning", "Not the file that was saved", h(UI.Text, null, output.why)],
  }[output.place] ?? ["warning", "Not available", output.why];
  return h(Notice, { icon: what[0], head: what[1] }, ...what.slice(2));
}

/** What a card shows above its words. */
export function Media({ card, index, now }) {
  if (card.state === "retrying") return h(Notice, { icon: "clock", tone: "orange.fg", head: STATES.retrying.label }, card.reason);
  if (STATES[card.state]?.waiting) return h(Waiting, { card, now });
  if (card.state !== "done") {
    const failed = card.state === "failed";
    return h(Notice, { icon: "warning", tone: failed ? "fg.error" : "fg.muted", head: STATES[card.state].label }, card.reason);
  }
  const output = card.outputs[index];
  if (!output?.src) return h(Absent, { card, output: output ?? {} });
  if (output.kind === "image") return h(Picture, { card, output });
  if (output.kind === "audio") return h(Sound, { card, output });
  return h(Film, { key: output.src, card, output, index, now });
}
