// SPDX-License-Identifier: Apache-2.0
// The upper part of a card: the video, or why there is none (yet).

import { address, h, UI, useEffect, useRef, useState } from "./host.js";
import { Icon } from "./icons.js";
import { clock, day, path, spoken, STATES, title } from "./words.js";

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

/** The same in a line, where the reason below needs the room. */
const Strip = ({ icon, tone, head }) =>
  h(UI.HStack, { bg: "bg.muted", color: tone, px: 3, py: 2.5, gap: 2, fontSize: "sm", fontWeight: "medium" }, h(Icon, { name: icon, size: 20 }), head);

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

const Tag = ({ children }) => h(UI.Badge, { variant: "solid", colorPalette: "gray", size: "xs" }, children);

function Video({ card, output, index, play }) {
  const [place, seen] = useSeen();
  const [started, setStarted] = useState(false);
  const [broken, setBroken] = useState("");
  const video = useRef(null);
  const name = title(card) + (card.outputs.length > 1 ? `, ${index + 1} of ${card.outputs.length}` : "");
  const start = () => {
    setStarted(true);
    video.current.currentTime = 0;
    // A page that was opened by a link may play only what is silent.
    video.current.play().catch(() => {
      video.current.muted = true;
      video.current.play().catch(() => {});
    });
  };
  useEffect(() => {
    if (play && seen) start();
  }, [play, seen]);
  useEffect(() => {
    // The button goes; whoever pressed it is at the video's controls now.
    if (started) video.current?.focus();
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
      ref: video, "aria-label": `Video: ${name}`, controls: started, playsInline: true, loop: true, tabIndex: started ? 0 : -1,
      preload: started ? "auto" : seen && !still ? "metadata" : "none",
      poster: seen ? still : undefined,
      // Half a second in: the first frame of a video is often black. The URL stays, or the video begins anew.
      src: seen ? address(output.src) + (still ? "" : "#t=0.5") : undefined,
      onError: () => seen && explain(), onPlay: () => setStarted(true),
      style: { width: "100%", height: "100%", objectFit: "contain", display: "block" },
    }),
    !started &&
      h("button", { type: "button", className: "kling-play", onClick: start, "aria-label": `Play ${name}` },
        h("span", null, h(Icon, { name: "play", size: 26, fill: true }))),
    output.place !== "here" && !started &&
      h(UI.VStack, { position: "absolute", top: 2, right: 2, gap: 1, align: "end", pointerEvents: "none" },
        output.place === "replaced" && h(Tag, null, "Its file was replaced by a newer one"),
        output.place === "changed" && h(Tag, null, "Its file was changed"),
        h(Tag, null, card.expires_at ? `At Kling until ${day(card.expires_at)}` : "At Kling")));
}

function StillImage({ card, output }) {
  const [place, seen] = useSeen();
  return h(Stage, { ref: place }, seen &&
    h(UI.Image, { src: address(output.src), alt: title(card), width: "100%", height: "100%", objectFit: "contain" }));
}

const Sound = ({ card, output }) =>
  h(Stage, null, h(UI.VStack, { height: "100%", justify: "center", px: 4, color: "fg.muted" }, h(Icon, { name: "video", size: 28 }),
    h("audio", { controls: true, preload: "none", src: address(output.src), "aria-label": `Sound: ${title(card)}`, style: { width: "100%" } })));

/** What no player of the browser plays: subtitles, and formats that are not known. */
const PlainFile = ({ card, output }) =>
  h(Notice, { icon: "box", head: "Not a picture, sound or video" },
    h(UI.Link, { href: address(output.src), target: "_blank", rel: "noopener noreferrer", color: "fg.info",
      "aria-label": `Open the file: ${title(card)}` }, "Open the file"),
    output.address && h(Address, { text: output.address }));

const Address = ({ text }) => h(UI.Code, { fontSize: "xs", mt: 1, bg: "transparent", userSelect: "all", wordBreak: "break-all" }, path(text));

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

/** What a card shows above its words. The reason stands below, where there is room for all of it. */
export function Media({ card, index, now, play }) {
  const state = STATES[card.state] ?? STATES.unreadable;
  if (card.state === "retrying") return h(Strip, { icon: "clock", tone: "orange.fg", head: state.label });
  if (card.state === "fetching") {
    return h(Notice, { icon: "ready", tone: "blue.fg", head: state.label }, "Kling has made it; a worker saves it as soon as one is free.");
  }
  if (state.waiting) return h(Waiting, { card, now });
  if (card.state !== "done") {
    return h(Strip, { icon: "warning", tone: card.state === "failed" ? "fg.error" : "fg.muted", head: state.label });
  }
  const output = card.outputs?.[index];
  if (!output?.src) return h(Absent, { card, output: output ?? {} });
  const [family] = (output.media_type ?? "").split("/");
  if (family === "image") return h(StillImage, { card, output });
  if (family === "audio") return h(Sound, { card, output });
  if (family === "video") return h(Video, { key: output.src, card, output, index, play });
  return h(PlainFile, { card, output });
}
