// One setting: what it means, what it is, and for admins the control that changes it.

import { badge, el, say } from "./dom.js";
import { t } from "./texts.js";

export const written = value => value === null || value === undefined ? t("setting_none") : typeof value === "string" ? value || t("setting_empty") : typeof value === "boolean" ? t(value ? "setting_true" : "setting_false") : JSON.stringify(value);
export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

// Of the JSON Schema of a key: the type beside null, and whether null is one.
function kind(schema) {
  const some = schema.anyOf ? schema.anyOf.filter(s => s.type !== "null") : [schema];
  const one = some.length === 1 ? some[0] : {};
  return { ...one, optional: Boolean(schema.anyOf?.some(s => s.type === "null")) };
}

// A control, how its value is read, and how another is put into it.
function control(setting, id, changed) {
  const k = kind(setting.schema), common = { id, "aria-describedby": `${id}-more`, autocomplete: "off", spellcheck: "false" };
  if (k.type === "boolean" || k.enum) {
    const values = k.enum ?? [true, false];
    const box = el("select", { ...common, onchange: changed }, values.map((v, i) => el("option", { value: i }, written(v))));
    return { box, read: () => values[Number(box.value)], put: value => { box.value = values.indexOf(value); } };
  }
  if (k.type === "number" || k.type === "integer") {
    const box = el("input", { ...common, inputmode: "decimal", oninput: changed });
    const read = () => {
      const text = box.value.trim().replace(",", ".");
      if (!text && k.optional) return null;
      return text && Number.isFinite(Number(text)) ? Number(text) : box.value;  // what is no number the server refuses, by key
    };
    return { box, read, put: value => { box.value = value === null ? "" : value; } };
  }
  if (k.type === "string" && !k.optional) {
    const box = el("input", { ...common, oninput: changed });
    return { box, read: () => box.value, put: value => { box.value = value; } };
  }
  const box = el("textarea", { ...common, rows: 3, oninput: changed });
  const read = () => { try { return JSON.parse(box.value); } catch { throw new SyntaxError(t("setting_json")); } };
  return { box, read, put: value => { const text = JSON.stringify(value, null, 1); box.value = text.length < 80 ? JSON.stringify(value) : text; box.rows = Math.min(12, Math.max(2, box.value.split("\n").length)); } };
}

export function field(setting, admin, edits, changed) {
  const id = `set-${setting.key.replaceAll(/\W/g, "-")}`, may = admin && !setting.fixed && !setting.hidden;
  const wrong = el("p", { class: "wrong", role: "alert" });
  const marks = [el("span", { class: "faint" }, t(setting.live ? "setting_live" : "setting_restart"))];
  if (setting.fixed) marks.push(badge("notice", t("setting_fixed")));
  if (setting.waits) marks.push(badge("alarm", t("setting_waits", { value: written(setting.in_force) })));
  let edit = el("output", { id }, setting.hidden ? t("setting_hidden") : written(setting.value)), reset = "", parts = null;

  function take() {
    let value;
    try { value = parts.read(); say(wrong, ""); } catch (error) { say(wrong, error.message); edits.set(setting.key, { setting, broken: error.message }); changed(); return; }
    if (same(value, setting.value)) edits.delete(setting.key); else edits.set(setting.key, { setting, value });
    row.classList.toggle("edited", edits.has(setting.key));
    reset.hidden = same(value, setting.default);
    changed();
  }
  if (may) {
    parts = control(setting, id, take);
    edit = parts.box;
    reset = el("button", { class: "quiet", type: "button", onclick: () => { parts.put(setting.default); take(); } }, t("setting_reset"));
    const value = edits.has(setting.key) && "value" in edits.get(setting.key) ? edits.get(setting.key).value : setting.value;
    parts.put(value);
    reset.hidden = same(value, setting.default);
  }
  const label = may ? el("label", { for: id }, setting.key) : el("b", {}, setting.key);
  const row = el("div", { class: `setting${edits.has(setting.key) ? " edited" : ""}`, "data-key": setting.key },
    el("div", { class: "line" }, label, marks),
    el("p", { class: "faint", id: `${id}-more`, lang: "en" }, setting.text, " ", el("span", {}, `(${setting.expected})`)),
    el("div", { class: "setting-edit" }, edit, setting.hidden || (!may && same(setting.value, setting.default)) ? "" : el("span", { class: "faint" }, t("setting_default", { value: written(setting.default) })), reset), wrong);
  return {
    row, setting,
    say: text => { say(wrong, text); if (parts) parts.box.setAttribute("aria-invalid", text ? "true" : "false"); },
    undo: () => { if (parts) { parts.put(setting.value); say(wrong, ""); row.classList.remove("edited"); reset.hidden = same(setting.value, setting.default); } },
    focus: () => edit.focus?.(),
  };
}
