// Evidence over time with the level that raises an alarm: strips of the last minute, and the curve under a clip.

import { colours, fit } from "./dom.js";
import { say, t } from "./texts.js";

function line(draw, points) {
  draw.beginPath();
  points.forEach(([x, y], i) => i ? draw.lineTo(x, y) : draw.moveTo(x, y));
  draw.stroke();
}

function level(draw, y, width, colour, label) {
  draw.strokeStyle = colour.hot; draw.lineWidth = 1.2; draw.setLineDash([5, 4]);
  line(draw, [[0, y], [width, y]]);
  draw.setLineDash([]);
  draw.fillStyle = colour.hot; draw.font = "11px system-ui, sans-serif"; draw.textAlign = "right";
  if (label) draw.fillText(label, width - 3, y - 4);
}

export function strip(canvas, values, most = 120) {
  fit(canvas);
  const draw = canvas.getContext("2d"), w = canvas.clientWidth, h = canvas.clientHeight, colour = colours();
  draw.clearRect(0, 0, w, h);
  const top = Math.max(1.5, ...values) * 1.05, X = i => w * (most - values.length + i + 0.5) / most, Y = v => h - 2 - (h - 4) * Math.min(v / top, 1);
  const points = values.map((v, i) => [X(i), Y(v)]);
  if (points.length) {
    draw.fillStyle = colour.shadow;
    draw.beginPath(); draw.moveTo(points[0][0], h);
    for (const [x, y] of points) draw.lineTo(x, y);
    draw.lineTo(points.at(-1)[0], h); draw.fill();
    draw.lineWidth = 2;
    for (let i = 1; i < points.length; i++) {
      const v = Math.max(values[i], values[i - 1]);
      draw.strokeStyle = v >= 1 ? colour.hot : v >= 0.5 ? colour.warm : colour.calm;
      line(draw, [points[i - 1], points[i]]);
    }
  }
  level(draw, Y(1), w, colour, t("threshold"));
}

export class ClipCurve {
  #canvas; #clip; #begin; #end; #to;

  constructor(canvas, clip, { from, to, go }) {
    this.#canvas = canvas; this.#clip = clip;
    this.#begin = clip.start_s; this.#end = clip.start_s + (clip.frames - 1) / clip.fps;
    this.#to = [from, to];
    const seek = e => go(this.#begin + (this.#end - this.#begin) * Math.min(Math.max((e.offsetX - 34) / (canvas.clientWidth - 44), 0), 1));
    let held = false;
    canvas.addEventListener("pointerdown", e => { held = true; canvas.setPointerCapture(e.pointerId); seek(e); });
    canvas.addEventListener("pointermove", e => { if (held) seek(e); });
    canvas.addEventListener("pointerup", () => { held = false; });
  }

  render(at) {
    fit(this.#canvas);
    const draw = this.#canvas.getContext("2d"), w = this.#canvas.clientWidth, h = this.#canvas.clientHeight, colour = colours();
    const left = 34, right = w - 10, low = h - 20, high = 10;
    const most = Math.max(1.4, ...this.#clip.curves.flatMap(c => c.evidence)) * 1.08;
    const X = s => left + (right - left) * (s - this.#begin) / Math.max(this.#end - this.#begin, 0.1), Y = v => low - (low - high) * v / most;
    draw.clearRect(0, 0, w, h);
    draw.fillStyle = colour.shadow;
    const [from, to] = this.#to;
    draw.fillRect(X(Math.max(from, this.#begin)), high, Math.max(X(Math.min(to, this.#end)) - X(Math.max(from, this.#begin)), 2), low - high);
    draw.font = "11px system-ui, sans-serif"; draw.fillStyle = colour.faint;
    const span = this.#end - this.#begin, step = [1, 2, 5, 10, 15, 30, 60].find(s => span / s <= w / 60) ?? 120;
    draw.textAlign = "center";
    for (let s = Math.ceil(this.#begin / step) * step; s <= this.#end; s += step) draw.fillText(s === 0 ? t("begins") : t("at_second", { s: say(s) }), X(s), h - 5);
    draw.textAlign = "right";
    for (let v = 0; v <= most; v += most > 4 ? 2 : 1) draw.fillText(String(v), left - 6, Y(v) + 4);
    this.#clip.curves.toReversed().forEach((curve, k, all) => {
      const own = k === all.length - 1;
      draw.strokeStyle = own ? colour.ink : colour.faint; draw.lineWidth = own ? 2.2 : 1;
      for (let i = 1; i < curve.times.length; i++) {
        if (curve.times[i] - curve.times[i - 1] > 1) continue;
        line(draw, [[X(curve.times[i - 1]), Y(curve.evidence[i - 1])], [X(curve.times[i]), Y(curve.evidence[i])]]);
      }
    });
    level(draw, Y(1), right, colour, t("threshold"));
    draw.strokeStyle = colour.ink; draw.lineWidth = 2;
    line(draw, [[X(at), high - 4], [X(at), low]]);
    draw.fillStyle = colour.ink;
    draw.beginPath(); draw.arc(X(at), high - 4, 4, 0, 7); draw.fill();
  }
}
