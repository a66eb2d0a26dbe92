// SPDX-License-Identifier: Apache-2.0
// The page Browse → Kling results, and the tabs of a Dag, a run and a task instance. Airflow mounts one component for all.

import { Card, Guard } from "./card.js";
import { isWaiting, keyOf, useFeed } from "./feed.js";
import { asQuery, FilterBar, useFilters } from "./filters.js";
import { address, h, read, UI, useEffect, useMemo, useRef, useState } from "./host.js";
import { sum } from "./words.js";

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

function Empty({ filtered, scope }) {
  const what = scope.task_id ? "This task instance" : scope.run_id ? "This run" : scope.dag_id ? "This Dag" : "";
  const words = filtered
    ? "Nothing fits these filters."
    : what
      ? `${what} has no results yet. They appear here as soon as a request is sent to Kling.`
      : "No results yet. They appear here as soon as a Dag that you may see sends a request to Kling.";
  return h(UI.Box, { py: 16, textAlign: "center", color: "fg.muted" }, words);
}

/** How many results there are in which state, and what was paid; asked again when a card's state changes. */
function Sum({ query, cards }) {
  const [told, setTold] = useState("");
  const states = cards.map((card) => card.state).join();
  const { state, ...others } = query;
  const key = JSON.stringify(others);
  useEffect(() => {
    const abort = new AbortController();
    read("api/sums", JSON.parse(key), abort.signal).then((answer) => setTold(sum(answer))).catch(() => {});
    return () => abort.abort();
  }, [key, states]);
  return told && h(UI.Text, { "data-testid": "kling-summary", fontWeight: "medium", fontVariantNumeric: "tabular-nums" },
    h(UI.VisuallyHidden, { as: "span" }, "Results here: "), told);
}

/** What Airflow says of the page that it mounts this on; the rest is anybody's choice. */
function scopeOf({ dagId, runId, taskId, mapIndex }) {
  if (!dagId) return {};
  const index = taskId === undefined ? undefined : (mapIndex ?? "-1");
  return { dag_id: dagId, run_id: runId, task_id: taskId, map_index: index };
}

function KlingResults(props) {
  const scope = scopeOf(props);
  const scoped = Boolean(scope.dag_id);
  const [chosen, change, play] = useFilters();
  const query = useMemo(
    () => asQuery({ ...chosen, ...(scope.run_id && { from: "", until: "" }), ...(scoped && scope) }),
    [JSON.stringify(chosen), JSON.stringify(scope)],
  );
  const { cards, loading, error, more, loadMore, loadingMore, offset } = useFeed(query);
  const now = useNow(offset, cards.some(isWaiting));
  const minute = now - (now % 60000);
  const waiting = cards.filter(isWaiting).length;
  const told = loading ? "Loading results" : `${cards.length}${more ? " or more" : ""} results, ${waiting} of them waiting`;
  return h(UI.VStack, { align: "stretch", gap: 4, p: scoped ? 2 : 4, className: "kling-gallery" },
    h("link", { rel: "stylesheet", href: address("static/gallery.css") }),
    !scoped && h(UI.Heading, { as: "h1", size: "xl" }, "Kling results"),
    h(FilterBar, { chosen, change, scope, ready: offset !== undefined, entry: cards.length === 1 ? (cards[0].label ?? cards[0].name) : "" }),
    offset !== undefined && h(Sum, { query, cards }),
    h(UI.VisuallyHidden, { role: "status", "aria-live": "polite" }, told),
    error && h(UI.Alert.Root, { status: "error" }, h(UI.Alert.Indicator, null), h(UI.Alert.Title, null, error)),
    !loading && !error && cards.length === 0 && h(Empty, { filtered: Object.keys(chosen).length > 0, scope }),
    h(UI.Box, { as: "ul", "aria-busy": Boolean(loading), "aria-label": "Results", display: "grid", gap: 4, listStyleType: "none", alignItems: "start",
      opacity: loading ? 0.5 : 1, gridTemplateColumns: "repeat(auto-fill, minmax(min(100%, 19rem), 1fr))" },
      ...(loading && cards.length === 0
        ? Array.from({ length: 8 }, (_, n) => h(UI.Skeleton, { as: "li", key: n, height: "16rem", borderRadius: "lg" }))
        : cards.map((card, place) =>
            h("li", { key: keyOf(card) },
              h(Guard, null, h(Card, { card, scoped, play: play && place === 0, now: isWaiting(card) ? now : minute })))))),
    more && h(More, { onMore: loadMore, loading: Boolean(loadingMore) }));
}

// Airflow looks for the component under the app's name. The page and the tabs share name and module.
globalThis["Kling results"] = KlingResults;
