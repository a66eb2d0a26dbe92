// SPDX-License-Identifier: Apache-2.0
// The few drawings that cards need.

import { h } from "./host.js";

const PATHS = {
  play: "M8 5.5v13l10.5-6.5z",
  video: "M4 5h16v14H4z M8 5v14 M16 5v14 M4 12h16",
  image: "M4 5h16v14H4z M4 16l4.5-4.5 4 4 2.5-2.5 5 5 M15.5 9.2v.1",
  sound: "M4 9.5v5h3.5L12 18.5v-13L7.5 9.5z M15.5 9a4 4 0 0 1 0 6 M18 6.5a8 8 0 0 1 0 11",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z M12 7.5V12l3 2",
  warning: "M12 4 2.8 19.5h18.4z M12 10v4.5 M12 17.2v.1",
  box: "M4 8l8-4 8 4v8l-8 4-8-4z M4 8l8 4 8-4 M12 12v8",
  ready: "M12 4v10 M7.5 10l4.5 4.5 4.5-4.5 M5 19h14",
  more: "M12 5.2a1.6 1.6 0 1 0 0 .1z M12 11.9a1.6 1.6 0 1 0 0 .1z M12 18.6a1.6 1.6 0 1 0 0 .1z",
};

export const Icon = ({ name, size = 24, fill = false }) =>
  h("svg", { viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": true, style: { flexShrink: 0 },
    fill: fill ? "currentColor" : "none", stroke: fill ? "none" : "currentColor", strokeWidth: 1.6,
    strokeLinecap: "round", strokeLinejoin: "round" }, h("path", { d: PATHS[name] }));
