// Skeletons in 3D on a plain canvas: needs no graphics card, so that a wall screen of any age draws sixteen of them.

import { colours, fit } from "./dom.js";

const FOV = 1.2, NEAR = 0.2;

export class View3D {
  #canvas; #draw; #scene = null; #lit = new Map(); #turned = false;
  turn = 0.5; rise = 0.32; zoom = 1;
  target = [0, 0.9, 0]; distance = 6; floor = null;
  framing = null;  // (width, height) -> focal length and where the middle lies, pixels; by default what suits people who come and go

  // `large`: the wheel zooms; in a list of tiles it belongs to the page.
  constructor(canvas, { large = false, changed = () => {} } = {}) {
    this.#canvas = canvas;
    // Drawn by the processor: where there is no graphics card that is half as fast again, and elsewhere fast enough.
    this.#draw = canvas.getContext("2d", { willReadFrequently: true });
    let held = null;
    canvas.tabIndex = 0;
    canvas.addEventListener("pointerdown", e => { held = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); });
    canvas.addEventListener("pointerup", () => { held = null; });
    canvas.addEventListener("pointercancel", () => { held = null; });
    canvas.addEventListener("pointermove", e => {
      if (!held) return;
      this.orbit((e.clientX - held[0]) * -0.008, (e.clientY - held[1]) * 0.006);
      held = [e.clientX, e.clientY];
      changed();
    });
    canvas.addEventListener("wheel", e => {
      if (!large && !e.ctrlKey) return;
      e.preventDefault();
      this.nearer(Math.exp(e.deltaY * 0.001));
      changed();
    }, { passive: false });
    canvas.addEventListener("keydown", e => {
      const step = { ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, 0.08], ArrowDown: [0, -0.08] }[e.key];
      if (step) this.orbit(...step);
      else if (e.key === "+" || e.key === "=") this.nearer(0.85);
      else if (e.key === "-") this.nearer(1.18);
      else return;
      e.preventDefault();
      e.stopPropagation();
      changed();
    });
  }

  orbit(turn, rise) { this.turn += turn; this.rise = Math.min(Math.max(this.rise + rise, 0.03), 1.5); this.#turned = true; }
  nearer(factor) { this.zoom = Math.min(Math.max(this.zoom * factor, 0.3), 4); }

  // scene: {bones, head, soles, ids, pairs: [{pair, evidence}], places: Float32Array (P, J, 3)}; and, where wanted,
  // paints: a colour a person, link: two [person, joint] that a dashed line joins.
  set(scene) { this.#scene = scene; this.#follow(); }
  light(lit) { this.#lit = lit; }  // id -> set of joints

  // Moves the camera slowly after the people, and finds the floor under them. `at once` for a clip's first frame.
  frame(points, soles) {
    let low = [Infinity, Infinity, Infinity], high = [-Infinity, -Infinity, -Infinity];
    for (let i = 0; i + 2 < points.length; i += 3) {
      if (points[i] !== points[i]) continue;
      for (let k = 0; k < 3; k++) { low[k] = Math.min(low[k], points[i + k]); high[k] = Math.max(high[k], points[i + k]); }
    }
    if (low[0] === Infinity) return null;
    return { floor: low[1] - (soles ? 0.03 : 0.95), middle: low.map((v, k) => (v + high[k]) / 2), reach: Math.hypot(high[0] - low[0], high[2] - low[2]) };
  }

  fitTo(points, soles) {
    const found = this.frame(points, soles);
    if (!found) return;
    this.floor = found.floor;
    this.target = [found.middle[0], found.floor + 0.9, found.middle[2]];
    this.distance = this.#away(found.reach);
  }

  #follow() {
    const s = this.#scene, found = this.frame(s.places, s.soles);
    if (!found) return;
    if (this.floor === null) return this.fitTo(s.places, s.soles);
    // Someone who jumps or sits must not move the floor: it sinks at once, and rises slowly.
    this.floor = found.floor < this.floor ? found.floor : this.floor + 0.002 * (found.floor - this.floor);
    const ease = 0.04, wanted = this.#away(found.reach);
    this.target[0] += ease * (found.middle[0] - this.target[0]);
    this.target[2] += ease * (found.middle[2] - this.target[2]);
    this.target[1] = this.floor + 0.9;
    this.distance += (wanted > this.distance ? 0.08 : 0.01) * (wanted - this.distance);
  }

  // How far away people who stand so far apart, metres, fill the picture without leaving it.
  #away(reach) {
    const w = this.#canvas.clientWidth || 4, h = this.#canvas.clientHeight || 3, f = this.#lens();
    return Math.max((reach + 0.8) * f / w, 3.1 * f / h) + 0.35 * reach;
  }

  #frame() {
    const w = this.#canvas.clientWidth, h = this.#canvas.clientHeight;
    return this.framing?.(w, h) ?? [Math.min(h, w) * FOV, w / 2, h * 0.56];
  }

  #lens() { return this.#frame()[0]; }

  #camera() {
    const [f, middle, centre] = this.#frame(), away = this.distance * this.zoom;
    const c = Math.cos(this.rise), s = Math.sin(this.rise), st = Math.sin(this.turn), ct = Math.cos(this.turn), [tx, ty, tz] = this.target;
    return (x, y, z) => {
      x -= tx; y -= ty; z -= tz;
      const right = x * ct - z * st, along = x * st + z * ct, depth = away - (y * s + along * c);
      return depth < NEAR ? null : [middle + right / depth * f, centre - (y * c - along * s) / depth * f, depth, f / depth];
    };
  }

  render() {
    fit(this.#canvas);
    const draw = this.#draw, w = this.#canvas.clientWidth, h = this.#canvas.clientHeight, colour = colours();
    draw.clearRect(0, 0, w, h);
    draw.lineCap = "round";
    const project = this.#camera();
    if (this.floor !== null) this.#grid(project, colour.grid);
    const s = this.#scene;
    if (!s || !s.ids.length) return;
    const J = s.places.length / s.ids.length / 3, people = [];
    for (let p = 0; p < s.ids.length; p++) {
      const where = new Array(J);
      let depth = 0, n = 0, cx = 0, cy = 0, cz = 0;
      for (let j = 0; j < J; j++) {
        const i = (p * J + j) * 3, x = s.places[i];
        if (x !== x) continue;
        const at = project(x, s.places[i + 1], s.places[i + 2]);
        if (!at) continue;
        where[j] = at; depth += at[2]; n++;
        cx += x; cy += s.places[i + 1]; cz += s.places[i + 2];
      }
      if (n) people.push({ p, id: s.ids[p], where, depth: depth / n, centre: [cx / n, cy / n, cz / n] });
    }
    this.#shadows(project, people, J, colour.shadow);
    for (const { pair, evidence } of s.pairs) this.#pair(project, people, pair, evidence, colour);
    people.sort((a, b) => b.depth - a.depth);
    for (const person of people) this.#person(person, colour, s);
    if (s.link) this.#link(s.link.map(([p, j]) => people.find(q => q.p === p)?.where[j]), colour.hot);
  }

  #link([a, b], colour) {
    if (!a || !b) return;
    const draw = this.#draw;
    draw.strokeStyle = colour; draw.lineWidth = 2;
    draw.setLineDash([5, 5]);
    draw.beginPath(); draw.moveTo(a[0], a[1]); draw.lineTo(b[0], b[1]); draw.stroke();
    draw.setLineDash([]);
  }

  #grid(project, colour) {
    const draw = this.#draw, reach = Math.min(Math.max(Math.ceil(this.distance * 0.8), 3), 12), x0 = Math.round(this.target[0]), z0 = Math.round(this.target[2]);
    draw.strokeStyle = colour; draw.lineWidth = 1;
    draw.beginPath();
    for (let i = -reach; i <= reach; i++) {
      for (const [from, to] of [[[x0 + i, z0 - reach], [x0 + i, z0 + reach]], [[x0 - reach, z0 + i], [x0 + reach, z0 + i]]]) {
        const a = project(from[0], this.floor, from[1]), b = project(to[0], this.floor, to[1]);
        if (!a || !b) continue;
        draw.moveTo(a[0], a[1]); draw.lineTo(b[0], b[1]);
      }
    }
    draw.stroke();
  }

  #shadows(project, people, J, colour) {
    const draw = this.#draw, s = this.#scene;
    draw.strokeStyle = colour;
    draw.lineWidth = 3;
    draw.beginPath();
    for (const { p } of people) for (const [a, b] of s.bones) {
      const i = (p * J + a) * 3, k = (p * J + b) * 3;
      if (s.places[i] !== s.places[i] || s.places[k] !== s.places[k]) continue;
      const from = project(s.places[i], this.floor, s.places[i + 2]), to = project(s.places[k], this.floor, s.places[k + 2]);
      if (from && to) { draw.moveTo(from[0], from[1]); draw.lineTo(to[0], to[1]); }
    }
    draw.stroke();
  }

  #pair(project, people, pair, evidence, colour) {
    const [a, b] = pair.map(id => people.find(q => q.id === id));
    if (!a || !b) return;
    const from = project(...a.centre), to = project(...b.centre), e = evidence ?? 0, draw = this.#draw;
    if (!from || !to) return;
    draw.strokeStyle = evidence === null ? colour.grid : e >= 1 ? colour.hot : e >= 0.5 ? colour.warm : colour.calm;
    draw.lineWidth = (2 + 4 * Math.min(e, 1.5)) * Math.min(Math.max(this.#canvas.clientHeight / 400, 0.5), 1);
    draw.setLineDash(e >= 0.5 ? [] : [2, 7]);
    draw.beginPath(); draw.moveTo(from[0], from[1]); draw.lineTo(to[0], to[1]); draw.stroke();
    draw.setLineDash([]);
  }

  #person({ p, id, where, depth }, colour, s) {
    const draw = this.#draw, lit = this.#lit.get(id), own = s.paints?.[p] ?? colour.people[this.#shade(id, p)];
    const scale = this.#lens() / depth;
    draw.lineWidth = Math.max(0.05 * scale, 2);
    const paths = [[own, []], [colour.hot, []]];
    for (const [a, b] of s.bones) if (where[a] && where[b]) paths[lit?.has(a) || lit?.has(b) ? 1 : 0][1].push([where[a], where[b]]);
    for (const [stroke, lines] of paths) {
      if (!lines.length) continue;
      draw.strokeStyle = stroke;
      if (stroke === colour.hot) draw.lineWidth *= 1.35;
      draw.beginPath();
      for (const [a, b] of lines) { draw.moveTo(a[0], a[1]); draw.lineTo(b[0], b[1]); }
      draw.stroke();
    }
    if (!s.bones.length) for (const q of where) if (q) { draw.fillStyle = own; draw.beginPath(); draw.arc(q[0], q[1], Math.max(0.03 * scale, 2), 0, 7); draw.fill(); }
    const head = where[s.head];
    let top = Infinity, middle = 0, n = 0;
    for (const q of where) if (q) { top = Math.min(top, q[1]); middle += q[0]; n++; }
    if (head) {
      draw.fillStyle = lit?.has(s.head) ? colour.hot : own;
      draw.beginPath(); draw.arc(head[0], head[1], 0.1 * scale, 0, 7); draw.fill();
    }
    const size = Math.max(Math.min(0.2 * scale, 22), 11);
    draw.fillStyle = colour.ink;
    draw.font = `600 ${size}px system-ui, sans-serif`;
    draw.textAlign = "center";
    draw.fillText(String(id).slice(0, 12), head ? head[0] : middle / n, (head ? head[1] - 0.1 * scale : top) - 5);
  }

  #shade(id, p) {
    const n = Number(id);
    if (Number.isInteger(n) && n > 0) return (n - 1) % 6;
    let sum = 0;
    for (const c of String(id)) sum = (sum * 31 + c.charCodeAt(0)) >>> 0;
    return (sum + 0 * p) % 6;
  }
}
