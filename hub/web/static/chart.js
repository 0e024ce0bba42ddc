// <ilot-chart>: a picture of the table it stands beside, or of /api/1/history. Gaps stay gaps. Arrow keys go from point
// to point and say each of them. Without this script the table says the same.
"use strict";

customElements.define("ilot-chart", class extends HTMLElement {
  static H = 220; static BOTTOM = 24; static TOP = 10;

  async connectedCallback() {
    this.french = document.documentElement.lang === "fr";
    this.zone = this.dataset.zone || undefined;
    this.points = this.fromTable();
    if (this.dataset.src) {
      try {
        const answer = await fetch(this.dataset.src, { credentials: "same-origin", headers: { Accept: "application/json" } });
        if (answer.ok) {
          const line = (await answer.json()).line;
          if (line.length) this.points = line.map(([at, value]) => ({ at, value, low: null, high: null, part: 0 }));
        }
      } catch { /* the table's own points are drawn */ }
    }
    this.draw();
  }

  fromTable() {
    const rows = document.querySelectorAll(`#${CSS.escape(this.getAttribute("table") || "")} tr[data-t]`);
    const number = (text) => (text === undefined || text === "" ? null : Number(text));
    return [...rows].map((row) => ({
      at: Number(row.dataset.t), value: number(row.dataset.v), low: number(row.dataset.low), high: number(row.dataset.high),
      part: number(row.dataset.est) || 0,
    }));
  }

  draw() {
    const { H, BOTTOM, TOP } = this.constructor;
    const W = Math.max(300, Math.min(900, this.clientWidth || 720));
    const known = this.points.filter((point) => point.value !== null);
    if (!known.length) return;
    const bars = this.getAttribute("kind") === "bars";
    const all = known.flatMap((point) => [point.value, point.low, point.high].filter((one) => one !== null));
    let low = Math.min(...all), high = Math.max(...all);
    if (bars) low = Math.min(0, low);
    if (high === low) {  // what never changed stands in the middle, not on the edge; below nothing is nothing
      high = low + 1;
      if (!bars) low = low > 0 ? Math.max(0, low - 1) : low && low - 1;
    }
    const flag = this.dataset.yes !== undefined;
    const steps = flag ? [0, 1] : this.ticks(low, high);
    if (flag) { low = -0.1; high = 1.1; }
    if (!bars && !flag) { low = Math.min(low, steps[0]); }
    high = Math.max(high, steps[steps.length - 1]);
    const unit = this.dataset.unit || "", top = steps[steps.length - 1];
    const label = (step) => (step === top && unit ? `${this.number(step)}\u202f${unit}` : this.number(step));
    const LEFT = 16 + 7 * Math.max(...steps.map((step) => label(step).length));
    let begin = Number(this.dataset.from) || this.points[0].at;
    const last = this.points[this.points.length - 1].at;
    const width = bars ? (this.points[1] ? this.points[1].at - this.points[0].at : 3600) : 0;
    const end = Math.max(Number(this.dataset.to) || 0, last + width, begin + 1);
    const young = end - known[0].at;  // what is known of began lately: its own time is what is looked at
    if (!bars && young < 0.4 * (end - begin)) begin = known[0].at - Math.max(30, 0.05 * young);
    const x = (at) => LEFT + ((at - begin) / (end - begin)) * (W - LEFT - 8);
    const y = (value) => TOP + (1 - (value - low) / (high - low)) * (H - TOP - BOTTOM);
    const svg = this.make("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", tabindex: "0", focusable: "true" });
    svg.setAttribute("aria-label", this.summary(known));
    for (const step of steps) {
      svg.append(this.make("line", { class: "grid", x1: LEFT, x2: W - 8, y1: y(step), y2: y(step) }));
      svg.append(this.make("text", { class: "axis", x: LEFT - 6, y: y(step) + 4, "text-anchor": "end" }, label(step)));
    }
    for (const at of this.marks(begin, end, W)) {
      svg.append(this.make("text", { class: "axis", x: x(at), y: H - 6, "text-anchor": "middle" }, this.short(at, end - begin)));
    }
    if (bars) {
      this.points.forEach((point, index) => {
        if (point.value === null) return;
        const next = this.points[index + 1] ? this.points[index + 1].at : point.at + width;
        const box = { x: x(point.at) + 0.5, width: Math.max(1, x(next) - x(point.at) - 1) };
        svg.append(this.make("rect", { ...box, class: "bar", y: y(Math.max(point.value, 0)), height: Math.abs(y(point.value) - y(0)) }));
        if (point.part) svg.append(this.make("rect", { ...box, class: "guess", y: y(point.part), height: Math.abs(y(point.part) - y(0)) }));
      });
    } else {
      let path = "", pen = false, former = null;
      for (const point of this.points) {
        if (point.value === null) { pen = false; continue; }
        if (!pen && former) svg.append(this.make("rect", { class: "hole", x: x(former.at), width: Math.max(1, x(point.at) - x(former.at)), y: TOP, height: H - TOP - BOTTOM }));
        former = point;
        if (pen && flag) path += `H${x(point.at).toFixed(1)}`;  // it was so until then
        path += `${pen ? "L" : "M"}${x(point.at).toFixed(1)} ${y(point.value).toFixed(1)}`;
        pen = true;
      }
      svg.append(this.make("path", { class: "trace", d: path }));
      if (known.length < 60) for (const point of known) svg.append(this.make("circle", { class: "dot-mark", cx: x(point.at), cy: y(point.value), r: 2.5 }));
    }
    const cursor = this.make("line", { class: "cursor", y1: TOP, y2: H - BOTTOM, x1: -9, x2: -9 });
    svg.append(cursor);
    const said = document.createElement("p");
    said.className = "help";
    said.setAttribute("aria-live", "polite");
    said.textContent = this.dataset.help || "";
    let where = -1;
    const show = (index) => {
      where = Math.max(0, Math.min(this.points.length - 1, index));
      const point = this.points[where], at = x(point.at + width / 2);
      cursor.setAttribute("x1", at); cursor.setAttribute("x2", at);
      const what = point.value === null ? this.dataset.gap : `${this.number(point.value)}\u202f${this.dataset.unit || ""}`;
      const guess = point.part ? ` (${this.dataset.est} ${this.number(point.part)})` : "";
      said.textContent = `${this.long(point.at)}${this.french ? "\u00a0" : ""}: ${what}${guess}`;
    };
    svg.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1, PageDown: 10, PageUp: -10 }[event.key];
      if (by) show(where + by);
      else if (event.key === "Home") show(0);
      else if (event.key === "End") show(this.points.length - 1);
      else return;
      event.preventDefault();
    });
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const at = begin + (((event.clientX - box.left) / box.width) * W - LEFT) / (W - LEFT - 8) * (end - begin) - width / 2;
      let best = 0;
      this.points.forEach((point, index) => { if (Math.abs(point.at - at) < Math.abs(this.points[best].at - at)) best = index; });
      show(best);
    });
    this.replaceChildren(svg, said);
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
    const step = [60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800].find((one) => span / one <= most);
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

  number(value) {
    if (this.dataset.yes !== undefined && (value === 0 || value === 1)) return value ? this.dataset.yes : this.dataset.no;
    return value.toLocaleString(this.french ? "fr-FR" : "en-GB", { maximumSignificantDigits: 6 });
  }

  short(at, span) {
    const options = span > 200 * 86400 ? { month: "short" } : span > 2 * 86400 ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" };
    return new Date(at * 1000).toLocaleString(this.french ? "fr-FR" : "en-GB", { ...options, timeZone: this.zone });
  }

  long(at) {
    const said = new Date(at * 1000).toLocaleString(this.french ? "fr-FR" : "en-GB", { dateStyle: "medium", timeStyle: "short", timeZone: this.zone });
    const ahead = this.ahead(at);  // of the hour that comes twice, which one it is
    return this.ahead(at + 3600) < ahead || this.ahead(at - 3600) > ahead ? `${said}\u00a0UTC${ahead < 0 ? "\u2212" : "+"}${Math.abs(ahead) / 3600}` : said;
  }

  summary(known) {
    const values = known.map((point) => point.value);
    const unit = this.dataset.unit ? `\u202f${this.dataset.unit}` : "";
    return `${this.dataset.label || ""}${this.french ? "\u00a0" : ""}: ${this.number(Math.min(...values))} – ${this.number(Math.max(...values))}${unit}`;
  }
});
