"use strict";
// Two crystals side by side on one scale, turned together: a painter's algorithm on a 2D canvas.
(() => {
  const start = () => multiply(turn("x", -1.22), turn("z", -0.42));
  const turn = (axis, angle) => {
    const c = Math.cos(angle);
    const s = Math.sin(angle);
    if (axis === "x") return [[1, 0, 0], [0, c, -s], [0, s, c]];
    if (axis === "y") return [[c, 0, s], [0, 1, 0], [-s, 0, c]];
    return [[c, -s, 0], [s, c, 0], [0, 0, 1]];
  };
  const multiply = (a, b) => a.map((row) => [0, 1, 2].map((k) => row[0] * b[0][k] + row[1] * b[1][k] + row[2] * b[2][k]));
  const apply = (m, v) => m.map((row) => row[0] * v[0] + row[1] * v[1] + row[2] * v[2]);
  const add = (...vs) => [0, 1, 2].map((k) => vs.reduce((sum, v) => sum + v[k], 0));
  const scaled = (v, s) => v.map((x) => x * s);
  const mix = (a, b, t) => a.map((x, k) => x + (b[k] - x) * t);

  const PIECES = 24;
  const SIZE = 0.42; // drawn radius of an atom over its covalent radius
  const apart = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

  const sprites = new Map();
  const sprite = (colour) => {
    if (sprites.has(colour)) return sprites.get(colour);
    const size = 96;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = size;
    const pen = canvas.getContext("2d");
    const r = size / 2 - 1;
    pen.beginPath();
    pen.arc(size / 2, size / 2, r, 0, 2 * Math.PI);
    pen.fillStyle = colour;
    pen.fill();
    const light = pen.createRadialGradient(size * 0.36, size * 0.32, r * 0.05, size / 2, size / 2, r);
    light.addColorStop(0, "rgba(255,255,255,.75)");
    light.addColorStop(0.4, "rgba(255,255,255,.08)");
    light.addColorStop(0.75, "rgba(0,0,0,.10)");
    light.addColorStop(1, "rgba(0,0,0,.48)");
    pen.fillStyle = light;
    pen.fill();
    sprites.set(colour, canvas);
    return canvas;
  };

  // Twelve edges of a cell in short pieces, so that each piece sorts by its own depth.
  const edges = (cell) => {
    const found = [];
    const corners = [0, 1];
    for (let axis = 0; axis < 3; axis += 1) {
      const [p, q] = [0, 1, 2].filter((k) => k !== axis);
      for (const i of corners) for (const j of corners) {
        const from = add(scaled(cell[p], i), scaled(cell[q], j));
        for (let k = 0; k < PIECES; k += 1) {
          found.push([add(from, scaled(cell[axis], k / PIECES)), add(from, scaled(cell[axis], (k + 1) / PIECES))]);
        }
      }
    }
    return found;
  };
  const centre = (drawn) => {
    if (drawn.cell) return scaled(add(...drawn.cell), 0.5);
    return scaled(add(...drawn.atoms.map((atom) => atom.slice(1))), 1 / drawn.atoms.length);
  };
  const reach = (drawn, elements) => {
    const middle = centre(drawn);
    const corners = drawn.cell ? edges(drawn.cell).map(([from]) => [0, ...from]) : [];
    const far = (atom) => Math.hypot(...[1, 2, 3].map((k) => atom[k] - middle[k - 1])) + (atom[0] ? elements[atom[0]][2] * SIZE : 0);
    return Math.max(1, ...drawn.atoms.map(far), ...corners.map(far));
  };

  class Side {
    constructor(canvas, viewer) {
      this.canvas = canvas;
      this.viewer = viewer;
      this.pen = canvas.getContext("2d");
    }
    set(drawn) {
      this.drawn = drawn;
      this.middle = centre(drawn);
      const radius = (atom) => this.viewer.elements[atom[0]][2] * SIZE;
      // What lies inside an atom is not drawn, or lines would run over the spheres.
      const inside = (at) => drawn.atoms.some((atom) => apart(at, atom.slice(1)) < radius(atom));
      this.edges = drawn.cell ? edges(drawn.cell).filter(([a, b]) => !inside(mix(a, b, 0.5))) : [];
      this.bonds = drawn.bonds.map(([i, j]) => {
        const [p, q] = [drawn.atoms[i].slice(1), drawn.atoms[j].slice(1)];
        const long = apart(p, q);
        const [from, to] = [mix(p, q, Math.min(0.5, radius(drawn.atoms[i]) / long)), mix(q, p, Math.min(0.5, radius(drawn.atoms[j]) / long))];
        return { from, to, middle: mix(from, to, 0.5), first: drawn.atoms[i][0], second: drawn.atoms[j][0] };
      });
    }
    items(matrix) {
      const place = (v) => apply(matrix, v.map((x, k) => x - this.middle[k]));
      const { elements } = this.viewer;
      const items = [];
      for (const [from, to] of this.edges) items.push({ kind: "edge", from: place(from), to: place(to) });
      const points = this.drawn.atoms.map((atom) => place(atom.slice(1)));
      for (const bond of this.bonds) {
        const [from, half, to] = [bond.from, bond.middle, bond.to].map(place);
        items.push({ kind: "bond", from, to: half, z: bond.first });
        items.push({ kind: "bond", from: half, to, z: bond.second });
      }
      points.forEach((at, k) => {
        const [, colour, radius] = elements[this.drawn.atoms[k][0]];
        items.push({ kind: "atom", from: at, to: at, colour, radius: radius * SIZE });
      });
      for (const item of items) item.depth = (item.from[2] + item.to[2]) / 2;
      return items.sort((a, b) => a.depth - b.depth);
    }
    draw() {
      const { canvas, pen, viewer } = this;
      const ratio = window.devicePixelRatio || 1;
      const wide = canvas.clientWidth;
      const high = canvas.clientHeight;
      if (!wide || !this.drawn) return;
      if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(high * ratio)) {
        canvas.width = Math.round(wide * ratio);
        canvas.height = Math.round(high * ratio);
      }
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, wide, high);
      const unit = (Math.min(wide, high) / 2 - 10) / viewer.reach * viewer.zoom;
      const x = (v) => wide / 2 + v[0] * unit;
      const y = (v) => high / 2 - v[1] * unit;
      const style = getComputedStyle(canvas);
      const ink = style.getPropertyValue("--ink");
      const paper = style.getPropertyValue("--raise");
      for (const item of this.items(viewer.matrix)) {
        // Farther lines are paler; spheres stay as they are and hide what is behind them.
        const near = 0.5 + item.depth / (2 * viewer.reach);
        if (item.kind === "atom") {
          const r = item.radius * unit;
          pen.drawImage(sprite(item.colour), x(item.from) - r, y(item.from) - r, 2 * r, 2 * r);
          continue;
        }
        pen.lineCap = item.kind === "edge" ? "butt" : "round";
        pen.globalAlpha = item.kind === "edge" ? 0.25 + 0.6 * near : 0.45 + 0.5 * near;
        pen.strokeStyle = item.kind === "edge" ? ink : viewer.elements[item.z][1];
        pen.lineWidth = item.kind === "edge" ? 1.2 : Math.max(1.2, 0.085 * unit);
        pen.beginPath();
        pen.moveTo(x(item.from), y(item.from));
        pen.lineTo(x(item.to), y(item.to));
        pen.stroke();
        pen.globalAlpha = 1;
      }
      if (this.drawn.cell) this.axes(pen, x, y, viewer.matrix, ink, paper);
    }
    axes(pen, x, y, matrix, ink, paper) {
      pen.fillStyle = ink;
      pen.strokeStyle = paper;
      pen.lineWidth = 3;
      pen.lineJoin = "round";
      pen.font = "italic 13px serif";
      pen.textAlign = "center";
      pen.textBaseline = "middle";
      this.drawn.cell.forEach((vector, k) => {
        const long = Math.hypot(...vector);
        const end = scaled(vector, 1 + 1.1 / long);
        const at = apply(matrix, end.map((v, i) => v - this.middle[i]));
        pen.strokeText("abc"[k], x(at), y(at));
        pen.fillText("abc"[k], x(at), y(at));
      });
    }
  }

  class Viewer extends Turning {
    constructor(box, data) {
      super(8);
      this.box = box;
      this.cases = data.models[box.dataset.model];
      this.elements = data.elements;
      this.sides = [...box.querySelectorAll("canvas")].map((canvas) => new Side(canvas, this));
      this.reset();
      this.choose(0);
      for (const button of box.querySelectorAll("[data-case]")) {
        button.addEventListener("click", () => this.choose(Number(button.dataset.case)));
      }
      for (const side of this.sides) this.listen(side.canvas);
      const watch = new ResizeObserver(() => this.ask());
      for (const side of this.sides) watch.observe(side.canvas);
      document.addEventListener("matscale:theme", () => this.ask());
    }
    reset() {
      this.matrix = start();
      this.zoom = 1;
    }
    choose(index) {
      const one = this.cases[index];
      this.reach = Math.max(...["target", "predicted"].map((side) => reach(one[side], this.elements)));
      for (const side of this.sides) {
        const drawn = one[side.canvas.dataset.side];
        side.set(drawn);
        const figure = side.canvas.closest("figure");
        figure.querySelector(".formula").textContent = drawn.formula;
        figure.querySelector(".cellfacts").textContent = this.facts(drawn);
        side.canvas.setAttribute("aria-label", `${figure.querySelector(".side").textContent}: ${drawn.formula}, ${this.facts(drawn)}. Arrow keys turn, plus and minus zoom, 0 resets.`);
      }
      this.box.querySelector(".casefacts").textContent = `${one.id}: ${one.facts.join(", ")}`;
      for (const button of this.box.querySelectorAll("[data-case]")) {
        button.setAttribute("aria-pressed", String(Number(button.dataset.case) === index));
      }
      this.legend(one);
      this.ask();
    }
    facts(drawn) {
      const count = `${drawn.n} atom${drawn.n === 1 ? "" : "s"}`;
      if (!drawn.cell) return count;
      const [a, b, c] = drawn.lengths.map((v) => v.toFixed(2));
      const angles = drawn.angles.map((v) => `${v.toFixed(1)}°`).join(", ");
      return `${count}; a, b, c ${a}, ${b}, ${c} Å; α, β, γ ${angles}; ${drawn.volume.toFixed(1)} Å³ an atom`;
    }
    legend(one) {
      const numbers = new Set([...one.target.atoms, ...one.predicted.atoms].map((atom) => atom[0]));
      const entries = [...numbers].sort((a, b) => a - b).map((z) => {
        const entry = document.createElement("span");
        const mark = document.createElement("i");
        mark.style.background = this.elements[z][1];
        entry.append(mark, this.elements[z][0]);
        return entry;
      });
      this.box.querySelector(".atoms").replaceChildren(...entries);
    }
    ask() {
      if (this.asked) return;
      this.asked = true;
      requestAnimationFrame(() => {
        this.asked = false;
        for (const side of this.sides) side.draw();
      });
    }
    rotate(dx, dy) {
      this.matrix = multiply(multiply(turn("x", dy), turn("y", dx)), this.matrix);
      this.ask();
    }
  }

  for (const box of document.querySelectorAll(".viewer")) {
    const data = JSON.parse(document.getElementById(`${box.dataset.section}-data`).textContent);
    new Viewer(box, data);
  }
})();
