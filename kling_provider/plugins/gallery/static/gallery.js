// SPDX-License-Identifier: Apache-2.0
// The page Browse → Kling videos, and the tab of a DAG run. Airflow mounts one component for both.

import { Card } from "./card.js";
import { isWaiting, useFeed } from "./feed.js";
import { asQuery, FilterBar, useFilters } from "./filters.js";
import { address, h, read, UI, useEffect, useMemo, useRef, useState } from "./host.js";
import { cost, STATES } from "./words.js";

/** The time of the server, moving each second while something waits. */
function useNow(offset, ticking) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), ticking ? 1000 : 30000);
    return () => clearInterval(timer);
  }, [ticking]);
  return now + (offset ?? 0);
}

/** Ask for the next page when this comes near; it is a button, so the keyboard can as well. */
function More({ onMore, loading }) {
  const button = useRef(null);
  useEffect(() => {
    const watcher = new IntersectionObserver(([entry]) => entry.isIntersecting && onMore(), { rootMargin: "600px" });
    watcher.observe(button.current);
    return () => watcher.disconnect();
  }, [onMore]);
  return h(UI.Button, { ref: button, variant: "outline", alignSelf: "center", onClick: onMore, loading, loadingText: "Loading" }, "Load more");
}

function Empty({ filtered, scoped }) {
  const words = filtered
    ? "No video fits these filters."
    : scoped
      ? "This run has no videos yet. They appear here as soon as one is sent to Kling."
      : "No videos yet. They appear here as soon as a DAG that you may see sends one to Kling.";
  return h(UI.Box, { py: 16, textAlign: "center", color: "fg.muted" }, words);
}

/** What a run has delivered and paid, and how far the rest is. */
function Summary({ dagId, runId, cards, more }) {
  const [sum, setSum] = useState(null);
  const done = cards.filter((card) => card.state === "done").length;
  useEffect(() => {
    const abort = new AbortController();
    read(`api/runs/${encodeURIComponent(dagId)}/${encodeURIComponent(runId)}/total`, {}, abort.signal).then(setSum).catch(() => {});
    return () => abort.abort();
  }, [dagId, runId, done]);
  if (!sum) return null;
  const count = (state) => cards.filter((card) => card.state === state).length;
  const others = Object.entries(STATES).filter(([state]) => state !== "done" && count(state) > 0);
  const figures = [
    ["Videos", sum.videos],
    ["Total cost", cost(sum.paid) || (sum.again ? "nothing paid" : "none yet")],
    ...(sum.again ? [["Delivered again", sum.again]] : []),
    ...others.map(([state, { label }]) => [label, `${count(state)}${more ? "+" : ""}`]),
  ];
  return h(UI.HStack, { as: "dl", gap: 8, flexWrap: "wrap", "data-testid": "kling-summary" },
    ...figures.map(([label, value]) =>
      h(UI.Box, { key: label },
        h(UI.Text, { as: "dt", fontSize: "xs", color: "fg.muted" }, label),
        h(UI.Text, { as: "dd", fontSize: "lg", fontWeight: "semibold", fontVariantNumeric: "tabular-nums" }, value))));
}

function KlingVideos({ dagId, runId }) {
  const scoped = Boolean(dagId && runId);
  const [chosen, change] = useFilters();
  const query = useMemo(
    () => asQuery({ ...chosen, ...(scoped && { dag_id: dagId, run_id: runId, from: "", until: "" }) }),
    [JSON.stringify(chosen), dagId, runId],
  );
  const { cards, loading, error, more, loadMore, loadingMore, offset } = useFeed(query);
  const now = useNow(offset, cards.some(isWaiting));
  const minute = now - (now % 60000);
  const waiting = cards.filter(isWaiting).length;
  const told = loading ? "Loading videos" : `${cards.length}${more ? " or more" : ""} videos, ${waiting} of them waiting`;
  return h(UI.VStack, { align: "stretch", gap: 4, p: scoped ? 2 : 4, className: "kling-gallery" },
    h("link", { rel: "stylesheet", href: address("static/gallery.css") }),
    !scoped && h(UI.Heading, { as: "h1", size: "xl" }, "Kling videos"),
    scoped && h(Summary, { dagId, runId, cards, more }),
    h(FilterBar, { chosen, change, scoped, ready: offset !== undefined }),
    h(UI.VisuallyHidden, { role: "status", "aria-live": "polite" }, told),
    error && h(UI.Alert.Root, { status: "error" }, h(UI.Alert.Indicator, null), h(UI.Alert.Title, null, error)),
    !loading && !error && cards.length === 0 && h(Empty, { filtered: Object.keys(chosen).length > 0, scoped }),
    h(UI.Box, { as: "ul", "aria-busy": Boolean(loading), "aria-label": "Videos", display: "grid", gap: 4, listStyleType: "none",
      opacity: loading ? 0.5 : 1, gridTemplateColumns: "repeat(auto-fill, minmax(min(100%, 19rem), 1fr))" },
      ...(loading && cards.length === 0
        ? Array.from({ length: 8 }, (_, n) => h(UI.Skeleton, { as: "li", key: n, height: "16rem", borderRadius: "lg" }))
        : cards.map((card) => h("li", { key: card.key }, h(Card, { card, scoped, now: isWaiting(card) ? now : minute }))))),
    more && h(More, { onMore: loadMore, loading: Boolean(loadingMore) }));
}

// Airflow looks for the component under the app's name. The page and the tab share name and module.
globalThis["Kling videos"] = KlingVideos;
