"use strict";
// True and predicted particle side by side, up to tens of thousands of atoms: shaded discs on a 2D
// canvas, sorted by depth into bins, so that a frame is linear in the atoms.
(() => {
  const BINS = 256; // of depth
  const MANY = 3000; // atoms from which discs are stamped into pixels, without smooth edges
  const TINTS = 10; // steps from near to far
  const radiusOf = (covalent) => 0.22 + 0.36 * covalent; // drawn, in Å; hydrogen stays visible
  const STEP = 0.01; // Å of a unit of the packed coordinates

  const unpack = (packed) => {
    const bytes = Uint8Array.from(atob(packed.xyz), (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const xyz = new Float32Array(bytes.length / 2);
    for (let k = 0; k < xyz.length; k += 1) xyz[k] = view.getInt16(2 * k, true) * STEP;
    const kind = new Uint8Array(packed.n);
    let at = 0;
    packed.z.forEach(([, count], index) => { kind.fill(index, at, at + count); at += count; });
    let reach = 1;
    for (let k = 0; k < packed.n; k += 1) reach = Math.max(reach, Math.hypot(xyz[3 * k], xyz[3 * k + 1], xyz[3 * k + 2]));
    return { xyz, kind, species: packed.z.map(([z]) => z), n: packed.n, reach };
  };

  const channels = (colour) => [1, 3, 5].map((k) => parseInt(colour.slice(k, k + 2), 16));
  const mixed = (a, b, share) => a.map((v, k) => v + (b[k] - v) * share);
  const disc = (colour, paper, haze, radius) => {
    const canvas = document.createElement("canvas");
    const size = canvas.width = canvas.height = Math.max(2, Math.ceil(2 * radius) + 2);
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const middle = size / 2;
    const tone = (light, amount) => `rgb(${mixed(mixed(colour, light, amount), paper, haze).map(Math.round).join(",")})`;
    const shade = pen.createRadialGradient(middle - radius * 0.3, middle - radius * 0.35, 0, middle, middle, radius);
    shade.addColorStop(0, tone([255, 255, 255], 0.45));
    shade.addColorStop(0.55, tone(colour, 0));
    shade.addColorStop(1, tone([0, 0, 0], 0.45));
    pen.fillStyle = shade;
    pen.beginPath();
    pen.arc(middle, middle, radius, 0, 2 * Math.PI);
    pen.fill();
    return canvas;
  };

  // The pixels of a disc, read back once: thousands of copies are faster by hand than by the canvas.
  const pixelsOf = (image) => {
    if (!image.stamped) {
      const data = image.getContext("2d").getImageData(0, 0, image.width, image.width).data;
      image.stamped = new Uint32Array(data.buffer);
      for (let k = 0; k < image.stamped.length; k += 1) {
        // Opaque or nothing, so that a later disc simply replaces an earlier one.
        if (data[4 * k + 3] > 127) data[4 * k + 3] = 255; else image.stamped[k] = 0;
      }
    }
    return image.stamped;
  };
  const stamp = (pen, wide, high, order, imageOf, px, py) => {
    const frame = pen.createImageData(wide, high);
    const target = new Uint32Array(frame.data.buffer);
    for (const k of order) {
      const image = imageOf(k);
      const size = image.width;
      const source = pixelsOf(image);
      const [left, top] = [Math.round(px[k] - size / 2), Math.round(py[k] - size / 2)];
      const [first, last] = [Math.max(0, -left), Math.min(size, wide - left)];
      for (let y = Math.max(0, -top); y < Math.min(size, high - top); y += 1) {
        const row = (top + y) * wide + left;
        for (let x = first; x < last; x += 1) {
          const pixel = source[y * size + x];
          if (pixel) target[row + x] = pixel;
        }
      }
    }
    pen.putImageData(frame, 0, 0);
  };

  const product = (a, b) => {
    const out = new Float64Array(9);
    for (let i = 0; i < 3; i += 1) for (let j = 0; j < 3; j += 1) {
      for (let k = 0; k < 3; k += 1) out[3 * i + j] += a[3 * i + k] * b[3 * k + j];
    }
    return out;
  };
  const turn = (axis, angle) => {
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    return axis === "x" ? [1, 0, 0, 0, c, -s, 0, s, c] : [c, 0, s, 0, 1, 0, -s, 0, c];
  };
  const start = () => product(turn("x", 0.35), turn("y", -0.5));

  class Cloud extends Turning {
    constructor(box, data) {
      super(12);
      this.keys = { c: () => this.cut(), C: () => this.cut() };
      this.box = box;
      this.data = data;
      this.views = data.models[Number(box.dataset.model)];
      this.canvases = [...box.querySelectorAll("canvas")];
      this.unpacked = new Map();
      this.discs = new Map();
      this.half = false;
      this.reset();
      for (const button of box.querySelectorAll("[data-case]")) {
        button.addEventListener("click", () => this.choose(Number(button.dataset.case)));
      }
      this.cutter = box.querySelector("[data-cut]");
      this.cutter.addEventListener("click", () => this.cut());
      for (const canvas of this.canvases) this.listen(canvas);
      document.addEventListener("matscale:theme", () => { this.discs.clear(); this.ask(); });
      // Nothing is unpacked or drawn before it is on the screen.
      this.seen = false;
      new IntersectionObserver((entries, watch) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        watch.disconnect();
        this.seen = true;
        this.choose(0);
        const sizes = new ResizeObserver(() => this.ask());
        for (const canvas of this.canvases) sizes.observe(canvas);
      }, { rootMargin: "300px" }).observe(box);
    }
    reset() {
      this.matrix = start();
      this.zoom = 1;
    }
    particle(key) {
      if (!this.unpacked.has(key)) this.unpacked.set(key, unpack(this.data.particles[key]));
      return this.unpacked.get(key);
    }
    choose(index) {
      const one = this.views[index];
      this.sides = Object.fromEntries(["target", "predicted"].map((side) => [side, this.particle(one[side].key)]));
      // One scale for both; a prediction that flies apart may at most shrink the truth to a third.
      const truth = this.sides.target.reach;
      this.reach = Math.min(Math.max(truth, this.sides.predicted.reach), 3 * truth) + 1;
      for (const canvas of this.canvases) {
        const side = canvas.dataset.side;
        const shown = one[side];
        const figure = canvas.closest("figure");
        figure.querySelector(".formula").textContent = shown.formula;
        const atoms = shown.atoms.toLocaleString("en");
        figure.querySelector(".cellfacts").textContent = `${shown.drawn.toLocaleString("en")} of ${atoms} atoms shown`;
        canvas.setAttribute("aria-label", `${side === "target" ? "True" : "Predicted"} particle ${one.id}: ${shown.formula}, ${atoms} atoms. Arrow keys turn, plus and minus zoom, C cuts in half, 0 resets.`);
      }
      this.box.querySelector(".casefacts").textContent = `${one.id}: ${one.facts.join(", ")}`;
      for (const button of this.box.querySelectorAll("[data-case]")) {
        button.setAttribute("aria-pressed", String(Number(button.dataset.case) === index));
      }
      this.legend();
      this.ask();
    }
    legend() {
      const species = new Set(Object.values(this.sides).flatMap((side) => side.species));
      const entries = [...species].sort((a, b) => a - b).map((z) => {
        const entry = document.createElement("span");
        const mark = document.createElement("i");
        mark.style.background = this.data.elements[z][1];
        entry.append(mark, this.data.elements[z][0]);
        return entry;
      });
      this.box.querySelector(".atoms").replaceChildren(...entries);
    }
    cut() {
      this.half = !this.half;
      this.cutter.setAttribute("aria-pressed", String(this.half));
      this.ask();
    }
    ask() {
      if (this.asked || !this.seen) return;
      this.asked = true;
      requestAnimationFrame(() => {
        this.asked = false;
        for (const canvas of this.canvases) this.draw(canvas);
      });
    }
    disc(z, tint, radius, paper) {
      const size = Math.max(0.6, Math.round(radius * 2) / 2);
      const key = `${z} ${tint} ${size}`;
      if (!this.discs.has(key)) {
        if (this.discs.size > 3000) this.discs.clear();
        const colour = channels(this.data.elements[z][1]);
        this.discs.set(key, disc(colour, paper, 0.62 * tint / (TINTS - 1), size));
      }
      return this.discs.get(key);
    }
    draw(canvas) {
      const ratio = Math.min(window.devicePixelRatio || 1, 2);
      const [wide, high] = [canvas.clientWidth, canvas.clientHeight].map((size) => Math.round(size * ratio));
      if (!wide || !this.sides) return;
      if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
      const pen = canvas.getContext("2d");
      pen.clearRect(0, 0, wide, high);
      const { xyz, kind, species, n } = this.sides[canvas.dataset.side];
      const unit = (Math.min(wide, high) / 2 - 8 * ratio) / this.reach * this.zoom;
      const paper = channels(getComputedStyle(canvas).getPropertyValue("--raise").trim());
      const m = this.matrix;
      const bin = new Uint16Array(n);
      const starts = new Uint32Array(BINS + 1);
      const [px, py] = [new Float32Array(n), new Float32Array(n)];
      for (let k = 0; k < n; k += 1) {
        const [x, y, z] = [xyz[3 * k], xyz[3 * k + 1], xyz[3 * k + 2]];
        if (this.half && x > 0.01) { bin[k] = BINS; continue; }
        px[k] = wide / 2 + unit * (m[0] * x + m[1] * y + m[2] * z);
        py[k] = high / 2 - unit * (m[3] * x + m[4] * y + m[5] * z);
        const depth = (m[6] * x + m[7] * y + m[8] * z) / this.reach;
        const place = bin[k] = Math.min(BINS - 1, Math.max(0, Math.floor((depth + 1) / 2 * BINS)));
        starts[place + 1] += 1;
      }
      for (let k = 0; k < BINS; k += 1) starts[k + 1] += starts[k];
      const order = new Uint32Array(starts[BINS]);
      const next = starts.slice(0, BINS);
      for (let k = 0; k < n; k += 1) if (bin[k] < BINS) { order[next[bin[k]]] = k; next[bin[k]] += 1; }
      const images = species.map((z) => {
        const radius = radiusOf(this.data.elements[z][2]) * unit;
        return Array.from({ length: TINTS }, (_, near) => this.disc(z, TINTS - 1 - near, radius, paper));
      });
      if (order.length > MANY) {
        stamp(pen, wide, high, order, (k) => images[kind[k]][Math.floor(bin[k] / BINS * TINTS)], px, py);
        return;
      }
      for (const k of order) {
        const image = images[kind[k]][Math.floor(bin[k] / BINS * TINTS)];
        pen.drawImage(image, px[k] - image.width / 2, py[k] - image.width / 2);
      }
    }
    rotate(dx, dy) {
      this.matrix = product(product(turn("x", dy), turn("y", dx)), this.matrix);
      this.ask();
    }
  }

  for (const box of document.querySelectorAll(".cloud")) {
    const data = JSON.parse(document.getElementById(`${box.dataset.section}-clouds`).textContent);
    new Cloud(box, data);
  }
})();
