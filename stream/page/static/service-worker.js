// Shows what the detector pushes to this device, and leads to the incident. It keeps nothing, and no page is shown from it.

const ICON = "/static/icon-192.png";

addEventListener("install", () => skipWaiting());
addEventListener("activate", event => event.waitUntil(clients.claim()));

// A message takes the place of the one about the same incident. One that comes twice, or after a later one, makes no sound:
// browsers want something shown for each. Numbers count within one spool: where that was lost they begin anew.
async function shown(message) {
  const before = await registration.getNotifications({ tag: message.tag });
  const later = m => m.at > message.at || (m.at === message.at && m.number >= message.number);
  const last = before.map(n => n.data).find(m => m && m.tag === message.tag && later(m)) ?? message;
  const loud = last === message && message.loud;
  await registration.showNotification(last.title, {
    body: last.text, tag: last.tag, data: last, icon: ICON, timestamp: last.at, renotify: loud, silent: !loud,
  });
}

addEventListener("push", event => event.waitUntil(shown(event.data.json())));

async function asked(path, body) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(`/api/v1/push${path}`, body && { method: "POST", body: JSON.stringify(body), headers });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

// The browser gives this device another address. Where it does not say which one that replaces, the page offers its button.
async function renewed({ oldSubscription, newSubscription }) {
  if (!oldSubscription) return;
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(oldSubscription.endpoint));
  const id = [...new Uint8Array(hash)].slice(0, 8).map(b => b.toString(16).padStart(2, "0")).join("");
  const device = (await asked("")).devices.find(d => d.id === id && d.own);
  if (!device) return;
  const { endpoint, keys } = (newSubscription ?? await registration.pushManager.subscribe(oldSubscription.options)).toJSON();
  await asked("/devices", { endpoint, keys: { p256dh: keys.p256dh, auth: keys.auth }, name: device.name, least: device.least });
  await asked(`/devices/${id}/remove`, {});
}

addEventListener("pushsubscriptionchange", event => event.waitUntil(renewed(event)));

async function opened(link) {
  const url = new URL(link, location.origin), windows = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = windows.find(w => w.url === url.href) ?? windows.find(w => w.focused) ?? windows[0];
  if (!page) { await clients.openWindow(url.href); return; }
  page.postMessage({ open: url.hash });
  await page.focus();
}

addEventListener("notificationclick", event => {
  event.notification.close();
  event.waitUntil(opened(event.notification.data.link));
});
