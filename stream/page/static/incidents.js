// What happened: by day, on a line of the last day, and as a list with filters; and what nearly did.

import { badge, el, say } from "./dom.js";
import { show as showDays } from "./days.js";
import { get, state } from "./server.js";
import { locale, moment, fullMoment, say as number, t, why } from "./texts.js";

export const SEVERITIES = ["critical", "alarm", "notice"];
const PERIODS = { last_day: 1, last_week: 7, last_month: 30, all_time: 0 };
const filters = { source: "", severity: "notice", verdict: "", period: "last_week", open: false, unacknowledged: false };

export const span = kept => {
  const m = kept.message;
  return m.clock === "unix" ? [m.start, m.end ?? m.stamp] : [kept.began, kept.told];
};

export function marks(kept) {
  const out = [];
  if (kept.message.type !== "close") out.push(badge("open", t("status_open")));
  if (kept.acknowledged) out.push(badge("done", kept.acknowledged_by ? t("acknowledged_by", { who: kept.acknowledged_by }) : t("acknowledged")));
  if (kept.snoozed > Date.now() * 1e6) out.push(badge("done", t("snoozed", { time: moment(kept.snoozed) })));
  if (kept.verdict) out.push(badge(`verdict-${kept.verdict}`, t(`verdict_${kept.verdict}`)));
  return out;
}

export function heading(message) {
  if (message.about !== "interaction") return `${message.source} · ${t(`about_${message.about}`)}`;
  const pair = message.pairs[0]?.pair;
  return pair ? `${message.source} · ${t("pair", { a: pair[0], b: pair[1] })}` : message.source;
}

export function row(kept) {
  const m = kept.message, [from, to] = span(kept);
  return el("li", {}, el("a", { class: `incident ${m.severity}`, href: `#/incident/${m.id}` },
    el("span", { class: "line" }, badge(m.severity, t(`severity_${m.severity}`)), el("strong", {}, heading(m)), el("time", { datetime: new Date(from / 1e6).toISOString(), title: fullMoment(from) }, moment(from)),
      el("span", { class: "faint" }, m.type === "close" ? t("lasted", { s: number(Math.round((to - from) / 1e8) / 10) }) : t("still")), marks(kept)),
    el("span", { class: "why" }, why(m))));
}

function dayChart(days, choose) {
  const most = Math.max(1, ...days.map(d => sum(d.severity)));
  return el("section", { class: "card days" }, el("h2", {}, t("days")), el("div", { class: "bars" }, days.map(day => {
    const weekday = new Intl.DateTimeFormat(locale, { weekday: "short" }).format(new Date(`${day.day}T12:00`));
    const n = sum(day.severity), name = new Intl.DateTimeFormat(locale, { weekday: "short", day: "numeric" }).format(new Date(`${day.day}T12:00`)), number = day.day.slice(8).replace(/^0/, "");
    const bar = el("span", { class: "bar" }, SEVERITIES.map(s => {
      const part = el("i", { class: s });
      part.style.height = `${100 * (day.severity[s] ?? 0) / most}%`;
      return part;
    }));
    return el("button", { class: "day", title: t("day_count", { day: name, n }), onclick: () => choose(day.day) }, el("b", {}, n || ""), bar, el("small", {}, el("span", { class: "hidden" }, `${weekday} `), number));
  })));
}

export const sum = counts => Object.values(counts).reduce((a, b) => a + b, 0);

function timeline(found) {
  const now = Date.now() * 1e6, day = 86400e9, recent = found.filter(k => span(k)[1] > now - day);
  const lanes = SEVERITIES.map(severity => el("div", { class: "lane" }, el("small", {}, t(`severity_${severity}`)), el("div", { class: "track" }, recent.filter(k => k.message.severity === severity).map(k => {
    const [from, to] = span(k), mark = el("a", { class: `mark ${severity}`, href: `#/incident/${k.message.id}`, "aria-label": `${t(`severity_${severity}`)}, ${heading(k.message)}, ${moment(from)}`, title: `${heading(k.message)}, ${moment(from)}` });
    mark.style.left = `${Math.min(Math.max(100 * (1 - (now - from) / day), 0), 99)}%`;
    mark.style.width = `${Math.max(100 * (to - from) / day, 0)}%`;
    return mark;
  }))));
  return el("section", { class: "card timeline", "aria-label": t("timeline_of", { n: recent.length }) }, el("h2", {}, t("timeline")), lanes,
    el("div", { class: "lane hours", "aria-hidden": "true" }, el("small", {}), el("div", { class: "track" }, [24, 18, 12, 6, 0].map(h => el("span", {}, new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" }).format(new Date(Date.now() - h * 3.6e6)))))));
}

function select(label, name, options, changed) {
  const field = el("select", { onchange: event => { filters[name] = event.target.value; changed(); } }, options.map(([value, text]) => el("option", { value, selected: filters[name] === value }, text)));
  return el("label", {}, el("span", {}, label), field);
}

function check(label, name, changed) {
  return el("label", { class: "check" }, el("input", { type: "checkbox", checked: filters[name], onchange: event => { filters[name] = event.target.checked; changed(); } }), label);
}

export const tabs = what => el("div", { class: "tabs" }, [["", "incidents"], ["near-misses", "near_misses"], ["days", "days_and_weeks"]].map(([name, text]) =>
  el("a", { href: name ? `#/incidents/${name}` : "#/incidents", "aria-current": name === what ? "page" : null }, t(text))));

export function show(main, what, of) {
  if (what === "days") return showDays(main, of);
  const list = el("ul", { class: "list" }), charts = el("div", { class: "charts" }), bar = el("form", { class: "filters" }), note = el("p", { class: "note", role: "status" });
  const near = what === "near-misses", notified = el("div", {});
  if (state.session.push && !near) import("./push.js").then(push => notified.replaceChildren(push.card()));
  main.append(el("h1", {}, near ? t("near_misses") : t("incidents")), tabs(near ? what : ""), near ? "" : notified, near ? "" : charts, near ? "" : bar, note, list);
  let day = null, waiting = null, gone = false;

  async function nearMisses() {
    const found = await get("/near-misses");
    say(note, found.length ? "" : t("no_near_misses"));
    list.replaceChildren(...found.map(m => el("li", {}, el("div", { class: "incident near" }, el("span", { class: "line" },
      el("strong", {}, `${m.source} · ${t("near_miss_text", { pair: t("pair", { a: m.pair[0], b: m.pair[1] }), percent: Math.round(100 * m.evidence) })}`), el("time", {}, m.clock === "unix" ? moment(m.peak_stamp) : "")), el("span", { class: "why" }, m.explanation)))));
  }

  async function load() {
    const query = new URLSearchParams({ severity: filters.severity, limit: 500 });
    if (filters.source) query.set("source", filters.source);
    if (filters.verdict) query.set("verdict", filters.verdict);
    if (filters.open) query.set("open", "true");
    if (filters.unacknowledged) query.set("unacknowledged", "true");
    const back = PERIODS[filters.period];
    if (day) { query.set("from", new Date(`${day}T00:00`).toISOString()); query.set("until", new Date(new Date(`${day}T00:00`).getTime() + 864e5).toISOString()); }
    else if (back) query.set("from", new Date(Date.now() - back * 864e5).toISOString());
    const [found, days] = await Promise.all([get(`/incidents?${query}`), get("/days")]);
    if (gone) return;
    say(note, found.length ? "" : t("none_found"));
    list.replaceChildren(...found.map(row));
    charts.replaceChildren(timeline(found), dayChart(days, chosen => { day = day === chosen ? null : chosen; again(); }));
  }

  const again = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => (near ? nearMisses() : load()).catch(error => say(note, t("failed", { why: error.message }))), 50);
  };
  const changed = () => { day = null; again(); };
  const tools = () => bar.replaceChildren(
    select(t("filter_source"), "source", [["", t("any")], ...[...new Set([...state.sources.keys(), ...(filters.source ? [filters.source] : [])])].filter(s => s !== "@detector").sort().map(s => [s, s])], changed),
    select(t("filter_severity"), "severity", ["notice", "alarm", "critical"].map(s => [s, t(`severity_${s}`)]), changed),
    select(t("filter_verdict"), "verdict", [["", t("any")], ...["none", "true", "false", "unsure"].map(v => [v, t(`verdict_${v}`)])], changed),
    select(t("filter_time"), "period", Object.keys(PERIODS).map(p => [p, t(p)]), changed),
    check(t("only_open"), "open", changed), check(t("only_unacknowledged"), "unacknowledged", changed));
  tools();
  const fresh = event => { if (!event.detail || event.detail.type !== "update" || event.detail.reason !== "still_going_on") again(); };
  const events = [["incidents", fresh], ["acted", again], ["near_miss", again], ["sources", tools]];
  for (const [name, handle] of events) state.addEventListener(name, handle);
  say(note, t("loading"));
  again();
  return () => { gone = true; for (const [name, handle] of events) state.removeEventListener(name, handle); };
}
