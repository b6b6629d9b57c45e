// Whether this device is notified by push while no page is open, and which others are.

import { el, say } from "./dom.js";
import { get, post, state } from "./server.js";
import { has, moment, t } from "./texts.js";

const SEVERITIES = ["notice", "alarm", "critical"];
const WORKER = "/service-worker.js";
const able = () => isSecureContext && "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;

// A click on a notification leads the page that is open to its incident.
export function listen() {
  if (!able()) return;
  navigator.serviceWorker.addEventListener("message", event => { if (event.data?.open?.startsWith("#/")) location.hash = event.data.open; });
  navigator.serviceWorker.startMessages();
}

const bytes = text => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), c => c.charCodeAt(0));
const same = (a, b) => a && a.byteLength === b.byteLength && new Uint8Array(a).every((value, i) => value === b[i]);

async function idOf(subscription) {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(subscription.endpoint));
  return [...new Uint8Array(hash)].slice(0, 8).map(b => b.toString(16).padStart(2, "0")).join("");
}

const present = async () => (await navigator.serviceWorker.getRegistration("/"))?.pushManager.getSubscription() ?? null;

// Of this browser, with the key that the server has now: one for another key reaches nobody.
async function subscription(key) {
  await navigator.serviceWorker.register(WORKER, { scope: "/" });
  const manager = (await navigator.serviceWorker.ready).pushManager, there = await manager.getSubscription(), wanted = bytes(key);
  if (there && same(there.options.applicationServerKey, wanted)) return there;
  await there?.unsubscribe();
  return manager.subscribe({ userVisibleOnly: true, applicationServerKey: wanted });
}

function device() {
  const agent = navigator.userAgent;
  const system = ["iPhone", "iPad", "Android", "Windows", "CrOS", "Mac", "Linux"].find(name => agent.includes(name)) ?? "";
  const browser = [["Edg", "Edge"], ["Firefox", "Firefox"], ["Chrome", "Chrome"], ["Safari", "Safari"]].find(([mark]) => agent.includes(mark))?.[1] ?? "";
  return [browser, system].filter(Boolean).join(", ") || t("this_device");
}

const add = (subscription, name, least) => {
  const { endpoint, keys } = subscription.toJSON();
  return post("/push/devices", { endpoint, keys: { p256dh: keys.p256dh, auth: keys.auth }, name, least });
};

// Where the server cannot be asked, the push service tells it that nobody is there any more.
async function remove(subscription) {
  try { return await post(`/push/devices/${await idOf(subscription)}/remove`); } finally { await subscription.unsubscribe(); }
}

// Who logs out is notified no more on this device.
export async function leave() {
  const there = able() ? await present() : null;
  if (there) await remove(there);
}

const why = error => error.name === "NotAllowedError" ? t("push_blocked") : error.name === "AbortError" ? t("push_unreached", { why: error.message }) : t("failed", { why: error.message });

export function card() {
  const said = el("p", { class: "note", role: "status" }), here = el("div", { class: "push-here" }), others = el("details", { class: "push-devices" });
  let chosen = "notice";

  const doing = act => async () => {
    const buttons = [...box.querySelectorAll("button, select")];
    for (const b of buttons) b.disabled = true;
    try { say(said, ""); await draw(await act()); } catch (error) { say(said, why(error)); } finally { for (const b of buttons) b.disabled = false; }
  };
  const button = (text, act, kind = "") => el("button", { class: kind, onclick: doing(act) }, text);
  const least = (value, from, changed) => el("label", { class: "push-least" }, el("span", {}, t("filter_severity")),
    el("select", { onchange: event => changed(event.target.value) }, SEVERITIES.slice(SEVERITIES.indexOf(from)).map(s => el("option", { value: s, selected: s === value }, t(`severity_${s}`)))));

  async function tell(now) {
    if (await Notification.requestPermission() !== "granted") throw new DOMException("", "NotAllowedError");
    const made = await subscription(now.key), next = await add(made, device(), chosen);
    say(said, t("push_added"));
    return next;
  }

  function row(d, id) {
    const last = d.error ? t("push_failed", { time: moment(d.failed), why: d.error }) : d.succeeded ? t("push_succeeded", { time: moment(d.succeeded) }) : t("push_unused");
    return el("li", {}, el("span", { class: "line" }, el("b", {}, d.name), d.own ? "" : el("span", {}, d.who), el("span", { class: "faint" }, t(`push_least_${d.least}`), " · ", t("push_since", { time: moment(d.since) })),
      d.id === id ? el("span", { class: "faint" }, t("this_device")) : button(t("push_remove"), () => post(`/push/devices/${d.id}/remove`), "quiet")), el("span", { class: d.error ? "warning" : "faint" }, last));
  }

  async function draw(now) {
    const there = able() ? await present() : null, id = there ? await idOf(there) : "", mine = now.devices.find(d => d.id === id && d.own);
    chosen = SEVERITIES.indexOf(chosen) < SEVERITIES.indexOf(now.least) ? now.least : chosen;
    if (!able()) here.replaceChildren(el("p", { class: "faint" }, t(isSecureContext ? "push_unable" : "push_insecure")));
    else if (mine) here.replaceChildren(el("p", {}, el("b", {}, t("push_on"))), least(mine.least, now.least, value => doing(() => add(there, mine.name, value))()), button(t("push_end"), () => remove(there)));
    else if (Notification.permission === "denied") here.replaceChildren(el("p", { class: "faint" }, t("push_blocked")));
    else here.replaceChildren(button(t("push_here"), () => tell(now), "main"), least(chosen, now.least, value => { chosen = value; }));
    const open = others.open, going = state.sources.get("@detector")?.deliveries?.find(d => d.name === now.target);
    others.replaceChildren(el("summary", {}, t(now.devices.length === 1 ? "push_device_one" : "push_devices", { n: now.devices.length })), el("ul", {}, now.devices.map(d => row(d, id))), going?.code === "failing" ? el("p", { class: "warning" }, going.text) : "");
    others.hidden = !now.devices.length;
    others.open = open;
  }

  const box = el("section", { class: "push", "aria-label": t("push_title") }, here, others, said);
  get("/push").then(draw, error => say(said, has(`push_${error.code}`) ? t(`push_${error.code}`) : t("failed", { why: error.message })));
  return box;
}
