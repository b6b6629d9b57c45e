// Shows what the detector pushes to this device, and leads to the incident. It keeps nothing, and no page is shown from it.

const ICON = "/static/icon-192.png";

addEventListener("install", () => skipWaiting());
addEventListener("activate", event => event.waitUntil(clients.claim()));

// A message takes the place of the one about the same incident. One that comes twice, or after a later one, makes no sound:
// browsers want something shown for each.
async function shown(message) {
  const before = await registration.getNotifications({ tag: message.tag });
  const last = before.map(n => n.data).find(m => m && m.tag === message.tag && m.number >= message.number) ?? message;
  const loud = last === message && message.loud;
  await registration.showNotification(last.title, {
    body: last.text, tag: last.tag, data: last, icon: ICON, timestamp: last.at, renotify: loud, silent: !loud,
  });
}

addEventListener("push", event => event.waitUntil(shown(event.data.json())));

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
