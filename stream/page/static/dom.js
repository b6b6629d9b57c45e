// Small helpers: elements without markup in strings, so that no name from the wire can become markup.

export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter(c => c !== null && c !== undefined && c !== ""));
  return element;
}

export const $ = selector => document.querySelector(selector);

export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Colours of the present theme, for canvases.
let known = null;
export function colours() {
  if (known) return known;
  const style = getComputedStyle(document.documentElement), of = name => style.getPropertyValue(name).trim();
  known = {
    ink: of("--ink"), faint: of("--faint"), grid: of("--grid"), shadow: of("--shadow"), calm: of("--calm"), warm: of("--warm"), hot: of("--hot"), tile: of("--tile"),
    people: [1, 2, 3, 4, 5, 6].map(i => of(`--person-${i}`)),
  };
  return known;
}
const forget = () => { known = null; dispatchEvent(new Event("theme")); };
matchMedia("(prefers-color-scheme: light)").addEventListener("change", forget);
export const repaint = forget;

// Fits a canvas to its element; true where its size changed.
export function fit(canvas) {
  const scale = Math.min(devicePixelRatio || 1, 2), w = canvas.clientWidth, h = canvas.clientHeight;
  if (canvas.width === Math.round(w * scale) && canvas.height === Math.round(h * scale)) return false;
  canvas.width = Math.round(w * scale);
  canvas.height = Math.round(h * scale);
  canvas.getContext("2d").setTransform(scale, 0, 0, scale, 0, 0);
  return true;
}

export function floats(base64) {
  const raw = atob(base64), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Float32Array(bytes.buffer);
}

export function badge(kind, text) {
  return el("span", { class: `badge ${kind}` }, text);
}
