// Hours watched and hours that nobody could watch, by source: a week beside counts and budget, and a day from hour to hour.

import { el, say } from "./dom.js";
import { SEVERITIES, row, sum, tabs } from "./incidents.js";
import { get, state } from "./server.js";
import { has, locale, moment, say as number, t } from "./texts.js";

const STATES = ["watching", "learning", "blind", "silent"];  // "behind" is watched, too, if late
const shortDay = new Intl.DateTimeFormat(locale, { weekday: "short" }), fullDay = new Intl.DateTimeFormat(locale, { weekday: "long", day: "numeric", month: "long" });
const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
const noon = day => new Date(`${day}T12:00`);
const shift = (day, by) => { const at = noon(day); at.setDate(at.getDate() + by); return `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`; };
const shown = state => state === "behind" ? "watching" : state;
const round = hours => number(Math.round(hours * 10) / 10);

function byState(hours) {
  const out = Object.fromEntries(STATES.map(s => [s, 0]));
  for (const [name, h] of Object.entries(hours ?? {})) out[shown(name)] += h;
  return out;
}

const words = of => STATES.filter(s => of[s] >= 0.05).map(s => t(`hours_${s}`, { h: round(of[s]) })).join(", ") || t("hours_none");

const legend = () => el("p", { class: "legend" }, STATES.map(s => el("span", {}, el("i", { class: `state-${s}`, "aria-hidden": "true" }), t(`legend_${s}`))), el("span", {}, el("i", { class: "state-off", "aria-hidden": "true" }), t("legend_off")));

function cell(hours) {
  const of = byState(hours), bar = el("span", { class: "stack", "aria-hidden": "true" }, STATES.map(s => {
    const part = el("i", { class: `state-${s}` });
    part.style.height = `${100 * of[s] / 24}%`;
    return part;
  }));
  return el("td", { title: words(of) }, bar, el("small", { "aria-hidden": "true" }, of.watching >= 0.05 ? round(of.watching) : "–"), el("span", { class: "hidden" }, words(of)));
}

function spent(day) {
  const wrong = day.verdict.false ?? 0;
  return day.budget === null ? (wrong || "–") : t("of_budget", { n: wrong, budget: number(Math.round(day.budget * 10) / 10) });
}

export function show(main, day) {
  const body = el("div", { class: "watched" }), note = el("p", { class: "note", role: "status" });
  let gone = false, back = 0;

  async function week() {
    const all = await get("/days");
    if (gone) return;
    const days = all.slice(all.length - 7 - back, all.length - back), sources = [...new Set(days.flatMap(d => Object.keys(d.hours)))].sort();
    const counted = severity => d => d.severity[severity] || "–";
    const line = (label, value) => el("tr", {}, el("th", { scope: "row" }, label), days.map(d => el("td", {}, value(d))));
    const turn = (label, to, there) => el("button", { onclick: () => { back = to; again(); }, disabled: !there }, label);
    body.replaceChildren(
      el("div", { class: "turn" }, turn(`‹ ${t("week_before")}`, 7, !back && all.length > 7), turn(`${t("this_week")} ›`, 0, back)),
      el("div", { class: "card wide" }, el("table", {},
        el("caption", {}, back ? t("week_before") : t("this_week")),
        el("thead", {}, el("tr", {}, el("td", {}), days.map(d => el("th", { scope: "col" }, el("a", { href: `#/incidents/days/${d.day}`, title: fullDay.format(noon(d.day)) }, shortDay.format(noon(d.day)), el("small", {}, ` ${Number(d.day.slice(8))}`)))))),
        el("tbody", {}, SEVERITIES.map(s => line(t(`severity_${s}`), counted(s))), line(t("judged_false"), spent)),
        el("tbody", { class: "hours-of" }, el("tr", {}, el("th", { scope: "rowgroup", colspan: days.length + 1 }, t("hours_watched"))),
          sources.map(source => el("tr", {}, el("th", { scope: "row" }, source), days.map(d => cell(d.hours[source]))))))),
      legend(), el("p", { class: "note" }, t("budget_help")));
    say(note, sources.length ? "" : t("nothing_watched"));
  }

  function ribbon(found, source) {
    const length = found.until - found.since, of = byState({});
    const track = el("div", { class: "ribbon", "aria-hidden": "true" });
    const blindFor = new Map();
    for (const span of found.spans.filter(s => s.source === source)) {
      const part = el("i", { class: `state-${shown(span.state)}`, title: `${t(`legend_${shown(span.state)}`)}${span.code && has(`blind_${span.code}`) ? `: ${t(`blind_${span.code}`)}` : ""}, ${moment(span.start)} – ${moment(span.end)}` });
      part.style.left = `${100 * (span.start - found.since) / length}%`;
      part.style.width = `${100 * (span.end - span.start) / length}%`;
      track.append(part);
      of[shown(span.state)] += (span.end - span.start) / 3600e9;
      if (span.state === "blind") blindFor.set(span.code, (blindFor.get(span.code) ?? 0) + (span.end - span.start) / 3600e9);
    }
    const why = [...blindFor].toSorted((a, b) => b[1] - a[1]).slice(0, 3).map(([code, h]) => t("blind_for", { why: has(`blind_${code}`) ? t(`blind_${code}`) : code, h: number(Math.round(h * 100) / 100) }));
    return el("section", { class: "of-source" }, el("h2", {}, source), track, el("p", { class: "faint" }, [words(of), ...why].join("; ")));
  }

  async function one() {
    const [found, all] = await Promise.all([get(`/days/${day}`), get("/days")]);
    const query = new URLSearchParams({ limit: 500, from: new Date(found.since / 1e6).toISOString(), until: new Date(found.until / 1e6).toISOString() });
    const incidents = await get(`/incidents?${query}`);
    if (gone) return;
    const counts = all.find(d => d.day === day), sources = [...new Set(found.spans.map(s => s.source))].sort();
    const hours = el("div", { class: "hours-axis", "aria-hidden": "true" }, [0, 0.25, 0.5, 0.75, 1].map(part => el("span", {}, clock.format(new Date((found.since + part * (found.until - found.since)) / 1e6)))));
    const today = Date.now() * 1e6 < found.until;
    body.replaceChildren(
      el("div", { class: "turn" }, el("a", { class: "button", href: `#/incidents/days/${shift(day, -1)}` }, `‹ ${t("day_before")}`), el("a", { class: "button", href: "#/incidents/days" }, t("week")),
        el("a", { class: "button", href: `#/incidents/days/${shift(day, 1)}`, hidden: today }, `${t("day_after")} ›`)),
      el("section", { class: "card" }, el("h2", { class: "day-name" }, fullDay.format(noon(day))), counts ? el("p", {}, t("day_sum", { n: sum(counts.severity), wrong: spent(counts) })) : "", sources.map(source => ribbon(found, source)), sources.length ? hours : ""),
      legend(), el("h2", {}, t("incidents")), incidents.length ? el("ul", { class: "list" }, incidents.map(row)) : el("p", { class: "note" }, t("none_found")));
    say(note, sources.length ? "" : t("nothing_watched"));
  }

  main.append(el("h1", {}, t("days_and_weeks")), tabs("days"), note, body);
  const again = () => (day ? one() : week()).catch(error => say(note, t("failed", { why: error.message })));
  say(note, t("loading"));
  again();
  const timer = setInterval(again, 60_000);
  state.addEventListener("acted", again);
  return () => { gone = true; clearInterval(timer); state.removeEventListener("acted", again); };
}
