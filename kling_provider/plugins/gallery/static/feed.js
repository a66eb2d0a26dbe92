// SPDX-License-Identifier: Apache-2.0
// The list of cards: pages of it, and what becomes of those that wait, without a reload.

import { read, useCallback, useEffect, useRef, useState } from "./host.js";
import { STATES } from "./words.js";

const WHILE_WAITING = 3000;
const OTHERWISE = 15000;
// A job that is missing from a complete answer may be between two tries; after so many looks it is gone.
const PATIENCE = 4;

export const isWaiting = (card) => Boolean(STATES[card.state]?.waiting);
/** One card: cards of two Dags may be of one Kling task. */
export const keyOf = (card) => `${card.dag_id}\n${card.key}`;
const origin = (card) => JSON.stringify([card.dag_id, card.run_id, card.task_id, card.map_index]);

/** Fold news into the cards: a card keeps its place when its state changes; what is new comes first. */
export function merged(cards, news, whole) {
  const next = [...cards];
  for (const one of news) {
    // A job has no Kling task at first; then it is known by the task instance that it belongs to.
    let place = next.findIndex((card) => keyOf(card) === keyOf(one));
    if (place < 0) place = next.findIndex((card) => card.state !== "done" && origin(card) === origin(one));
    if (place >= 0) next[place] = { ...one, missed: 0 };
    else next.unshift(one);
  }
  const seen = new Set(next.map(keyOf));
  const told = new Set(news.map(keyOf));
  return next
    .filter((card) => seen.delete(keyOf(card)))
    .map((card) => (whole && isWaiting(card) && !told.has(keyOf(card)) ? { ...card, missed: (card.missed ?? 0) + 1 } : card))
    .filter((card) => (card.missed ?? 0) < PATIENCE);
}

/** Cards for these filters: `{ cards, loading, error, more, loadMore, offset }`; `offset` corrects this machine's clock. */
export function useFeed(filters) {
  const [feed, setFeed] = useState({ cards: [], loading: true });
  // What the next look starts from: an event, and the server's time of the last look.
  const since = useRef({});
  const busy = useRef(false);
  const key = JSON.stringify(filters);

  useEffect(() => {
    const abort = new AbortController();
    setFeed((before) => ({ ...before, loading: true, error: undefined }));
    read("api/videos", JSON.parse(key), abort.signal)
      .then((page) => {
        since.current = { since: page.since, seen: page.now };
        setFeed({ cards: page.cards, next: page.next, offset: clockOffset(page), key });
      })
      .catch((error) => error.name === "AbortError" || setFeed({ cards: [], error: error.message }));
    return () => abort.abort();
  }, [key]);

  const loadMore = useCallback(async () => {
    if (busy.current || !feed.next || feed.key !== key) return;
    busy.current = true;
    setFeed((before) => ({ ...before, loadingMore: true }));
    try {
      const page = await read("api/videos", { ...JSON.parse(key), cursor: feed.next });
      setFeed((before) => {
        if (before.key !== key) return before;
        const known = new Set(before.cards.map(keyOf));
        const cards = [...before.cards, ...page.cards.filter((card) => !known.has(keyOf(card)))];
        return { ...before, cards, next: page.next, loadingMore: false };
      });
    } catch (error) {
      setFeed((before) => ({ ...before, loadingMore: false, error: error.message }));
    } finally {
      busy.current = false;
    }
  }, [key, feed.next, feed.key]);

  const waiting = feed.cards.some(isWaiting);
  useEffect(() => {
    if (feed.key !== key) return undefined;
    const abort = new AbortController();
    let timer;
    const look = async () => {
      try {
        if (!document.hidden) {
          const page = await read("api/changes", { ...JSON.parse(key), ...since.current }, abort.signal);
          since.current = { since: page.since, seen: page.now };
          setFeed((before) =>
            before.key === key
              ? { ...before, cards: merged(before.cards, page.cards, page.whole), offset: clockOffset(page), error: undefined }
              : before,
          );
        }
      } catch (error) {
        if (error.name === "AbortError") return;
        setFeed((before) => ({ ...before, error: error.message }));
      }
      timer = setTimeout(look, waiting ? WHILE_WAITING : OTHERWISE);
    };
    timer = setTimeout(look, waiting ? WHILE_WAITING : OTHERWISE);
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [key, feed.key, waiting]);

  return { ...feed, more: Boolean(feed.next), loadMore };
}

const clockOffset = (page) => new Date(page.now).getTime() - Date.now();
