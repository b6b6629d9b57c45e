// How every source does, what is odd about it, and how to send poses from a program of one's own.

import { badge, el, say } from "./dom.js";
import { mayAct, post, state } from "./server.js";
import { blindness, say as number, t } from "./texts.js";

const snippet = address => `import time, msgpack, numpy as np, zmq
socket = zmq.Context().socket(zmq.PUB)
socket.connect("${address}")
time.sleep(0.5)
epoch = time.time_ns()
for seq in range(10**9):
    joints = my_source()      # (people, joints, 3) metres, Y up, NaN where not seen
    header = {"v": 1, "source": "lab", "epoch": epoch, "seq": seq, "stamp": time.time_ns(),
              "shape": list(joints.shape), "ids": None, "layout": "coco17"}
    socket.send_multipart([b"pose.lab", msgpack.packb(header), joints.astype("<f4").tobytes()])
`;
const ready = address => `dyadwatch publish camera --device 0 --to ${address}
dyadwatch publish file clips/ --to ${address}
dyadwatch publish simulator --to ${address}
dyadwatch publish jsonl --to ${address}
`;

function code(text) {
  const button = el("button", { onclick: async () => { try { await navigator.clipboard.writeText(text); say(button, t("copied")); } catch { getSelection().selectAllChildren(block); } } }, t("copy"));
  const block = el("pre", { tabindex: 0 }, text);
  return el("div", { class: "code" }, button, block);
}

function card(status, said) {
  const facts = [
    ["people_now", status.people], ["pairs_now", status.pairs], ["rate", number(status.fps)], ["frames", number(status.frames)], ["windows", number(status.windows)],
    ["late", status.age_ms === null ? "" : `${number(Math.round(status.age_ms))} ms`], ["offset", status.clock_offset_ms === null ? "" : `${number(Math.round(status.clock_offset_ms))} ms`],
    ["recording", status.recording?.text ?? ""], ["memory", status.memory?.text ?? ""],
  ].filter(([, value]) => value !== "");
  const detector = status.source === "@detector", dropped = Object.entries(status.dropped).sort((a, b) => b[1] - a[1]);
  const findings = [...(status.blind ? [blindness(status.blind) === status.blind.text ? status.blind.text : `${blindness(status.blind)} (${status.blind.text})`] : []), ...status.odd.map(o => o.text), ...(status.merge ? [status.merge.text] : [])];
  const snooze = detector || !mayAct() ? "" : el("button", { onclick: () => post(`/sources/${encodeURIComponent(status.source)}/snooze`, { minutes: 30 }).then(() => say(said, t("saved")), error => say(said, t("failed", { why: error.message }))) }, t("snooze_source", { source: status.source }));
  return el("article", { class: "card source", "data-state": status.state },
    el("header", {}, el("h2", {}, detector ? t("detector") : status.source), badge(status.state, t(`state_${status.state}`)), snooze),
    el("h3", {}, t("findings")), findings.length ? el("ul", {}, findings.map(text => el("li", {}, text))) : el("p", { class: "faint" }, t("no_findings")),
    el("dl", {}, facts.filter(([key]) => !detector || ["recording", "memory"].includes(key)).map(([key, value]) => [el("dt", {}, t(key)), el("dd", {}, value)])),
    dropped.length ? el("details", {}, el("summary", {}, `${t("dropped")} (${number(dropped.reduce((n, d) => n + d[1], 0))})`), el("dl", {}, dropped.map(([reason, n]) => [el("dt", {}, reason), el("dd", {}, number(n))]))) : "");
}

export function show(main) {
  const cards = el("div", { class: "cards" }), said = el("p", { class: "note", role: "status" });
  main.append(el("h1", {}, t("sources")), said, cards, el("section", { class: "card" }, el("h2", {}, t("publish")), el("p", {}, t("publish_help", { address: state.session.publish_to })), code(snippet(state.session.publish_to)), el("p", {}, t("or_ready")), code(ready(state.session.publish_to))));
  const draw = () => {
    const open = new Set([...cards.querySelectorAll("details[open]")].map(d => d.closest("article").querySelector("h2").textContent)), held = document.activeElement?.closest(".source button");
    if (held) return;
    cards.replaceChildren(...[...state.sources.values()].sort((a, b) => (a.source === "@detector") - (b.source === "@detector") || a.source.localeCompare(b.source)).map(s => card(s, said)));
    for (const d of cards.querySelectorAll("details")) d.open = open.has(d.closest("article").querySelector("h2").textContent);
  };
  let due = 0;
  const status = () => { if (!due) due = setTimeout(() => { due = 0; draw(); }, 1000); };
  state.addEventListener("status", status);
  state.addEventListener("sources", draw);
  draw();
  return () => { clearTimeout(due); state.removeEventListener("status", status); state.removeEventListener("sources", draw); };
}
