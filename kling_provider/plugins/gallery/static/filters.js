// SPDX-License-Identifier: Apache-2.0
// What is to be seen: kept in the page's address, so that it can be shared and gone back to.

import { h, read, Router, UI, useEffect, useRef, useState } from "./host.js";
import { STATES, typeName } from "./words.js";

/** Set by the link *Result* of a task instance: its card shall play. */
const PLAY = "play";
const NAMES = ["dag_id", "run_id", "task_id", "map_index", "state", "type", "model", "text", "from", "until"];

/** The filters of the address, how to change them, and whether to play: `[{ state: "done", … }, change, false]`. */
export function useFilters() {
  const [params, setParams] = Router.useSearchParams();
  const chosen = Object.fromEntries(NAMES.map((name) => [name, params.get(name)]).filter(([, value]) => value));
  // The router's own updater knows the address of the last drawing only: two quick changes would lose the first.
  const latest = useRef(null);
  latest.current = { params, setParams };
  const change = (news) => {
    const next = new URLSearchParams(latest.current.params);
    for (const [name, value] of Object.entries(news)) value ? next.set(name, value) : next.delete(name);
    next.delete(PLAY);
    latest.current.params = next;
    latest.current.setParams(next, { replace: true });
  };
  return [chosen, change, params.has(PLAY)];
}

/** Days as the user means them become moments: `until` is the whole of that day. */
export function asQuery({ from, until, ...others }) {
  const start = (day, later) => {
    const [year, month, date] = day.split("-").map(Number);
    return new Date(year, month - 1, date + later).toISOString();
  };
  return { ...others, ...(from && { after: start(from, 0) }), ...(until && { before: start(until, 1) }) };
}

function Choice({ label, value, onChange, options }) {
  const all = value && !options.some(([option]) => option === value) ? [[value, value], ...options] : options;
  return h(UI.NativeSelect.Root, { size: "sm", width: "auto", minWidth: "9rem", maxWidth: "15rem", flex: "1 1 9rem" },
    h(UI.NativeSelect.Field, { "aria-label": label, value: value ?? "", onChange: (event) => onChange(event.target.value) },
      h("option", { value: "" }, label), ...all.map(([option, text]) => h("option", { key: option, value: option }, text))),
    h(UI.NativeSelect.Indicator, null));
}

function TextFilter({ value, onChange }) {
  const [text, setText] = useState(value ?? "");
  const timer = useRef(0);
  useEffect(() => setText(value ?? ""), [value]);
  const typed = (event) => {
    const { value: next } = event.target;
    setText(next);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onChange(next.trim()), 300);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  return h(UI.Input, { type: "search", size: "sm", flex: "2 1 14rem", maxWidth: "26rem", placeholder: "Words of the prompt or name",
    "aria-label": "Words of the prompt or name", value: text, onChange: typed });
}

const DayFilter = ({ label, ...props }) =>
  h(UI.HStack, { as: "label", gap: 2, fontSize: "sm", color: "fg.muted" }, label,
    h(UI.Input, { type: "date", size: "sm", width: "9.5rem", ...props, onChange: (event) => props.onChange(event.target.value) }));

/** The bar of filters. `scope`: what is given already, a run for example, where Dag and days say nothing. `ready`: the cards are there. `entry`: what the one task instance that is shown is called. */
export function FilterBar({ chosen, change, scope, ready, entry }) {
  const [choices, setChoices] = useState({ dags: [], types: [], models: [] });
  useEffect(() => {
    if (!ready) return undefined; // the cards come first
    const abort = new AbortController();
    read("api/choices", {}, abort.signal).then(setChoices).catch(() => {}); // the list itself tells what is wrong
    return () => abort.abort();
  }, [ready]);
  const set = (name) => (value) => change({ [name]: value });
  const instance = chosen.run_id && [chosen.task_id, chosen.map_index >= 0 && (entry || `[${chosen.map_index}]`), chosen.run_id].filter(Boolean).join(" ");
  return h(UI.HStack, { as: "form", role: "search", "aria-label": "Filter the results", gap: 2, flexWrap: "wrap",
    onSubmit: (event) => event.preventDefault() },
    h(TextFilter, { value: chosen.text, onChange: set("text") }),
    !scope.dag_id && h(Choice, { label: "All Dags", value: chosen.dag_id, onChange: set("dag_id"), options: choices.dags.map((dag) => [dag, dag]) }),
    h(Choice, { label: "All states", value: chosen.state, onChange: set("state"),
      options: Object.entries(STATES).map(([state, { label }]) => [state, label]) }),
    h(Choice, { label: "All types", value: chosen.type, onChange: set("type"), options: (choices.types ?? []).map((type) => [type, typeName(type)]) }),
    h(Choice, { label: "All models", value: chosen.model, onChange: set("model"), options: choices.models.map((model) => [model, model]) }),
    !scope.run_id && h(DayFilter, { label: "From", value: chosen.from ?? "", max: chosen.until, onChange: set("from") }),
    !scope.run_id && h(DayFilter, { label: "to", value: chosen.until ?? "", min: chosen.from, onChange: set("until") }),
    !scope.run_id && instance && h(UI.Badge, { size: "md", variant: "subtle", maxWidth: "22rem" }, h(UI.Text, { as: "span", truncate: true }, instance)),
    Object.keys(chosen).length > 0 &&
      h(UI.Button, { size: "sm", variant: "ghost", onClick: () => change(Object.fromEntries(NAMES.map((name) => [name, ""]))) }, "Clear"));
}
