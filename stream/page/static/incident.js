// One incident: what happened, why it was told, and what people say of it.

import { badge, colours, el, floats, say } from "./dom.js";
import { ClipCurve } from "./curve.js";
import { heading, marks, span } from "./incidents.js";
import { Refused, download, get, mayAct, post, state } from "./server.js";
import { fullMoment, has, lacks, moment as momentOf, say as number, t, why } from "./texts.js";
import { View3D } from "./view3d.js";

const AROUND_S = 0.7;  // before and after an incident that the camera sees throughout

class Player {
  #clip; #places; #view; #curve; #at; #playing = false; #last = 0; #speed = 1; #gone = false; #size; #stage; #normal = null; #span;

  constructor(clip, from, to) {
    this.#clip = clip;
    this.#span = [from - AROUND_S, to + AROUND_S];
    this.#places = floats(clip.places);
    this.#size = clip.ids.length * clip.joints.length * 3;
    this.#at = Math.max(clip.start_s, -1);
    this.canvas = el("canvas", { class: "scene", role: "img", "aria-label": t("clip_view") });
    this.curveCanvas = el("canvas", { class: "curve", role: "img", "aria-label": t("curve_of") });
    this.button = el("button", { class: "main", onclick: () => this.toggle() }, `▶ ${t("play")}`);
    this.range = el("input", { type: "range", min: clip.start_s, max: this.end, step: 1 / clip.fps, "aria-label": t("scrubber"), oninput: () => this.go(Number(this.range.value)) });
    const speed = el("select", { "aria-label": t("speed"), onchange: event => { this.#speed = Number(event.target.value); } }, [0.25, 0.5, 1, 2].map(s => el("option", { value: s, selected: s === 1 }, `${number(s)}×`)));
    this.clock = el("output", { class: "clock" });
    this.#stage = el("div", { class: "stage" }, this.canvas);
    this.element = el("section", { class: "player card" }, this.#stage, el("div", { class: "controls" }, this.button, this.range, this.clock, speed), this.curveCanvas);
    this.#view = new View3D(this.canvas, { large: true, changed: () => this.draw() });  // it leads; what is beside it follows
    this.#view.light(new Map(clip.guilty.map(g => [g.person, new Set(g.joints)])));
    this.#curve = new ClipCurve(this.curveCanvas, clip, { from, to, go: s => this.go(s) });
    this.#frameAll();
    this.redraw = () => { colours(); this.draw(); };
    addEventListener("resize", this.redraw);
    addEventListener("theme", this.redraw);
    requestAnimationFrame(now => this.#turn(now));
  }

  get end() { return this.#clip.start_s + (this.#clip.frames - 1) / this.#clip.fps; }

  // What normal looks like, in the same scene, seen from the same place; `peak` is the second of the incident that its 0 s is beside.
  beside(moment, peak) {
    const canvas = el("canvas", { class: "scene", role: "img", "aria-label": t("normal_view") });
    const view = new View3D(canvas, { large: true, changed: () => { for (const way of ["turn", "rise", "zoom"]) this.#view[way] = view[way]; this.draw(); } });
    this.#normal = { moment, peak, view, places: floats(moment.places), size: moment.ids.length * moment.joints.length * 3 };
    const named = (picture, title, text) => el("figure", {}, picture, el("figcaption", {}, el("b", {}, title), text ? el("span", {}, ` ${text}`) : ""));
    this.#stage.classList.add("two");
    this.#stage.replaceChildren(named(this.canvas, t("this_incident")), named(canvas, t("normal"),
      t("normal_of", { a: moment.pair[0], b: moment.pair[1], time: momentOf(moment.at), n: moment.windows, percent: Math.round(100 * moment.evidence) })));
    this.#view.zoom = 0.75;  // half as wide: nearer, and who walks far away may leave the picture
    this.#frameAll();
    this.draw();
  }

  // The camera stands still where it sees the two who lead the incident, and what is beside it, while it goes on.
  #frameAll() {
    const points = [];
    for (const [clip, places, size] of [[this.#clip, this.#places, this.#size], ...(this.#normal ? [[this.#normal.moment, this.#normal.places, this.#normal.size]] : [])]) {
      const guilty = Math.min(2, clip.ids.length), J3 = clip.joints.length * 3;
      const [from, to] = clip === this.#clip ? this.#span : [-Infinity, Infinity], within = k => clip.start_s + k / clip.fps >= from && clip.start_s + k / clip.fps <= to;
      for (let k = 0; k < clip.frames; k += 5) if (within(k)) for (let p = 0; p < guilty; p++) points.push(...places.subarray(k * size + p * J3, k * size + (p + 1) * J3));
    }
    this.#view.fitTo(points, this.#clip.soles);
  }

  close() { this.#gone = true; removeEventListener("resize", this.redraw); removeEventListener("theme", this.redraw); }
  toggle() { this.#playing = !this.#playing; if (this.#playing && this.#at >= this.end) this.#at = this.#clip.start_s; say(this.button, this.#playing ? `❚❚ ${t("pause")}` : `▶ ${t("play")}`); }
  step(frames) { if (this.#playing) this.toggle(); this.go(this.#at + frames / this.#clip.fps); }
  go(seconds) { this.#at = Math.min(Math.max(seconds, this.#clip.start_s), this.end); this.draw(); }

  draw() {
    const k = Math.min(Math.max(Math.round((this.#at - this.#clip.start_s) * this.#clip.fps), 0), this.#clip.frames - 1), clip = this.#clip;
    const pairs = clip.curves.slice(0, 6).map(c => {
      let i = c.times.findLastIndex(s => s <= this.#at);
      return i >= 0 && this.#at - c.times[i] < 1 ? { pair: c.pair, evidence: c.evidence[i] } : null;
    }).filter(Boolean);
    const frame = this.#places.subarray(k * this.#size, (k + 1) * this.#size);
    const keep = { turn: this.#view.turn, target: [...this.#view.target], distance: this.#view.distance, floor: this.#view.floor };
    this.#view.set({ bones: clip.bones, head: clip.head, soles: clip.soles, ids: clip.ids, pairs, places: frame });
    Object.assign(this.#view, { target: keep.target, distance: keep.distance, floor: keep.floor });
    this.#view.render();
    this.#drawNormal();
    this.#curve.render(this.#at);
    this.range.value = this.#at;
    say(this.clock, t("at_second", { s: this.#at.toFixed(1) }));
    this.range.setAttribute("aria-valuetext", t("at_second", { s: this.#at.toFixed(1) }));
  }

  #drawNormal() {
    if (!this.#normal) return;
    const { moment, peak, view, places, size } = this.#normal, last = moment.frames;
    const k = Math.round((this.#at - peak - moment.start_s) * moment.fps), frame = ((k % last) + last) % last;  // it is short, and begins again
    view.set({ bones: moment.bones, head: moment.head, soles: moment.soles, ids: moment.ids, pairs: [{ pair: moment.pair, evidence: moment.evidence }], places: places.subarray(frame * size, (frame + 1) * size) });
    for (const way of ["turn", "rise", "zoom", "distance", "floor"]) view[way] = this.#view[way];
    view.target = [...this.#view.target];
    view.render();
  }

  #turn(now) {
    if (this.#gone) return;
    if (this.#playing) {
      this.#at += this.#speed * (now - this.#last) / 1000;
      if (this.#at >= this.end) { this.#at = this.end; this.toggle(); }
      this.draw();
    }
    this.#last = now;
    requestAnimationFrame(n => this.#turn(n));
  }
}

function acted(action) {
  const words = {
    acknowledge: () => t("action_acknowledge"), note: () => t("action_note"), verdict: () => t("action_verdict", { verdict: t(`verdict_${action.verdict}`) }),
    snooze: () => action.until ? t("action_snooze", { time: momentOf(action.until) }) : t("action_snooze_end"),
  }[action.kind]?.() ?? action.kind;
  return [words, action.who ? ` ${t("by", { who: action.who })}` : "", action.note ? `: ${action.note}` : ""].join("");
}

export function show(main, id) {
  let player = null, gone = false, details = null, order = [];
  const title = el("h1", {}, t("incident")), facts = el("p", { class: "line facts" }), reason = el("p", { class: "big-why" }), warnings = el("p", { class: "warning", hidden: true }), clip = el("div", { class: "clip" }, el("p", { class: "note" }, t("loading")));
  const noNormal = el("p", { class: "note", hidden: true }), status = el("p", { class: "note", role: "status" }), history = el("ol", { class: "history" }), pairs = el("ul", { class: "pairs" });
  const note = el("textarea", { id: "note", rows: 2, maxlength: 2000 });
  const act = async (what, body, done = t("saved")) => {
    if (!mayAct()) { say(status, t("may_not")); return; }
    try {
      take(await post(`/incidents/${details.incident.message.id}/${what}`, body));
      say(status, done);
    } catch (error) {
      say(status, t("failed", { why: error.message }));
    }
  };
  const snoozed = () => details?.incident.snoozed > Date.now() * 1e6;
  const go = by => { const i = order.indexOf(details?.incident.message.id) + by; if (order[i]) location.hash = `#/incident/${order[i]}`; };
  const copy = async () => { try { await navigator.clipboard.writeText(location.href); say(status, t("copied")); } catch (error) { say(status, t("failed", { why: error.message })); } };
  const save = async format => {
    say(status, t("making"));
    try {
      say(status, t("made_file", { name: await download(`/incidents/${details.incident.message.id}/export?format=${format}`) }));
    } catch (error) {
      say(status, t("failed", { why: lacks(error) }));
    }
  };
  const formats = ["mp4", "mcap", "clips", "jsonl"].filter(format => format !== "mp4" || state.session?.films);
  const files = el("fieldset", { hidden: true }, el("legend", {}, t("save_as")), el("div", { class: "buttons files" }, formats.map(format => el("button", { title: t(`file_help_${format}`), onclick: () => save(format) }, t(`file_${format}`)))));
  const DO = {
    a: () => act("acknowledge", {}), s: () => act("snooze", { minutes: snoozed() ? 0 : 30 }),
    t: () => act("verdict", { verdict: "true" }), f: () => act("verdict", { verdict: "false" }), u: () => act("verdict", { verdict: "unsure" }),
    n: () => note.focus(), j: () => go(1), k: () => go(-1), " ": () => player?.toggle(), ArrowLeft: () => player?.step(-1), ArrowRight: () => player?.step(1),
  };
  const button = (key, label, more = {}) => el("button", { "aria-keyshortcuts": key.toUpperCase(), onclick: DO[key], ...more }, label);
  const acknowledge = button("a", t("acknowledge"), { class: "main" }), snooze = button("s", t("snooze"));
  const verdicts = { true: button("t", t("real")), false: button("f", t("false_alarm")), unsure: button("u", t("unsure")) };
  main.append(
    el("div", { class: "incident-head" }, el("a", { class: "button", href: "#/incidents" }, `‹ ${t("incidents")}`), el("span", { class: "spacer" }), button("k", t("previous")), button("j", t("next"))),
    title, facts, reason, warnings,
    el("div", { class: "columns" }, clip, el("div", { class: "side" },
      el("section", { class: "card actions" }, el("div", { class: "buttons" }, acknowledge, snooze, el("button", { onclick: copy }, t("copy_link"))),
        el("fieldset", {}, el("legend", {}, t("was")), el("div", { class: "buttons" }, Object.values(verdicts))),
        el("label", { for: "note" }, t("note")), note, el("button", { onclick: async () => { if (note.value.trim()) { await act("note", { note: note.value }); note.value = ""; } } }, t("save_note")), files, status),
      el("section", { class: "card" }, el("h2", {}, t("pairs")), pairs),
      el("section", { class: "card" }, el("h2", {}, t("history")), history))),
    el("p", { class: "faint keys" }, t("keys_help")));

  function take(found) {
    details = found;
    const kept = found.incident, m = kept.message, [from, to] = span(kept);
    say(title, heading(m));
    document.title = `${heading(m)} · dyadwatch`;
    facts.replaceChildren(badge(m.severity, t(`severity_${m.severity}`)), el("time", { datetime: new Date(from / 1e6).toISOString() }, fullMoment(from)),
      el("span", { class: "faint" }, m.type === "close" ? t("lasted", { s: number(Math.round((to - from) / 1e8) / 10) }) : t("still")), ...marks(kept));
    say(reason, why(m));
    acknowledge.disabled = kept.acknowledged > 0;
    say(acknowledge, kept.acknowledged ? t("acknowledged") : t("acknowledge"));
    say(snooze, snoozed() ? t("end_snooze") : t("snooze"));
    for (const [verdict, b] of Object.entries(verdicts)) b.setAttribute("aria-pressed", String(kept.verdict === verdict));
    pairs.parentElement.hidden = !m.pairs.length;
    pairs.replaceChildren(...m.pairs.map(p => el("li", {}, t("pair_line", { a: p.pair[0], b: p.pair[1], why: why(p) }))));
    const told = [...found.updates.filter(u => u.message.reason !== "still_going_on").map(u => [u.told, reasonText(u.message)]), ...found.actions.map(a => [a.at, acted(a)])].sort((a, b) => a[0] - b[0]);
    history.replaceChildren(...told.map(([at, text]) => el("li", {}, el("time", {}, momentOf(at)), ` ${text}`)));
  }

  async function loadClip() {
    const [from, to] = [0, ((details.incident.message.end ?? details.incident.message.stamp) - details.incident.message.start) / 1e9];
    try {
      const found = await get(`/incidents/${encodeURIComponent(id)}/clip`);
      if (gone) return;
      player?.close();
      player = new Player(found, from, to);
      say(noNormal, t("normal_wait"));
      noNormal.hidden = false;
      clip.replaceChildren(player.element, noNormal);
      files.hidden = false;
      say(warnings, t("warning_doubtful"));
      warnings.hidden = !found.doubtful;
      player.draw();
      loadNormal(player);
    } catch (error) {
      if (!gone) clip.replaceChildren(el("p", { class: "card note" }, t("no_clip", { why: lacks(error) })));
    }
  }

  async function loadNormal(into) {
    const m = details.incident.message;
    try {
      const found = await get(`/incidents/${encodeURIComponent(id)}/normal`);
      if (gone || into !== player) return;
      player.beside(found, (m.pairs[0].peak_stamp - m.start) / 1e9);
      noNormal.hidden = true;
    } catch (error) {
      say(noNormal, t("no_normal", { why: lacks(error) }));
    }
  }

  async function load() {
    try {
      take(await get(`/incidents/${encodeURIComponent(id)}`));
    } catch (error) {
      if (!gone) main.replaceChildren(el("p", { class: "card note", role: "alert" }, error instanceof Refused ? error.message : t("failed", { why: error.message })), el("a", { class: "button", href: "#/incidents" }, t("back")));
      return;
    }
    if (details.incident.message.about === "interaction") loadClip();
    else clip.replaceChildren();
    order = (await get("/incidents?limit=500")).map(k => k.message.id);
  }

  const key = event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, button")) return;
    const doing = DO[event.key] ?? DO[event.key.toLowerCase()];
    if (doing && details) { event.preventDefault(); doing(); }
  };
  addEventListener("keydown", key);
  const fresh = event => {
    const m = event.detail;
    if (!m || m.id !== details?.incident.message.id || m.reason === "still_going_on") return;
    setTimeout(() => { if (!gone) get(`/incidents/${encodeURIComponent(id)}`).then(take).then(() => { if (m.type === "close") setTimeout(() => { if (!gone) loadClip(); }, 6500); }).catch(() => {}); }, 400);
  };
  const acts = () => { if (!gone && details) get(`/incidents/${encodeURIComponent(id)}`).then(take).catch(() => {}); };
  state.addEventListener("incidents", fresh);
  state.addEventListener("acted", acts);
  load();
  return () => { gone = true; player?.close(); removeEventListener("keydown", key); state.removeEventListener("incidents", fresh); state.removeEventListener("acted", acts); };
}

const reasonText = message => has(`reason_${message.reason}`) ? t(`reason_${message.reason}`) : message.text;
