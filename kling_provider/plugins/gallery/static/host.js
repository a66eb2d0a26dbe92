// SPDX-License-Identifier: Apache-2.0
// What Airflow's page lends to its plugins. Read once, here, so that everything else is plain modules.

export const { React, ChakraUI: UI, ReactRouterDOM: Router } = globalThis;
export const { useCallback, useEffect, useMemo, useRef, useState } = React;

/** An element: `h(UI.Text, { color: "fg.muted" }, "words", …)`. What is null, false or "" is left out. */
export const h = (type, props, ...children) =>
  React.createElement(type, props, ...children.filter((child) => child !== null && child !== false && child !== ""));

/** The address of one of our routes: `address("api/videos")`. Follows Airflow's own prefix, if it has one. */
export const address = (path) => new URL(path, new URL("../", import.meta.url)).href;

/** JSON of one of our routes; an error that says in words what is wrong. */
export async function read(path, query = {}, signal = undefined) {
  const url = new URL(address(path));
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(name, value);
  }
  const answer = await fetch(url, { signal, headers: { Accept: "application/json" } });
  if (answer.ok) return answer.json();
  if (answer.status === 401) throw new Error("You are not signed in any more. Reload the page to sign in again.");
  if (answer.status === 403) throw new Error("You may not see the results of this Dag.");
  throw new Error(`Airflow answered ${answer.status}. The results cannot be listed now; the API server's log says why.`);
}

/** Put text into the clipboard; `text` may be a promise of it. False where the browser does not let us. */
export async function copy(text) {
  const known = await text;
  try {
    await navigator.clipboard.writeText(known);
    return true;
  } catch {
    // Without https there is no clipboard but this old way.
    const area = document.createElement("textarea");
    area.value = known;
    area.style.cssText = "position:fixed;opacity:0";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
