// The settings of the detector: looked at by all, changed by admins, whole or not at all.

import { el, say } from "./dom.js";
import { get, post, state } from "./server.js";
import { field, same, written } from "./setting_field.js";
import { fullMoment, moment, t } from "./texts.js";

// What people change while it runs; the rest is set up once.
const FIRST = ["alarm", "incidents", "attention", "liveness", "zones", "schedules", "learning", "delivery"];
const place = name => FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length;
const differs = setting => !setting.hidden && (setting.waits || !same(setting.value, setting.default));

const step = c => `${c.key}: ${written(c.before)} → ${written(c.after)}${c.waits ? ` (${t("setting_restart")})` : ""}`;

function history(changes) {
  return el("section", { class: "card", "aria-label": t("settings_changes") }, el("h2", {}, t("settings_changes")),
    changes.length ? el("ul", { class: "history" }, changes.map(c => el("li", {}, el("time", { title: fullMoment(c.at) }, moment(c.at)), " ", el("b", {}, c.who || "?"), `: ${c.changes.map(step).join("; ") || t("settings_levels")}`)))
      : el("p", { class: "faint" }, t("settings_no_changes")));
}

export function show(main) {
  const admin = state.session.role === "admin", edits = new Map();
  let gone = false, now = null, fields = new Map(), busy = false;
  const said = el("p", { class: "note", role: "status" }), top = el("div"), body = el("div", { class: "settings" }), past = el("div");
  const find = el("input", { id: "settings-find", type: "search", autocomplete: "off", oninput: () => search() });
  const none = el("p", { class: "faint", role: "status" });
  const planned = el("ul"), count = el("b", { role: "status" });
  const apply = el("button", { class: "main", type: "button", onclick: () => change() }, t("settings_apply"));
  const discard = el("button", { type: "button", onclick: () => { edits.clear(); for (const f of fields.values()) f.undo(); plan(); } }, t("settings_discard"));
  const bar = el("section", { class: "settings-bar card", "aria-label": t("settings_apply") }, el("div", {}, count, planned), el("div", { class: "buttons" }, discard, apply));
  bar.hidden = true;
  main.append(el("h1", {}, t("settings")), el("p", { class: "note" }, t(admin ? "settings_help" : "settings_look")), top,
    el("p", { class: "settings-find" }, el("label", { for: "settings-find" }, t("settings_find")), find), none, body, past, el("div", { class: "settings-foot" }, said, bar));

  function plan() {
    const all = [...edits.values()], n = all.length;
    bar.hidden = !n;
    say(count, n ? t(n === 1 ? "settings_one" : "settings_many", { n }) : "");
    planned.replaceChildren(...all.map(e => el("li", {}, e.broken ? `${e.setting.key}: ${e.broken}` : `${e.setting.key}: ${written(e.setting.value)} → ${written(e.value)} (${t(e.setting.live ? "setting_live" : "setting_restart")})`)));
    apply.disabled = busy || all.some(e => e.broken);
    discard.disabled = busy;
  }

  function search() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let any = false;
    for (const group of body.querySelectorAll("details")) {
      let found = 0;
      for (const row of group.querySelectorAll(".setting")) {
        const text = row.dataset.text;
        row.hidden = !words.every(w => text.includes(w));
        found += !row.hidden;
      }
      group.hidden = !found;
      group.open = words.length ? found > 0 : group.dataset.open === "1";
      any ||= found > 0;
    }
    say(none, any ? "" : t("settings_none_found"));
  }

  function group(title, text, settings, open) {
    const made = settings.map(setting => {
      const f = field(setting, admin && !now.locked, edits, () => { say(said, ""); plan(); });
      f.row.dataset.text = `${setting.key} ${setting.text}`.toLowerCase();
      fields.set(setting.key, f);
      return f.row;
    });
    const box = el("details", { class: "card", open }, el("summary", {}, el("h2", {}, title), el("span", { class: "faint" }, String(settings.length))), text ? el("p", { class: "faint", lang: "en" }, text) : "", made);
    box.dataset.open = open ? "1" : "0";
    box.addEventListener("toggle", () => { if (!find.value.trim()) box.dataset.open = box.open ? "1" : "0"; });
    return box;
  }

  function draw() {
    const opened = new Set([...body.querySelectorAll("details")].filter(d => d.dataset.open === "1").map(d => d.querySelector("h2").textContent));
    fields = new Map();
    const all = [...now.sections].sort((a, b) => place(a.name) - place(b.name));
    const first = all.flatMap(s => s.settings).filter(differs).sort((a, b) => a.fixed - b.fixed);
    const sections = all.map(s => ({ ...s, settings: s.settings.filter(x => !differs(x)) })).filter(s => s.settings.length);
    top.replaceChildren(
      now.file ? el("p", { class: "faint" }, t("settings_file"), " ", el("code", {}, now.file)) : "",
      now.locked ? el("p", { class: "warning" }, t(`settings_${now.locked}`), now.locked === "unreadable" ? ` ${now.why}` : "") : "",
      now.unread ? el("p", { class: "warning" }, t("settings_unread")) : "");
    const lists = [first.length ? group(t("settings_differ"), "", first, true) : el("p", { class: "note" }, t("settings_all_default"))];
    for (const s of sections) lists.push(group(s.name, s.settings.length === 1 && s.settings[0].key === s.name ? "" : s.text, s.settings, opened.has(s.name)));
    body.replaceChildren(...lists);
    past.replaceChildren(history(now.changes));
    for (const [key, edit] of edits) {  // what was being written stays, beside what is there now
      const f = fields.get(key);
      if (!f || same(edit.value, f.setting.value)) edits.delete(key); else edit.setting = f.setting;
    }
    search();
    plan();
  }

  async function change() {
    const settings = Object.fromEntries([...edits].map(([key, e]) => [key, e.value]));
    busy = true;
    for (const f of fields.values()) f.say("");
    say(said, t("settings_applying"));
    plan();
    try {
      const done = await post("/configuration", { settings, revision: now.revision });
      if (gone) return;
      edits.clear();
      now = done.now;
      draw();
      const waits = done.changes.filter(c => c.waits).length, text = t(waits ? "settings_done_waits" : "settings_done", { n: done.changes.length, waits });
      say(said, !done.changes.length ? t("settings_nothing") : done.kept ? text : `${text} ${t("settings_not_kept_change")}`);
    } catch (error) {
      if (gone) return;
      const errors = Object.entries(error.errors ?? {});
      for (const [key, text] of errors) fields.get(key)?.say(text);
      say(said, error.code === "revision" ? t("settings_meanwhile") : t("failed", { why: errors.some(([key]) => fields.has(key)) ? t("settings_wrong") : error.message }));
      if (error.code === "revision") await look();
      const at = errors.map(([key]) => fields.get(key)).find(Boolean);
      if (at) { at.row.closest("details").open = true; at.focus(); }
    } finally {
      busy = false;
      plan();
    }
  }

  async function look() {
    try {
      const next = await get("/configuration");
      if (gone) return;
      const before = JSON.stringify(now);
      now = next;
      if (before !== JSON.stringify(now)) draw();
    } catch (error) { if (!gone && error.status) say(said, t("failed", { why: error.message })); }
  }
  // What somebody types must not be taken from under the fingers: it is drawn anew once nothing is being changed.
  const acted = () => { if (!edits.size && !busy) look(); };
  state.addEventListener("acted", acted);
  state.addEventListener("connection", acted);
  look();
  return () => { gone = true; state.removeEventListener("acted", acted); state.removeEventListener("connection", acted); };
}
