// SPDX-License-Identifier: Apache-2.0
// Figures, times and states in words.

/** What a card's state is called; `counted` in the sum above the cards. */
export const STATES = {
  rendering: { label: "Rendering", counted: "rendering", waiting: true },
  fetching: { label: "Ready, being fetched", counted: "being fetched", waiting: true },
  waiting_for_concurrency: { label: "Waiting in the queue", counted: "waiting", waiting: true },
  retrying: { label: "Will be retried", counted: "to be retried", waiting: true },
  done: { label: "Done" },
  failed: { label: "Failed", counted: "failed" },
  uncollected: { label: "Not fetched", counted: "not fetched" },
  unreadable: { label: "Cannot be read", counted: "unreadable" },
};

/** "0:42", "12:05", "1:02:03" from seconds. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** The same for a screen reader: "2 minutes 5 seconds". */
export function spoken(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const many = (number, word) => (number ? `${number} ${word}${number === 1 ? "" : "s"}` : "");
  return [many(Math.floor(whole / 60), "minute"), many(whole % 60, "second")].filter(Boolean).join(" ") || "0 seconds";
}

const AGO = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const STEPS = [["year", 31536000], ["month", 2592000], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];

/** "3 minutes ago". */
export function ago(then, now) {
  const seconds = (now - new Date(then).getTime()) / 1000;
  const [unit, size] = STEPS.find(([, size]) => seconds >= size) ?? ["second", 1];
  return unit === "second" ? "just now" : AGO.format(-Math.floor(seconds / size), unit);
}

export const moment = (iso) => new Date(iso).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
export const day = (iso) => new Date(iso).toLocaleDateString(undefined, { dateStyle: "medium" });

const figure = (amount) => Number(amount).toLocaleString("en", { maximumFractionDigits: 2 });

/** "3 units", "8 image units", "$0.42" from Kling's billing entries or their sums; "" where nothing is known. */
export function cost(entries) {
  const known = entries.filter((entry) => entry.amount !== null && entry.amount !== undefined);
  // The legacy API bills units and money side by side, and one of them is 0.
  const told = known.filter((entry) => Number(entry.amount) !== 0);
  return (told.length ? told : known.slice(0, 1))
    .map(({ amount, currency, package_type: pack }) => {
      if (currency === "USD") return `$${figure(amount)}`;
      if (currency === "CNY") return `¥${figure(amount)}`;
      if (currency) return `${figure(amount)} ${currency}`;
      const kind = pack && pack !== "video" ? `${pack} ` : "";
      return `${figure(amount)} ${kind}${Number(amount) === 1 ? "unit" : "units"}`;
    })
    .join(" + ");
}

/** "3 videos", "1 speech", "2 speeches"; "2 masks of the face". Without a number where it is one of its kind. */
export function plural(noun, number) {
  if (number === 1 || ["subtitles", "facts"].includes(noun)) return noun;
  const [head, ...rest] = noun.split(/(?= of | with )/);
  return `${number.toLocaleString("en")} ${head}${/(s|x|ch|sh)$/.test(head) ? "es" : "s"}${rest.join("")}`;
}

/** "0.4 MB", "20 MB". */
export const size = (bytes) => `${(bytes / 1e6).toLocaleString("en", { maximumFractionDigits: bytes < 1e7 ? 1 : 0 })} MB`;

/** "30 videos: 6 saved, 3 rendering, 21 waiting · 18 units"; "4 results: …" where they are of several types. */
export function sum({ whole, states, paid, again, noun = "result" }) {
  const words = [["saved", "saved"], ["at_kling", "at Kling"], ...Object.entries(STATES).map(([state, { counted }]) => [state, counted])];
  const counted = words.filter(([state, word]) => word && states[state] > 0);
  const total = counted.reduce((all, [state]) => all + states[state], 0);
  if (whole && total === 0) return "";
  const parts = counted.map(([state, word]) => `${states[state].toLocaleString("en")} ${word}`).join(", ");
  const head = whole ? (total === 1 ? `1 ${noun}` : plural(noun, total)) : "More than 5,000 results";
  const tail = [cost(paid ?? []), again > 0 && `${again.toLocaleString("en")} delivered again`].filter(Boolean);
  return [[head, parts].filter(Boolean).join(": "), ...(whole ? tail : [])].join(" · ");
}

/** What a card is called: its name, else that of its entry, else the beginning of its prompt. */
export function title(card) {
  if (card.name) return card.name;
  if (card.label) return card.label;
  const prompt = (card.prompt ?? "").replace(/\s+/g, " ").trim();
  return prompt.length > 48 ? `${prompt.slice(0, 47).trimEnd()}…` : prompt || `Untitled ${card.noun ?? "result"}`;
}

/** What an output is called for a screen reader: the card's title, and which of its outputs it is. */
export function nameOf(card, output) {
  const outputs = card.outputs ?? [];
  if (outputs.length < 2) return title(card);
  const alike = outputs.filter((one) => one.noun === output.noun);
  return alike.length < 2 ? `${title(card)}, ${output.noun}` : `${title(card)}, ${output.noun} ${alike.indexOf(output) + 1} of ${alike.length}`;
}

/** "text to video" for the type of a request. */
export const typeName = (type) => (type ?? "").replaceAll("_", " ");

/** The facts of a request in words, defaults too: ["text to video", "kling-3.0", "5 s", "720p", "16:9", "silent"]. */
export function asked(card) {
  return [
    typeName(card.type),
    card.model,
    card.seconds ? `${Math.round(card.seconds * 10) / 10} s` : "",
    card.resolution,
    card.aspect_ratio,
    { native: "sound", on: "sound", off: "silent" }[card.sound] ?? card.sound,
    ...Object.entries(card.others ?? {}).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`),
  ].filter(Boolean);
}

/** The path as a shell takes it: without the scheme of a local file. */
export const path = (address) => (address ?? "").replace(/^(file|local):\/\//, "");
