// The server: what it is asked, and what it tells. One stream for the whole page.

const BASE = "/api/v1";
const QUIET_MS = 6000;  // without a sign of life for so long the server is lost; it gives one every two seconds

// Nothing is wrong with a source that tells these: people come and go.
export const AT_REST = new Set(["nobody", "one_person", "filling"]);

export class Refused extends Error {
  constructor(status, code, text, errors = {}) { super(text); this.status = status; this.code = code; this.errors = errors; }
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(BASE + path, { credentials: "same-origin", ...options });
  } catch (error) {
    throw new Refused(0, "lost", error.message);
  }
  const body = await response.json().catch(() => ({ code: "answer", text: response.statusText }));
  if (!response.ok) throw new Refused(response.status, body.code, body.text, body.errors);
  return body;
}

// A file that the server makes, under the name that it gives it.
export async function download(path) {
  let response;
  try {
    response = await fetch(BASE + path, { credentials: "same-origin" });
  } catch (error) {
    throw new Refused(0, "lost", error.message);
  }
  if (!response.ok) {
    const body = await response.json().catch(() => ({ code: "answer", text: response.statusText }));
    throw new Refused(response.status, body.code, body.text);
  }
  const name = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? "incident";
  const url = URL.createObjectURL(await response.blob()), link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  return name;
}

export const get = path => ask(path);
export const post = (path, body = {}) =>
  ask(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });

// What is known of the detector, kept up to date by the stream. Views listen for its events.
class State extends EventTarget {
  detector = true;
  lost = false;
  scenes = true;
  sources = new Map();    // name -> status
  incidents = new Map();  // open ones by id
  strips = new Map();     // name -> evidence of the last minute, a point every half second
  session = null;
  #source = null;
  #heard = 0;

  get since() { return Math.round((Date.now() - this.#heard) / 1000); }

  tell(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })); }

  start() {
    this.#open();
    setInterval(() => {
      const lost = Date.now() - this.#heard > QUIET_MS;
      if (lost) this.tell("connection");
      if (lost !== this.lost) { this.lost = lost; this.tell("connection"); }
      if (lost && Date.now() - this.#heard > 2 * QUIET_MS && this.#source?.readyState === EventSource.CLOSED) this.#open();
    }, 1000);
  }

  async refresh() {
    const now = await get("/state");
    this.detector = now.detector;
    this.scenes = now.scenes;
    this.sources = new Map(now.sources.map(s => [s.source, s]));
    this.incidents = new Map(now.incidents.map(i => [i.id, i]));
    this.strips = new Map(Object.entries(now.strips));
    this.tell("sources"); this.tell("incidents"); this.tell("connection");
  }

  #open() {
    this.#source?.close();
    const source = this.#source = new EventSource(BASE + "/stream");
    this.#heard ||= Date.now();
    const on = (name, handle) => source.addEventListener(name, event => { this.#alive(); handle(JSON.parse(event.data)); });
    source.onopen = () => { this.#alive(); this.refresh().catch(() => {}); };
    on("beat", () => {});
    on("lost", () => this.refresh().catch(() => {}));
    on("reset", () => { this.sources.clear(); this.incidents.clear(); this.strips.clear(); this.tell("sources"); this.tell("incidents"); });
    on("detector", there => { this.detector = there; this.tell("connection"); });
    on("gone", name => { this.sources.delete(name); this.strips.delete(name); this.tell("sources"); });
    on("view", scenes => { for (const scene of scenes) this.tell("scene", scene); });
    on("strip", peaks => {
      for (const [name, peak] of Object.entries(peaks)) {
        const strip = this.strips.get(name) ?? [];
        strip.push(peak);
        if (strip.length > 120) strip.shift();
        this.strips.set(name, strip);
      }
      this.tell("strips");
    });
    on("acted", () => this.tell("acted"));
    on("message", message => this.#take(message));
  }

  #alive() {
    this.#heard = Date.now();
    if (this.lost) { this.lost = false; this.tell("connection"); }
  }

  #take(message) {
    if (message.kind === "status") {
      const known = this.sources.has(message.source);
      this.sources.set(message.source, message);
      this.tell(known ? "status" : "sources", message);
    } else if (message.kind === "incident") {
      if (message.type === "close") this.incidents.delete(message.id);
      else this.incidents.set(message.id, message);
      this.tell("incidents", message);
    } else {
      this.tell(message.kind, message);
    }
  }
}

export const state = new State();
export const mayAct = () => state.session && state.session.role !== "viewer";
