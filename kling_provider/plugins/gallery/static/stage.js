// SPDX-License-Identifier: Apache-2.0
// What the upper part of every card is made of: its frame, words in it, and when it is worth drawing.

import { h, UI, useEffect, useRef, useState } from "./host.js";
import { Icon } from "./icons.js";
import { path } from "./words.js";

/** Whether an element has come near the visible part of the page; it stays so. */
export function useSeen() {
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

export const Stage = (props) =>
  h(UI.Box, { aspectRatio: 16 / 9, bg: "bg.muted", overflow: "hidden", position: "relative", width: "100%", ...props });

/** Words in the middle of the stage. `progress` (0 to 1) draws a line at its lower edge. */
export function Notice({ icon, tone = "fg.muted", head, progress, children }) {
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
export const Strip = ({ icon, tone, head }) =>
  h(UI.HStack, { bg: "bg.muted", color: tone, px: 3, py: 2.5, gap: 2, fontSize: "sm", fontWeight: "medium" }, h(Icon, { name: icon, size: 20 }), head);

export const Tag = ({ children }) => h(UI.Badge, { variant: "solid", colorPalette: "gray", size: "xs" }, children);

export const Address = ({ text }) => h(UI.Code, { fontSize: "xs", mt: 1, bg: "transparent", userSelect: "all", wordBreak: "break-all" }, path(text));
