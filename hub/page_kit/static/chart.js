// <ilot-chart>: a picture of the table it stands beside, or of one to eight series of /api/1/history. Silences stay
// silences, however long the time shown. Where it can ask for more: zoom and move by buttons, keys, wheel and fingers,
// the day or the week before beneath, the limits of the rules that judge it, and the picture as a file. Without this
// script the table says the same.
"use strict";

customElements.define("ilot-chart", class extends HTMLElement {
  static BOTTOM = 24; static TOP = 10; static GAP = 14; static RIGHT = 8;
  static POINTS = 400; static BINS = 100; static LEAST = 60; static DAY = 86400; static LETTER = 6.4;

  connectedCallback() {
    this.french = document.documentElement.lang === "fr";
    this.zone = this.dataset.zone || undefined;
    this.bars = this.getAttribute("kind") === "bars";
    this.words = JSON.parse(this.dataset.words || "{}");
    this.raised = JSON.parse(this.dataset.raised || "[]");
    this.limits = JSON.parse(this.dataset.limits || "[]");
    const one = { label: this.dataset.label || "", unit: this.dataset.unit || "", src: this.dataset.src || "" };
    if (this.dataset.yes !== undefined) one.words = [this.dataset.no, this.dataset.yes];
    this.series = JSON.parse(this.dataset.series || "null") || [one];
    for (const each of this.series) Object.assign(each, { points: [], gaps: null, spread: [] });
    this.series[0].points = this.fromTable();
    this.before = 0;  // seconds that the dashed line is behind
    const points = this.series[0].points;
    const begin = Number(this.dataset.from) || (points.length ? points[0].at : 0);
    this.whole = [begin, Math.max(Number(this.dataset.to) || 0, points.length ? points[points.length - 1].at : 0, begin + 1)];
    this.view = [...this.whole];
    this.build();
    this.draw();
    if (!this.bars && this.series.some((each) => each.src)) this.load();
  }

  fromTable() {
    const rows = document.querySelectorAll(`#${CSS.escape(this.getAttribute("table") || "")} tr[data-t]`);
    const number = (text) => (text === undefined || text === "" ? null : Number(text));
    return [...rows].map((row) => ({
      at: Number(row.dataset.t), value: number(row.dataset.v), low: number(row.dataset.low), high: number(row.dataset.high),
      part: number(row.dataset.est) || 0,
    }));
  }

  // -- what is asked of the hub

  async load() {
    if (this.asking) this.asking.abort();
    const { signal } = (this.asking = new AbortController());
    const [begin, end] = this.view, wanted = this.series.filter((each) => each.src);
    try {
      await Promise.all(wanted.map(async (each) => {
        const found = await this.ask(each.src, begin, end, signal);
        const past = this.before ? await this.ask(each.src, begin - this.before, end - this.before, signal) : null;
        if (signal.aborted || !found) return;
        if (found.points.length) Object.assign(each, found);
        each.past = past ? past.points.map((point) => ({ ...point, at: point.at + this.before })) : null;
      }));
    } catch { return; }  // the hub does not answer, or another view is asked for: what is drawn stays
    if (!signal.aborted) this.draw();
  }

  async ask(src, begin, end, signal) {
    const url = new URL(src, location.href);
    for (const [name, value] of [["from", Math.floor(begin)], ["to", Math.ceil(end)], ["points", this.constructor.POINTS]]) url.searchParams.set(name, value);
    const answer = await fetch(url, { signal, credentials: "same-origin", headers: { Accept: "application/json" } });
    if (!answer.ok) return null;
    const { line, gaps, spread, counter, cells } = await answer.json();
    if (counter) return { points: cells.map(([at, value]) => ({ at, value, low: null, high: null, part: 0 })), gaps: null, spread: [], stairs: true };
    return { points: line.map(([at, value]) => ({ at, value, low: null, high: null, part: 0 })), gaps, spread: spread || [] };
  }

  look(begin, end) {  // show another stretch of time: what is known of it at once, the rest when the hub has answered
    const { LEAST, DAY } = this.constructor, now = Math.max(Date.now() / 1000, this.whole[1]);
    const span = Math.min(Math.max(end - begin, LEAST), 366 * DAY);
    const first = Math.max(0, Math.min((begin + end - span) / 2, now - span));
    this.view = [first, first + span];
    this.draw();
    clearTimeout(this.later);
    this.later = setTimeout(() => this.load(), 200);
  }

  zoom(by, at = (this.view[0] + this.view[1]) / 2) {
    this.look(at - (at - this.view[0]) * by, at + (this.view[1] - at) * by);
  }

  move(part) {
    const by = (this.view[1] - this.view[0]) * part;
    this.look(this.view[0] + by, this.view[1] + by);
  }

  // -- what stays while the picture changes

  build() {
    this.svg = this.make("svg", { role: "img", tabindex: "0", focusable: "true", "aria-label": this.dataset.label || "" });
    this.said = document.createElement("p");
    this.said.className = "help";
    this.said.setAttribute("aria-live", "polite");
    this.said.textContent = this.dataset.help || "";
    this.where = -1;
    this.replaceChildren(this.svg, ...this.legend(), this.said);
    this.svg.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["pointerdown", "pointermove"]) this.svg.addEventListener(name, (event) => this.pointed(event));
    if (this.bars || !this.series.some((each) => each.src)) return;
    const bar = document.createElement("p");
    bar.className = "tools screen";
    const button = (name, sign, act, pressed) => {
      const made = document.createElement("button");
      made.type = "button";
      made.className = "second";
      made.textContent = sign || this.words[name];
      if (sign) { made.title = this.words[name]; made.setAttribute("aria-label", this.words[name]); }
      if (pressed !== undefined) made.setAttribute("aria-pressed", "false");
      made.addEventListener("click", () => act(made));
      bar.append(made, " ");
      return made;
    };
    button("zoom-in", "+", () => this.zoom(0.5));
    button("zoom-out", "\u2212", () => this.zoom(2));
    button("earlier", "\u2190", () => this.move(-0.5));
    button("later", "\u2192", () => this.move(0.5));
    button("whole", "", () => this.look(...this.whole));
    const choices = ["day-before", "week-before"].map((name, index) => button(name, "", (made) => {
      const seconds = (index ? 7 : 1) * this.constructor.DAY;
      this.before = this.before === seconds ? 0 : seconds;
      for (const each of choices) each.setAttribute("aria-pressed", String(each === made && this.before > 0));
      for (const each of this.series) each.past = null;
      this.load();
    }, false));
    button("picture", "", () => this.save());
    this.append(bar);
    this.fingers();
  }

  legend() {  // of several series: a piece of each line and its name
    if (this.series.length < 2) return [];
    const list = document.createElement("ul");
    list.className = "legend";
    this.series.forEach((each, order) => {
      const row = document.createElement("li"), piece = this.make("svg", { viewBox: "0 0 32 10", width: 32, height: 10, "aria-hidden": "true" });
      piece.append(this.make("path", { class: `trace s${order}`, d: "M0 5H32" }));
      row.append(piece, ` ${order + 1}. ${each.label}`);
      list.append(row);
    });
    return [list];
  }

  fingers() {
    const down = new Map();
    let view = null, start = null, along = false;
    const begin = () => {
      view = [...this.view]; along = false;
      start = new Map([...down].map(([id, event]) => [id, event]));
    };
    this.svg.addEventListener("pointerdown", (event) => { down.set(event.pointerId, event); begin(); });
    this.svg.addEventListener("pointermove", (event) => {
      if (!down.has(event.pointerId)) return;
      down.set(event.pointerId, event);
      const box = this.svg.getBoundingClientRect(), second = (view[1] - view[0]) / (box.width || 1);
      const xs = [...down.values()].map((one) => one.clientX), before = [...start.values()].map((one) => one.clientX);
      const far = Math.abs(xs[0] - before[0]), aside = Math.abs(event.clientY - [...start.values()][0].clientY);
      along ||= far > (event.pointerType === "touch" ? 10 : 4) && far > aside * 1.5;  // down and up is the page's to scroll
      if (xs.length === 1 && along) {
        const by = (before[0] - xs[0]) * second;
        this.look(view[0] + by, view[1] + by);
      } else if (xs.length === 2) {
        const part = Math.abs(before[0] - before[1]) / Math.max(20, Math.abs(xs[0] - xs[1]));
        const at = view[0] + ((before[0] + before[1]) / 2 - box.left) * second;
        this.look(at - (at - view[0]) * part, at + (view[1] - at) * part);
      }
    });
    this.svg.addEventListener("pointercancel", () => { if (view && down.size === 1 && along) this.look(...view); });  // the page scrolls
    for (const name of ["pointerup", "pointercancel", "pointerleave"]) {
      this.svg.addEventListener(name, (event) => { down.delete(event.pointerId); if (down.size) begin(); });
    }
    this.svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;  // the page scrolls otherwise
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.time(event.clientX));
    }, { passive: false });
  }

  key(event) {
    const by = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10 }[event.key];
    const more = !this.bars && this.series.some((each) => each.src);
    if (by && event.shiftKey && more) this.move(Math.sign(by) * 0.25);
    else if (by) this.show(this.where + by);
    else if (event.key === "Home") this.show(0);
    else if (event.key === "End") this.show(Infinity);
    else if (event.key === "+" && more) this.zoom(0.5, this.cursorTime());
    else if (event.key === "-" && more) this.zoom(2, this.cursorTime());
    else if (event.key === "0" && more) this.look(...this.whole);
    else return;
    event.preventDefault();
  }

  cursorTime() {
    const point = this.seen()[this.where];
    return point ? point.at : (this.view[0] + this.view[1]) / 2;
  }

  pointed(event) {
    const at = this.time(event.clientX) - this.width / 2, points = this.seen();
    let best = 0;
    points.forEach((point, index) => { if (Math.abs(point.at - at) < Math.abs(points[best].at - at)) best = index; });
    if (points.length) this.show(best);
  }

  time(clientX) {
    const box = this.svg.getBoundingClientRect(), { LEFT, W, begin, end } = this.scale;
    return begin + (((clientX - box.left) / box.width) * W - LEFT) / (W - LEFT - this.constructor.RIGHT) * (end - begin);
  }

  seen() {  // the moments in sight: points of the one series, or of all, none closer than a pixel
    const { begin, end } = this.scale || { begin: -Infinity, end: Infinity };
    const inside = (each) => each.points.filter((point) => point.at >= begin - this.width && point.at <= end);
    if (this.series.length < 2) return inside(this.series[0]);
    const least = (end - begin) / 900;
    let last = -Infinity;
    return this.series.flatMap(inside).sort((one, other) => one.at - other.at).filter((point) => point.at - last >= least && ((last = point.at) || true));
  }

  show(index) {
    const points = this.seen();
    if (!points.length || !this.cursor) return;
    this.where = Math.max(0, Math.min(points.length - 1, index));
    const point = points[this.where], x = this.scale.x(point.at + this.width / 2);
    this.cursor.setAttribute("x1", x); this.cursor.setAttribute("x2", x);
    const colon = this.french ? "\u00a0: " : ": ";
    const said = this.series.map((each) => {
      const one = this.series.length > 1 ? this.near(each.points, point.at) : point;
      const guess = one && one.part ? ` (${this.dataset.est} ${this.number(one.part)})` : "";
      const name = this.series.length > 1 ? `${each.label}${colon}` : "";
      const past = each.past && this.near(each.past, point.at);
      const then = past ? ` (${this.words[this.before > this.constructor.DAY ? "week-before" : "day-before"]}${colon}${this.number(past.value, each.words)})` : "";
      return `${name}${one && one.value !== null ? `${this.number(one.value, each.words)}\u202f${each.unit}` : this.dataset.gap}${guess}${then}`;
    });
    this.said.textContent = `${this.long(point.at)}${colon}${said.join(" · ")}`;
  }

  near(points, at) {  // the point next to a moment, if there is one within two hundredths of the view
    let best = null;
    for (const point of points) if (point.value !== null && (!best || Math.abs(point.at - at) < Math.abs(best.at - at))) best = point;
    return best && Math.abs(best.at - at) <= Math.max(this.width, (this.view[1] - this.view[0]) / 50) ? best : null;
  }

  // -- the picture

  draw() {
    const { BOTTOM, TOP, GAP, RIGHT } = this.constructor;
    const W = Math.max(300, Math.min(900, this.clientWidth || 720));
    const kind = (each) => (each.words ? each.words.join() : each.unit), units = [...new Set(this.series.map(kind))];
    const height = units.length > 1 ? 140 : 186;
    const panels = units.map((unit, order) => this.panel(this.series.filter((each) => kind(each) === unit), TOP + order * (height + GAP), height)).filter((one) => one);
    if (!panels.length) { this.svg.replaceChildren(); return; }
    const [begin, last] = this.view, points = this.series[0].points;
    this.width = this.bars ? (points[1] ? points[1].at - points[0].at : 3600) : 0;
    const end = this.bars ? Math.max(last, points[points.length - 1].at + this.width) : last;
    const LEFT = 16 + 7 * Math.max(...panels.flatMap((one) => one.steps.map((step) => one.label(step).length)));
    const x = (at) => LEFT + ((at - begin) / (end - begin)) * (W - LEFT - RIGHT);
    this.scale = { LEFT, W, begin, end, x };
    const H = panels[panels.length - 1].bottom + BOTTOM;
    this.svg.setAttribute("viewBox", `0 0 ${W} ${H}`);
    this.svg.setAttribute("aria-label", this.series.map((each) => this.summary(each)).join(" · "));
    const clip = this.make("clipPath", { id: `${this.getAttribute("table") || "chart"}-plot` });
    clip.append(this.make("rect", { x: LEFT, y: 0, width: W - LEFT - RIGHT, height: H }));
    const drawn = [clip];
    for (const one of panels) {
      for (const step of one.steps) {
        drawn.push(this.make("line", { class: "grid", x1: LEFT, x2: W - RIGHT, y1: one.y(step), y2: one.y(step) }));
        drawn.push(this.make("text", { class: "axis", x: LEFT - 6, y: one.y(step) + 4, "text-anchor": "end" }, one.label(step)));
      }
      const plot = this.make("g", { "clip-path": `url(#${clip.id})` });
      if (this.bars) this.drawBars(plot, one, x);
      else this.drawLines(plot, one, x);
      drawn.push(plot);
      this.drawLimits(drawn, one, LEFT, W - RIGHT);
    }
    for (const at of this.marks(begin, end, W)) {
      drawn.push(this.make("text", { class: "axis", x: x(at), y: H - 6, "text-anchor": "middle" }, this.short(at, end - begin)));
    }
    this.cursor = this.make("line", { class: "cursor", y1: TOP, y2: H - BOTTOM, x1: -9, x2: -9 });
    this.svg.replaceChildren(...drawn, this.cursor);
  }

  panel(series, top, height) {
    const [begin, end] = this.view, bottom = top + height;
    const inside = (points) => this.bars ? points : points.filter((point, index) => point.at >= begin && point.at <= end
      || (points[index + 1] && points[index + 1].at >= begin && point.at < begin) || (points[index - 1] && points[index - 1].at <= end && point.at > end));
    const all = series.flatMap((each) => [
      ...inside(each.points).flatMap((point) => [point.value, ...(each.src ? [] : [point.low, point.high])]),
      ...inside(each.past || []).map((point) => point.value),
      ...each.spread.filter(([at]) => at >= begin && at <= end).flatMap(([, low, high]) => [low, high]),
    ]).filter((one) => one !== null);
    if (!all.length) {
      if (this.bars || !series.some((each) => each.points.length)) return null;
      all.push(...series.flatMap((each) => each.points.map((point) => point.value)).filter((one) => one !== null));
      if (!all.length) return null;
    }
    let low = Math.min(...all), high = Math.max(...all);
    if (this.bars) low = Math.min(0, low);
    if (high === low) {  // what never changed stands in the middle, not on the edge; below nothing is nothing
      high = low + 1;
      if (!this.bars) low = low > 0 ? Math.max(0, low - 1) : low && low - 1;
    }
    const { words } = series[0], flag = words !== undefined, reach = Math.max(high - low, Math.abs(high) / 20);
    const limits = this.bars || flag ? [] : this.limits.filter((one) => one.unit === series[0].unit && (one.always || (one.at >= low - reach && one.at <= high + reach)));
    for (const { at } of limits) { low = Math.min(low, at); high = Math.max(high, at); }  // those that are near
    const steps = flag ? [0, 1] : this.ticks(low, high);
    if (flag) { low = -0.1; high = 1.1; }
    if (!this.bars && !flag) low = Math.min(low, steps[0]);
    high = Math.max(high, steps[steps.length - 1]);
    const unit = series[0].unit, most = steps[steps.length - 1];
    const label = (step) => (step === most && unit ? `${this.number(step, words)}\u202f${unit}` : this.number(step, words));
    const y = (value) => top + (1 - (value - low) / (high - low)) * height;
    return { series, top, bottom, height, steps, label, y, flag, limits };
  }

  drawBars(plot, { series: [{ points }], y }, x) {
    points.forEach((point, index) => {
      if (point.value === null) return;
      const next = points[index + 1] ? points[index + 1].at : point.at + this.width;
      const box = { x: x(point.at) + 0.5, width: Math.max(1, x(next) - x(point.at) - 1) };
      plot.append(this.make("rect", { ...box, class: "bar", y: y(Math.max(point.value, 0)), height: Math.abs(y(point.value) - y(0)) }));
      if (point.part) plot.append(this.make("rect", { ...box, class: "guess", y: y(point.part), height: Math.abs(y(point.part) - y(0)) }));
    });
  }

  drawLines(plot, panel, x) {
    const { series, top, height, y, flag } = panel;
    const low = this.series.length > 1 && this.raised.length > 1;  // those of several would cover all
    for (const [from, to, severity, text] of this.raised) {  // when an alert was raised: a strip, and its sentence
      const strip = this.make("rect", { class: `raised ${severity}`, x: x(from), y: top, width: Math.max(2, x(to ?? this.view[1]) - x(from)), height: low ? 8 : height });
      strip.append(this.make("title", {}, text));
      plot.append(strip);
    }
    for (const [from, to] of series.length > 1 ? [] : series[0].gaps || this.holes(series[0].points)) {  // a short one in a long time is 2 pixels wide
      plot.append(this.make("rect", { class: x(to) - x(from) < 4 ? "hole thin" : "hole", x: x(from), width: Math.max(2, x(to) - x(from)), y: top, height }));
    }
    series.forEach((each) => {
      const order = this.series.indexOf(each), colour = `s${order}`;
      for (const [from, to] of this.series.length > 1 ? each.gaps || this.holes(each.points) : []) {  // of several: a dash each at the foot
        plot.append(this.make("rect", { class: `miss ${colour}`, x: x(from), width: Math.max(2, x(to) - x(from)), y: top + height - 4 * (series.indexOf(each) + 1), height: 3 }));
      }
      if (each.past) plot.append(this.make("path", { class: `trace before ${colour}`, d: this.path(each.past, x, y, flag) }));
      const { spread, means } = flag || each.stairs ? { spread: each.spread, means: each.points } : this.binned(each);
      for (const run of spread) plot.append(this.make("path", { class: `spread ${colour}`, d: this.area(run, x, y) }));
      plot.append(this.make("path", { class: `trace ${colour}`, d: this.path(means, x, y, flag || each.stairs) }));
      const known = each.points.filter((point) => point.value !== null);
      if (known.length < 60) for (const point of known) plot.append(this.make("circle", { class: `dot-mark ${colour}`, cx: x(point.at), cy: y(point.value), r: 2.5 }));
      if (this.series.length > 1) this.drawNumber(plot, means, order, x, y);
    });
  }

  drawNumber(plot, points, order, x, y) {  // of several series each bears its number, apart from the others' along the time
    const inside = (point) => point.value !== null && point.at >= this.view[0] && point.at <= this.view[1];
    const known = this.series.flatMap((each) => each.points.filter(inside).map((point) => point.at));
    const begin = known.reduce((one, other) => Math.min(one, other), Infinity), end = known.reduce((one, other) => Math.max(one, other), -Infinity);
    const at = begin + ((order + 1) / (this.series.length + 1)) * (end - begin);
    let best = null;
    for (const point of points) if (inside(point) && (!best || Math.abs(point.at - at) < Math.abs(best.at - at))) best = point;
    if (best) plot.append(this.make("text", { class: `tag s${order}`, x: x(best.at), y: y(best.value) + 4, "text-anchor": "middle" }, String(order + 1)));
  }

  drawLimits(drawn, { limits, y, top, bottom }, left, right) {  // a line where a rule begins to hold, its side tinted, a thin line where it ceases
    const most = Math.floor((right - left) / this.constructor.LETTER) - 2;
    const lines = [...limits].sort((one, other) => other.at - one.at).map((one) => [one, y(one.at)]);
    for (const [{ up, severity }, height] of lines.length === 1 ? lines : []) {  // the sides of several would lie upon one another
      if (typeof up === "boolean" && severity) drawn.push(this.make("rect", { class: `band ${severity}`, x: left, width: right - left, y: up ? top : height, height: Math.max(0, up ? height - top : bottom - height) }));
    }
    lines.forEach(([{ name, at, clears, severity, unit }, height], order) => {
      const said = `${name} ${this.number(at)}\u202f${unit}`, close = order && height - lines[order - 1][1] < 14 && order % 2;
      drawn.push(this.make("line", { class: `limit ${severity}`, x1: left, x2: right, y1: height, y2: height }));
      if (clears !== at && y(clears) >= top) drawn.push(this.make("line", { class: `limit clears ${severity}`, x1: left, x2: right, y1: y(clears), y2: y(clears) }));
      const place = close ? { x: right - 4, "text-anchor": "end" } : { x: left + 4 };
      drawn.push(this.make("text", { class: `limit-name ${severity}`, ...place, y: height < top + 14 ? height + 13 : height - 4 }, said.length > most ? `${said.slice(0, most - 1)}…` : said));
    });
  }

  path(points, x, y, flag) {
    let path = "", pen = false;
    for (const point of points) {
      if (point.value === null) { pen = false; continue; }
      if (pen && flag) path += `H${x(point.at).toFixed(1)}`;  // it was so until then
      path += `${pen ? "L" : "M"}${x(point.at).toFixed(1)} ${y(point.value).toFixed(1)}`;
      pen = true;
    }
    return path;
  }

  area(run, x, y) {
    const ahead = run.map(([at, , high]) => `${x(at).toFixed(1)} ${y(high).toFixed(1)}`);
    const back = [...run].reverse().map(([at, low]) => `${x(at).toFixed(1)} ${y(low).toFixed(1)}`);
    return `M${[...ahead, ...back].join("L")}Z`;
  }

  binned(each) {  // where points are many: lowest and highest of each bin, and their middle as the line; runs end at silences
    const { BINS } = this.constructor, [begin, end] = this.view;
    const known = each.points.filter((point) => point.value !== null);
    const runs = each.spread.length ? [each.spread] : [];
    if (known.length <= BINS * 1.5) return { spread: runs, means: each.points };
    const width = (end - begin) / BINS, means = [];
    let run = [], bin = null;
    const close = () => {
      if (!bin) return;
      const at = (bin.first + bin.last) / 2;
      run.push([at, bin.low, bin.high]);
      means.push({ at, value: bin.sum / bin.count });
      bin = null;
    };
    for (const point of each.points) {
      const order = Math.floor((point.at - begin) / width);
      if (point.value === null || (bin && bin.order !== order)) close();
      if (point.value === null) {
        if (run.length > 1) runs.push(run);
        run = [];
        means.push({ at: point.at, value: null });
        continue;
      }
      bin = bin || { order, first: point.at, low: point.value, high: point.value, sum: 0, count: 0 };
      Object.assign(bin, { last: point.at, low: Math.min(bin.low, point.value), high: Math.max(bin.high, point.value), sum: bin.sum + point.value, count: bin.count + 1 });
    }
    close();
    if (run.length > 1) runs.push(run);
    return { spread: runs, means };
  }

  holes(points) {  // from a point that is known to the next one behind what is not
    const found = [];
    let former = null, hole = false;
    for (const point of points) {
      if (point.value === null) { hole = true; continue; }
      if (hole && former) found.push([former.at, point.at]);
      former = point; hole = false;
    }
    return found;
  }

  save() {  // as a PNG: the colours that the style sheet gives are written into a copy
    const copy = this.svg.cloneNode(true), drawn = this.svg.querySelectorAll("*"), [, , width, height] = this.svg.getAttribute("viewBox").split(" ").map(Number);
    copy.querySelectorAll("*").forEach((one, order) => {
      const style = getComputedStyle(drawn[order]);
      for (const name of ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "font-size", "font-weight", "font-family", "paint-order"]) one.setAttribute(name, style.getPropertyValue(name));
    });
    const several = this.series.length > 1 ? this.series : [];
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    copy.setAttribute("width", width * 2); copy.setAttribute("height", height * 2);
    const picture = new Image();
    picture.addEventListener("load", () => {
      const canvas = document.createElement("canvas");
      canvas.width = width * 2; canvas.height = (height + 20 + 18 * several.length) * 2;
      const pen = canvas.getContext("2d");
      pen.fillStyle = getComputedStyle(this.svg).backgroundColor;
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.fillStyle = getComputedStyle(this).color;
      pen.font = `24px ${getComputedStyle(this).fontFamily}`;
      const title = this.dataset.label || this.series.map((each) => each.label).join(" · ");
      pen.fillText(`${title} — ${this.long(this.view[0])} – ${this.long(this.view[1])}`, 16, 28, canvas.width - 32);
      pen.drawImage(picture, 0, 40);
      several.forEach((each, order) => {
        const style = getComputedStyle(this.querySelectorAll(".legend path")[order]), at = (height + 20 + 18 * order) * 2 + 24;
        pen.strokeStyle = style.stroke; pen.lineWidth = 4;
        pen.setLineDash(style.strokeDasharray === "none" ? [] : style.strokeDasharray.split(",").map((one) => parseFloat(one) * 2));
        pen.beginPath(); pen.moveTo(16, at - 8); pen.lineTo(96, at - 8); pen.stroke();
        pen.fillText(`${order + 1}. ${each.label}`, 108, at, canvas.width - 124);
      });
      canvas.toBlob((blob) => {
        const link = document.createElement("a");
        link.href = URL.createObjectURL(blob);
        link.download = `${(this.dataset.label || this.series[0].label || "chart").replace(/[^\p{L}\p{N}]+/gu, "-")}.png`;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      }, "image/png");
    });
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  }

  make(name, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text !== undefined) made.textContent = text;
    return made;
  }

  ticks(low, high) {
    const rough = (high - low) / 4, size = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((one) => one * size).find((one) => one >= rough);
    const found = [];
    for (let at = Math.floor(low / step) * step; at <= high + step * 0.999 && found.length < 9; at += step) found.push(Number(at.toPrecision(12)));
    return found;
  }

  marks(begin, end, wide) {
    const most = wide < 500 ? 3 : 6, span = end - begin;
    const step = [10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800].find((one) => span / one <= most);
    if (!step) return (wide < 500 ? [0.15, 0.5, 0.85] : [0.1, 0.3, 0.5, 0.7, 0.9]).map((part) => begin + part * span);
    const found = [], ahead = this.ahead(begin);  // round hours and days are those of the site, also when its clocks change between
    for (let there = Math.ceil((begin + ahead) / step) * step; there - ahead <= end + 3600; there += step) {
      const at = step > 3600 ? there - this.ahead(there - this.ahead(there - ahead)) : there - ahead;
      if (at > begin + span * 0.03 && at < end - span * 0.03 && !found.includes(at)) found.push(at);
    }
    return found;
  }

  ahead(at) {  // seconds that the site's clock is ahead of UTC
    const there = new Date(at * 1000).toLocaleString("sv-SE", { timeZone: this.zone });
    return Math.round(Date.parse(`${there.replace(" ", "T")}Z`) / 1000 - at);
  }

  number(value, words) {
    if (words && (value === 0 || value === 1)) return words[value];
    return value.toLocaleString(this.french ? "fr-FR" : "en-GB", { maximumSignificantDigits: 6 });
  }

  short(at, span) {
    const clock = span < 600 ? { hour: "2-digit", minute: "2-digit", second: "2-digit" } : { hour: "2-digit", minute: "2-digit" };
    const options = span > 200 * 86400 ? { month: "short" } : span > 2 * 86400 ? { day: "numeric", month: "short" } : clock;
    return new Date(at * 1000).toLocaleString(this.french ? "fr-FR" : "en-GB", { ...options, timeZone: this.zone });
  }

  long(at) {
    const said = new Date(at * 1000).toLocaleString(this.french ? "fr-FR" : "en-GB", { dateStyle: "medium", timeStyle: "short", timeZone: this.zone });
    const ahead = this.ahead(at);  // of the hour that comes twice, which one it is
    return this.ahead(at + 3600) < ahead || this.ahead(at - 3600) > ahead ? `${said}\u00a0UTC${ahead < 0 ? "\u2212" : "+"}${Math.abs(ahead) / 3600}` : said;
  }

  summary(each) {
    const values = each.points.map((point) => point.value).filter((value) => value !== null);
    const unit = each.unit ? `\u202f${each.unit}` : "", name = `${each.label}${this.french ? "\u00a0" : ""}: `;
    return values.length ? `${name}${this.number(Math.min(...values), each.words)} – ${this.number(Math.max(...values), each.words)}${unit}` : `${name}${this.dataset.gap}`;
  }
});
