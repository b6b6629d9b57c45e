// The budget of false alarms: what each would make of the recorded hours, before one of them is used.

import { colours, el, fit, say } from "./dom.js";
import { get, mayAct, post } from "./server.js";
import { moment, say as number, t } from "./texts.js";

const AGAIN_MS = 1000;
const UNITS = { hour: "per_hour", day: "per_day", week: "per_week" };
const rounded = (x, digits = 2) => number(Number(x.toPrecision(digits)));

export function budgetWords(budget) {  // 3/day -> at most 3 a day
  const [n, unit] = budget.split("/");
  return t(Number(n) === 1 ? "at_most_one" : "at_most", { n: number(Number(n)), unit: t(UNITS[unit] ?? unit) });
}

const when = a => a.clock === "unix" ? moment(a.stamp) : `${number(Math.round(a.stamp / 1e8) / 10)} s`;

function line(a) {
  const who = ` ${t("pair", { a: a.pair[0], b: a.pair[1] })} `;
  return el("li", {},
    el("time", {}, a.incident ? el("a", { href: `#/incident/${a.incident}` }, when(a)) : when(a)), el("b", {}, a.source), who,
    a.verdict ? el("span", { class: a.verdict === "true" ? "warning" : "faint" }, t(`verdict_${a.verdict}`)) : "",
    el("span", { class: "faint" }, t("of_alarm", { percent: number(Math.round(100 * a.evidence)) })));
}

function listed(kind, list) {
  const title = t(`alarms_${kind}`, { n: number(list.count) });
  if (!list.count) return el("p", { class: "faint" }, title);
  const cut = list.count > list.alarms.length ? el("p", { class: "faint" }, t("strongest", { n: number(list.alarms.length) })) : "";
  return el("details", { class: kind, open: kind !== "stay" }, el("summary", {}, title), cut, el("ul", { class: "would-be" }, list.alarms.map(line)));
}

// Alarms left at each level; both axes are told in words beside it.
function plot(canvas, table, level) {
  fit(canvas);
  const draw = canvas.getContext("2d"), w = canvas.clientWidth, h = canvas.clientHeight, colour = colours(), points = table.curve;
  draw.clearRect(0, 0, w, h);
  if (points.length < 2) return;
  const left = 36, right = w - 8, low = h - 20, high = 8, most = Math.max(4, ...points.map(p => p.events));
  const from = Math.log(points[0].level), to = Math.log(points.at(-1).level);
  const X = x => left + (right - left) * Math.min(Math.max((Math.log(x) - from) / (to - from), 0), 1), Y = n => low - (low - high) * Math.sqrt(n / most);
  draw.font = "11px system-ui, sans-serif"; draw.fillStyle = colour.faint; draw.textAlign = "right"; draw.strokeStyle = colour.grid; draw.lineWidth = 1;
  for (const n of new Set([0, Math.round(most / 16), Math.round(most / 4), most])) {
    draw.beginPath(); draw.moveTo(left, Y(n)); draw.lineTo(right, Y(n)); draw.stroke();
    draw.fillText(number(n), left - 5, Y(n) + 4);
  }
  draw.textAlign = "center";
  for (let x = 0.25; x <= points.at(-1).level; x *= 2) draw.fillText(`${number(x)}×`, Math.min(X(x) + (x === 0.25 ? 8 : 0), right - 10), h - 5);
  draw.strokeStyle = colour.ink; draw.lineWidth = 2;
  draw.beginPath(); points.forEach((p, i) => i ? draw.lineTo(X(p.level), Y(p.events)) : draw.moveTo(X(p.level), Y(p.events))); draw.stroke();
  const mark = (x, shade, dashes) => {
    draw.strokeStyle = shade; draw.setLineDash(dashes); draw.beginPath(); draw.moveTo(X(x), high - 4); draw.lineTo(X(x), low); draw.stroke(); draw.setLineDash([]);
  };
  mark(1, colour.faint, [4, 4]);
  if (level !== null) mark(level, colour.hot, []);
}

// A card that looks when it is asked to: reading a week takes the machine some seconds.
export function budgetCard({ act }) {
  let days = 7, due = 0, chosen = null, table = null, gone = false;
  const said = el("p", { role: "status" }), answer = el("div", {});
  const span = el("select", { "aria-label": t("look_back") }, [1, 7, 28].map(n => el("option", { value: n, selected: n === days }, t(n === 1 ? "one_day_back" : "days_back", { n: number(n) }))));
  const look = el("button", { onclick: () => { days = Number(span.value); ask(); } }, t("try_budgets"));
  const card = el("section", { class: "card budget" }, el("header", {}, el("h2", {}, t("budget_title")), span, look), el("p", { class: "faint" }, t("try_help")), said, answer);

  async function ask() {
    clearTimeout(due);
    try {
      const now = await get(`/learning/budgets?days=${days}`);
      if (gone) return;
      if (now.reading) { say(said, t("reading_scores")); due = setTimeout(ask, AGAIN_MS); return; }
      if (now.failed) { say(said, t("failed", { why: now.failed })); answer.replaceChildren(); return; }
      say(said, "");
      if (table?.id !== now.table.id) draw(now);
    } catch (error) { if (!gone) say(said, t("failed", { why: error.message })); }
  }

  function draw(now) {
    table = now.table;
    const offers = table.offers, own = offers.findIndex(o => o.budget === table.budget), first = offers.findIndex(o => o.level !== null);
    const facts = el("p", {}, t("budget_hours", { h: rounded(table.hours, 3), model: table.model }), " ",
      table.curve.length ? t("present_alarms", { n: number(table.events), most: rounded(table.per_hour_95) }) : t("no_pair_scored"), " ",
      table.real ? t("real_left_out", { n: number(table.real) }) : "");
    chosen ??= offers[own >= 0 ? own : first >= 0 ? first : offers.length - 1].budget;
    const at = Math.max(offers.findIndex(o => o.budget === chosen), 0);
    const value = el("output", { for: "budget" }), result = el("div", { class: "offer" }), picture = el("canvas", { class: "budget-curve", role: "img" });
    const slider = el("input", { type: "range", id: "budget", min: 0, max: offers.length - 1, step: 1, value: at });
    const choose = () => {
      const offer = offers[Number(slider.value)], words = budgetWords(offer.budget);
      chosen = offer.budget;
      say(value, words);
      slider.setAttribute("aria-valuetext", offer.level === null ? `${words}: ${t("hours_short", { h: rounded(offer.hours_missing, 3) })}` : words);
      picture.setAttribute("aria-label", t("curve_label", { n: number(table.events), events: offer.level === null ? "–" : number(offer.events), level: offer.level === null ? "–" : rounded(offer.level, 3) }));
      plot(picture, table, offer.level);
      result.replaceChildren(...effect(offer, now.fixed));
    };
    slider.addEventListener("input", choose);
    answer.replaceChildren(facts, el("div", { class: "slide" }, el("label", { for: "budget" }, t("budget_label")), slider, value),
      table.curve.length ? picture : "", result);
    choose();
  }

  function effect(offer, fixed) {
    if (offer.level === null) return [el("p", { class: "warning" }, t("hours_short", { h: rounded(offer.hours_missing, 3) }))];
    const facts = el("p", {}, t("offer_level", { level: rounded(offer.level, 3) }), " ", t("offer_left", { n: number(offer.events), most: rounded(offer.per_hour_95) }));
    const real = offer.go.alarms.filter(a => a.verdict === "true").length;
    const parts = [facts, real ? el("p", { class: "warning" }, t("real_go", { n: number(real) })) : "", listed("come", offer.come), listed("go", offer.go), listed("stay", offer.stay)];
    if (fixed) parts.push(el("p", { class: "faint" }, t("budget_fixed", { key: fixed })));
    else if (mayAct()) parts.push(el("div", { class: "buttons" }, el("button", { class: "main", onclick: () => use(offer) }, t("use_budget", { budget: budgetWords(offer.budget) }))));
    return parts.filter(Boolean);
  }

  const use = offer => act(() => post("/learning/budgets/use", { budget: offer.budget, table: table.id }), () => { chosen = null; ask(); });
  const repaint = () => { const canvas = card.querySelector("canvas"); if (canvas && table) plot(canvas, table, table.offers.find(o => o.budget === chosen)?.level ?? null); };
  addEventListener("resize", repaint);
  addEventListener("theme", repaint);
  return { card, close() { gone = true; clearTimeout(due); removeEventListener("resize", repaint); removeEventListener("theme", repaint); } };
}
