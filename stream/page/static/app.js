// Which view is shown, what stands above it, and what is said when the server or the detector is lost.

import { $, colours, el, repaint, say } from "./dom.js";
import { AT_REST, Refused, get, post, state } from "./server.js";
import { language, remember, t, theme } from "./texts.js";

if (theme) document.documentElement.dataset.theme = theme;
document.documentElement.lang = language;

const VIEWS = {
  live: () => import("./live.js"), incidents: () => import("./incidents.js"), incident: () => import("./incident.js"), sources: () => import("./sources.js"), learning: () => import("./learning.js"), settings: () => import("./settings.js"),
};
let leave = null, shown = 0;

const route = () => {
  const [name, ...rest] = location.hash.replace(/^#\//, "").split("/");
  return [name in VIEWS ? name : "live", rest.map(decodeURIComponent)];
};

async function show() {
  const [name, rest] = route(), main = $("#main"), mine = ++shown;
  leave?.();
  leave = null;
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.hash === `#/${name === "incident" ? "incidents" : name}`;
    if (here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  const view = await VIEWS[name]();
  if (mine !== shown) return;
  main.replaceChildren();
  document.body.dataset.view = name;
  leave = view.show(main, ...rest) ?? null;
  document.title = `${t(name)} · dyadwatch`;
}

// Who logs out is notified no more on this device; whoever is in the way of that, one is logged out.
const leaving = () => state.session.push ? import("./push.js").then(push => push.leave()).catch(() => {}) : Promise.resolve();

function chrome() {
  say($("#skip"), t("skip"));
  $("#nav").setAttribute("aria-label", "dyadwatch");
  $("#nav").replaceChildren(...["live", "incidents", "learning", "sources", "settings"].map(name => el("a", { href: `#/${name}` }, t(name))));
  const dark = () => document.documentElement.dataset.theme
    ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
  $("#tools").replaceChildren(
    el("button", { class: "quiet", lang: language === "en" ? "de" : "en", onclick: () => { remember("language", language === "en" ? "de" : "en"); location.reload(); } }, t("other_language")),
    el("button", { class: "quiet icon", "aria-label": t("theme"), title: t("theme"), onclick: () => {
      const next = dark() === "dark" ? "light" : "dark";
      document.documentElement.dataset.theme = next;
      remember("theme", next);
      repaint();
    } }, "◐"),
    el("button", { class: "quiet", onclick: () => leaving().then(() => post("/logout")).finally(() => location.assign("/")) }, t("logout")),
  );
}

// Nobody there is no trouble; a source of which nothing comes or can be scored is.
const unwatched = s => s.source !== "@detector" && (s.state === "silent" || (s.state === "blind" && !AT_REST.has(s.blind?.code)));

function summary() {
  const n = [...state.incidents.values()].filter(i => i.severity !== "notice" || i.about === "interaction").length;
  const bar = $("#summary"), away = [...state.sources.values()].filter(unwatched);
  const learning = [...state.sources.values()].some(s => s.learning);
  bar.className = n ? "open" : away.length || learning ? "away" : "calm";
  const rest = away.length === 1 ? t("unwatched_one", { source: away[0].source }) : t("unwatched_many", { n: away.length });
  say(bar, n === 1 ? t("open_one") : n ? t("open_many", { n }) : away.length ? rest : learning ? t("site_learning") : t("calm"));
  bar.hidden = state.lost || !state.detector;
}

function connection() {
  const bar = $("#lost"), text = state.lost ? t("server_lost", { s: state.since }) : state.detector ? "" : t("detector_lost");
  bar.hidden = !text;
  say(bar, text);
  document.body.classList.toggle("stale", Boolean(text));
  summary();
}

function login(failed) {
  $("#nav").replaceChildren();
  $("#tools").replaceChildren();
  $("#summary").hidden = true;
  const wrong = el("p", { role: "alert", class: "wrong" }, failed ? t("login_failed") : "");
  const field = el("input", { id: "token", type: "password", autocomplete: "current-password", required: true });
  $("#main").replaceChildren(el("form", { class: "card login", onsubmit: async event => {
    event.preventDefault();
    try {
      await post("/login", { token: field.value });
      location.assign("/" + location.hash);
    } catch (error) {
      say(wrong, error.message);
    }
  } }, el("h1", {}, t("login")), el("p", {}, t("login_help")), el("label", { for: "token" }, t("token")), field, el("button", { class: "main" }, t("login")), wrong));
  field.focus();
}

async function start() {
  const failed = new URLSearchParams(location.search).get("login") === "failed";
  try {
    state.session = await get("/session");
  } catch (error) {
    if (error instanceof Refused && error.status === 401) { login(failed); return; }
    state.lost = true;
    connection();
    setTimeout(start, 3000);
    return;
  }
  if (location.search) history.replaceState(null, "", "/" + location.hash);
  chrome();
  colours();
  state.addEventListener("incidents", summary);
  state.addEventListener("sources", summary);
  state.addEventListener("status", summary);
  state.addEventListener("connection", connection);
  summary();
  addEventListener("hashchange", () => { show(); $("#main").focus({ preventScroll: true }); scrollTo(0, 0); });
  state.start();
  if (state.session.push) import("./push.js").then(push => push.listen());
  await show();
}

start();
