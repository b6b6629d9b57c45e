// How far the site is learnt: what is heard, the model that is proposed, and the versions there are.

import { budgetCard, budgetWords } from "./budget.js";
import { badge, el, say } from "./dom.js";
import { get, mayAct, post, state } from "./server.js";
import { fullMoment, moment, say as number, t } from "./texts.js";

const LOOK_MS = 2000;
const minutes = m => number(Math.round(m * 10) / 10);
const heardOf = h => t(h.pairs === 1 ? "heard_one" : "heard_of", { minutes: minutes(h.minutes), n: number(h.pairs) });

function facts(version) {
  return el("dl", {},
    el("dt", {}, t("made_of")), el("dd", {}, version.how === "given" ? t("origin_given") : ["taught", "recalibrated"].includes(version.how) ? t(`origin_${version.how}`, { n: version.on }) : `${t("clips_of", { clips: version.clips, minutes: minutes(version.minutes) })} · ${t(`origin_${version.how}`)}`),
    el("dt", {}, t(version.how === "recalibrated" ? "judged_hours" : "unseen")), el("dd", {}, version.unseen_hours < 1 ? `${minutes(60 * version.unseen_hours)} min` : t("hours_of", { h: number(Math.round(version.unseen_hours * 10) / 10) })),
    el("dt", {}, t("budget")), el("dd", {}, version.budget ? budgetWords(version.budget) : t("budget_none")),
    el("dt", {}, t("made")), el("dd", {}, fullMoment(version.made), version.by ? ` ${t("by", { who: version.by })}` : ""));
}

// Sources with a clock of their own have no time of day to tell.
const when = w => w.clock === "unix" ? moment(w.stamp) : `${number(Math.round(w.stamp / 1e8) / 10)} s`;

function wouldBe(version) {
  if (["given", "taught", "recalibrated"].includes(version.how)) return "";
  const n = version.events, title = n === 1 ? t("would_be_one") : n ? t("would_be", { n: number(n) }) : t("would_be_none");
  return el("section", {}, el("h3", {}, title), el("ul", { class: "would-be" }, version.would_be.map(w => el("li", {},
    el("time", {}, when(w)), el("b", {}, w.source), ` ${t("pair", { a: w.pair[0], b: w.pair[1] })}`, el("span", { class: "faint" }, t("of_alarm", { percent: number(Math.round(100 * w.evidence)) }))))));
}

export function show(main) {
  let gone = false, due = 0, drawn = "";
  const said = el("p", { class: "note", role: "status" }), body = el("div", { class: "learning" });
  main.append(el("h1", {}, t("learning")), el("p", { class: "note" }, t("learning_help")), body, said);
  const tried = async (ask, done) => {
    if (!mayAct()) { say(said, t("may_not")); return; }
    try { draw(await ask()); done(); } catch (error) { say(said, t("failed", { why: error.message })); }
  };
  const act = (what, words, done = t("saved")) => () => tried(() => post(`/learning/${what}`, words), () => say(said, done));
  const budget = budgetCard({ act: (ask, done) => tried(ask, () => { say(said, t("saved")); done(); }) });
  budget.card.hidden = true;
  const button = (label, onclick, main = false) => el("button", { class: main ? "main" : "", onclick }, label);

  function progress(now) {
    const p = now.progress, total = p.heard.reduce((sum, h) => sum + h.minutes, 0), first = !now.versions.length;
    const next = p.next_minutes || now.enough_min, left = Math.max(next - total, 0);
    return el("section", { class: "card" },
      el("header", {}, el("h2", {}, t("heard")), now.alive ? badge("watching", t(`doing_${p.doing}`)) : ""),
      now.alive ? "" : el("p", { class: "warning" }, t("learner_gone")),
      p.heard.length ? el("dl", { class: "heard" }, p.heard.map(h => [el("dt", {}, h.source), el("dd", {}, heardOf(h))])) : el("p", { class: "faint" }, t("heard_nothing")),
      el("progress", { max: next, value: Math.min(total, next), "aria-label": t("heard") }),
      el("p", { class: "faint" }, first ? t("until_first", { minutes: minutes(next), heard: minutes(total) }) : t("until_next", { minutes: minutes(left) })),
      p.stale.length ? el("p", { class: "warning" }, t("stale", { sources: p.stale.join(", ") })) : "",
      p.training ? el("p", {}, `${t("doing_training")} ${p.training.what} ${p.training.total > 1 ? `${number(p.training.done)}/${number(p.training.total)}` : ""}`) : "",
      p.trouble ? el("p", { class: "warning" }, t("trouble", { why: p.trouble_text })) : "",
      p.install ? el("p", { class: "faint" }, t("trains_no"), " ", el("code", {}, p.install)) : "",
      mayAct() ? el("div", { class: "buttons" }, button(t("propose_now"), act("propose", {}, t("asked")))) : "");
  }

  function proposal(now) {
    const version = now.versions.find(v => v.number === now.proposed);
    if (!version) return "";
    return el("section", { class: "card proposal" }, el("header", {}, el("h2", {}, t("proposal", { n: version.number })), mayAct() ? button(t("use_it"), act("use", { version: version.number }), true) : ""), facts(version), wouldBe(version));
  }

  function versions(now) {
    const back = now.before === null || !mayAct() ? "" : button(now.before ? t("go_back", { n: now.before }) : t("go_back_none"), act("back", {}));
    return el("section", { class: "card" }, el("header", {}, el("h2", {}, t("versions")), back),
      now.versions.length ? el("ul", { class: "versions" }, now.versions.map(v => el("li", {},
        el("details", {}, el("summary", {}, el("b", {}, t("version", { n: v.number })), v.number === now.current ? badge("watching", t("in_use")) : v.number === now.proposed ? badge("learning", t("proposed")) : "", el("time", { class: "faint" }, moment(v.made))),
          facts(v), wouldBe(v), mayAct() && v.number !== now.current ? button(t("use_version", { n: v.number }), act("use", { version: v.number })) : "")))) : el("p", { class: "faint" }, t("no_versions")));
  }

  function lessons(now) {
    return el("section", { class: "card" }, el("h2", {}, t("lessons")), now.progress.lessons.length ? el("ul", { class: "lessons" }, now.progress.lessons.map(l => el("li", {}, el("time", {}, moment(l.at)), " ", el("a", { href: `#/incident/${l.incident}` }, l.incident.slice(0, 6)), ` ${t(`lesson_${l.outcome}`, { n: l.version, hidden: l.hidden.join(", ") })}`))) : el("p", { class: "faint" }, t("no_lessons")));
  }

  function draw(now) {
    const asItIs = JSON.stringify({ ...now, progress: { ...now.progress, at: 0, until: 0 } });
    if (gone || asItIs === drawn) return;
    drawn = asItIs;
    const open = new Set([...body.querySelectorAll("details[open] summary b")].map(b => b.textContent));
    const headline = el("p", { class: `headline ${now.state}` }, t(`site_${now.state}`, { n: now.current }));
    budget.card.hidden = !(now.state === "fixed" || now.current);
    if (!budget.card.isConnected) body.after(el("div", { class: "learning" }, budget.card));
    if (now.state === "fixed") { body.replaceChildren(headline); return; }
    body.replaceChildren(headline, el("div", { class: "cards" }, proposal(now), progress(now), versions(now), lessons(now)));
    for (const d of body.querySelectorAll("details")) d.open = open.has(d.querySelector("summary b").textContent);
  }

  const look = async () => {
    clearTimeout(due);
    try { draw(await get("/learning")); } catch (error) { if (!gone && error.status) say(said, t("failed", { why: error.message })); }
    if (!gone) due = setTimeout(look, LOOK_MS);
  };
  state.addEventListener("acted", look);
  look();
  return () => { gone = true; budget.close(); clearTimeout(due); state.removeEventListener("acted", look); };
}
