// Every source as a tile: who is there, how near an alarm, and how the source does, in words. One can be made large.

import { colours, el, floats, say } from "./dom.js";
import { strip } from "./curve.js";
import { AT_REST, state } from "./server.js";
import { blindness, say as number, t, why } from "./texts.js";
import { View3D } from "./view3d.js";

const GONE = new Set(["source_silent", "source_missing"]);
const SIGNS = { watching: "●", behind: "◔", blind: "◌", silent: "✕", learning: "◐", alarm: "▲" };

class Tile {
  dirty = true;

  constructor(source, large) {
    this.source = source;
    this.state = el("span", { class: "state" });
    this.reason = el("p", { class: "reason" });
    this.canvas = el("canvas", { class: "scene", role: "img", "aria-label": t("view_of", { source }) });
    this.strip = el("canvas", { class: "strip", role: "img" });
    const link = large ? el("a", { class: "button", href: "#/live" }, t("back_live"))
      : el("a", { class: "button icon", href: `#/live/${encodeURIComponent(source)}`, "aria-label": t("full", { source }), title: t("full", { source }) }, "⤢");
    this.element = el("article", { class: large ? "tile large" : "tile", "data-source": source },
      el("header", {}, el("h2", {}, source), this.state, link), this.canvas, this.reason, this.strip);
    this.view = new View3D(this.canvas, { large, changed: () => { this.dirty = true; } });
    this.tell();
  }

  take(scene) {
    this.view.set({ ...scene, places: floats(scene.places) });
    this.dirty = true;
  }

  tell() {
    const status = state.sources.get(this.source), open = [...state.incidents.values()].filter(i => i.source === this.source);
    if (!status) return;
    const worst = open.toSorted((a, b) => rank(b) - rank(a))[0], rest = AT_REST.has(status.blind?.code);
    const gone = open.find(i => GONE.has(i.about));  // known sooner than its status says so
    const kind = worst?.about === "interaction" ? "alarm" : gone ? "silent" : status.state === "blind" && rest ? "watching" : status.state;
    this.element.dataset.state = kind;
    this.element.dataset.severity = worst?.severity ?? "";
    say(this.state, `${SIGNS[kind] ?? "●"} ${worst && kind === "alarm" ? t(`severity_${worst.severity}`) : t(`state_${kind}`)}`);
    const people = status.people === 1 ? t("people_one") : t("people_many", { n: status.people });
    const odd = status.odd.map(o => o.text).join("; ");
    say(this.reason, worst?.about === "interaction" ? why(worst) : gone ? why(gone) : status.blind ? blindness(status.blind) : odd || people);
    this.reason.classList.toggle("link", Boolean(worst));
  }

  tellStrip() {
    const values = state.strips.get(this.source) ?? [];
    this.strip.setAttribute("aria-label", t("strip_of", { source: this.source, value: number(values.at(-1) ?? 0) }));
    strip(this.strip, values);
  }

  draw() {
    if (!this.dirty || !this.canvas.clientWidth) return;
    this.dirty = false;
    this.view.render();
  }
}

const rank = i => ["notice", "alarm", "critical"].indexOf(i.severity);

export function show(main, only) {
  const tiles = new Map(), grid = el("div", { class: only ? "tiles one" : "tiles" }), empty = el("div", { class: "card empty", hidden: true }, el("h2", {}, t("no_sources")), el("p", {}, t("no_sources_help")));
  const note = el("p", { class: "note", hidden: true }, t("no_scenes"));
  main.append(el("h1", { class: "hidden" }, t("live")), note, grid, empty);
  const listeners = [];
  const on = (name, handle) => { state.addEventListener(name, handle); listeners.push([name, handle]); };
  const sources = () => {
    const names = [...state.sources.keys()].filter(name => name !== "@detector" && (!only || name === only));
    for (const [name, tile] of tiles) if (!names.includes(name)) { tile.element.remove(); tiles.delete(name); }
    for (const name of names.sort()) if (!tiles.has(name)) { const tile = new Tile(name, Boolean(only)); tiles.set(name, tile); grid.insertBefore(tile.element, [...grid.children].find(other => other.dataset.source > name) ?? null); tile.tellStrip(); }
    grid.dataset.count = names.length <= 1 ? "1" : names.length <= 4 ? "4" : names.length <= 9 ? "9" : "16";
    empty.hidden = names.length > 0;
    note.hidden = state.scenes;
    all();
  };
  const all = () => { for (const tile of tiles.values()) tile.tell(); };
  on("sources", sources);
  on("status", event => tiles.get(event.detail.source)?.tell());
  on("incidents", all);
  on("scene", event => tiles.get(event.detail.source)?.take(event.detail));
  on("strips", () => { for (const tile of tiles.values()) tile.tellStrip(); });
  const anew = () => { colours(); for (const tile of tiles.values()) { tile.dirty = true; tile.tellStrip(); } };
  addEventListener("theme", anew);
  addEventListener("resize", anew);
  const key = event => { if (event.key === "Escape" && only) location.hash = "#/live"; };
  addEventListener("keydown", key);
  grid.addEventListener("click", event => {
    const tile = event.target.closest(".reason.link")?.closest(".tile");
    const open = tile && [...state.incidents.values()].filter(i => i.source === tile.dataset.source).toSorted((a, b) => rank(b) - rank(a))[0];
    if (open) location.hash = `#/incident/${open.id}`;
  });
  sources();
  let going = true, pictures = 0, since = performance.now();
  const turn = now => {
    if (!going) return;
    let drawn = false;
    for (const tile of tiles.values()) { drawn ||= tile.dirty; tile.draw(); }
    pictures += drawn;
    if (now - since > 1000) { main.dataset.rate = (pictures * 1000 / (now - since)).toFixed(1); pictures = 0; since = now; }
    requestAnimationFrame(turn);
  };
  requestAnimationFrame(turn);
  return () => {
    going = false;
    for (const [name, handle] of listeners) state.removeEventListener(name, handle);
    removeEventListener("theme", anew);
    removeEventListener("resize", anew);
    removeEventListener("keydown", key);
  };
}
