// SPDX-License-Identifier: Apache-2.0
// A video on its card: a still until somebody plays it, then the browser's own player.

import { address, h, UI, useEffect, useRef, useState } from "./host.js";
import { Icon } from "./icons.js";
import { Notice, Stage, Tag, useSeen } from "./stage.js";
import { day, nameOf } from "./words.js";

export function Video({ card, output, play }) {
  const [place, seen] = useSeen();
  const [started, setStarted] = useState(false);
  const [broken, setBroken] = useState("");
  const video = useRef(null);
  const name = nameOf(card, output);
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
