"use strict";
// What fingers, the wheel and keys do to a picture that turns and zooms. Who extends this has
// rotate, reset and ask, which draws the next frame.
class Turning {
  constructor(largest) {
    this.largest = largest;
    this.fingers = new Map();
    this.keys = {};
  }
  zoomBy(factor) {
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.4), this.largest);
    this.ask();
  }
  listen(canvas) {
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.fingers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => this.fingers.delete(event.pointerId));
    }
    canvas.addEventListener("keydown", (event) => this.key(event));
    // The wheel zooms only a canvas that has the focus, so that the page still scrolls over it.
    canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== canvas) return;
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY * 0.0015));
    }, { passive: false });
    canvas.addEventListener("dblclick", () => { this.reset(); this.ask(); });
  }
  move(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    const now = [event.clientX, event.clientY];
    const other = [...this.fingers].find(([id]) => id !== event.pointerId);
    if (other) {
      const span = (a) => Math.hypot(a[0] - other[1][0], a[1] - other[1][1]) || 1;
      this.zoomBy(span(now) / span(before));
    } else {
      this.rotate((now[0] - before[0]) * 0.01, (now[1] - before[1]) * 0.01);
    }
    this.fingers.set(event.pointerId, now);
  }
  key(event) {
    const step = 0.12;
    const actions = {
      ArrowLeft: () => this.rotate(-step, 0), ArrowRight: () => this.rotate(step, 0),
      ArrowUp: () => this.rotate(0, -step), ArrowDown: () => this.rotate(0, step),
      "+": () => this.zoomBy(1.15), "=": () => this.zoomBy(1.15), "-": () => this.zoomBy(1 / 1.15),
      0: () => { this.reset(); this.ask(); },
      ...this.keys,
    };
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    action();
  }
}
