// The map: things in columns from /map/things, gathered on a grid, as buttons over Leaflet; live by the page's stream.
// What is shown is gathered anew for each zoom, in a few milliseconds for 20,000 things, and only what stands in sight
// is an element of the page: so moving costs the browser next to nothing, and the keyboard has no thousands of stops.
"use strict";

(() => {
  const box = document.getElementById("city-map");
  if (!box) return;
  const STATES = ["ok", "silent", "info", "warning", "critical"], SILENT = 1;
  const CELL = 84, NEAR = 58, AROUND = 0.3, EACH_FRAME = 60, MOST_NAMED = 300, MOST_MEMBERS = 40, DEEPEST = 19;
  const COARSE = 1, SUMMARY_MS = 1000;
  const words = JSON.parse(box.dataset.words), french = document.documentElement.lang === "fr";
  const frame = box.querySelector(".map-frame"), said = box.querySelector(".map-said"), card = box.querySelector(".map-card");
  const whole = (count) => count.toLocaleString(french ? "fr-FR" : "en-GB");
  const counted = (text, one, count) => (count === 1 || (french && count < 2) ? one.replace("1", whole(count)) : text.replace("7", whole(count)));

  // -- the things, by columns: `at` gives the row of a number; `lat` and `lon` in 1/100,000 degree from the south pole and the 180th meridian; `rough`: the middle of a cell of 16

  const rows = { n: [], x: [], y: [], lat: [], lon: [], rough: [], layer: [], state: [], flag: [] }, at = new Map();
  const SOUTH = 9000000, WEST = 18000000, INSIDE = 4, EXACT_ZOOM = 14;
  let stamp = "", layers = [], rough = false, loads = 0, shown = { layers: null, states: null };

  const worldX = (lon) => lon / 36000000;
  const worldY = (lat) => 0.5 - Math.asinh(Math.tan(((lat - SOUTH) / 100000) * (Math.PI / 180))) / (2 * Math.PI);

  // A body by columns, see backend/city/pages/columns.py: its head, and what reads the next column of so many bytes.
  const read = (buffer) => {
    const length = new DataView(buffer).getUint32(0, true), bytes = new Uint8Array(buffer);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
    let from = 4 + length;
    const column = (width, steps = false) => {
      const found = new Int32Array(head.count);
      for (let byte = 0; byte < width; byte += 1, from += head.count) for (let row = 0; row < head.count; row += 1) found[row] |= bytes[from + row] << (8 * byte);
      if (steps) for (let row = 0, last = 0; row < head.count; row += 1) found[row] = last += (found[row] >>> 1) ^ -(found[row] & 1);
      return found;
    };
    return { head, column };
  };

  const take = (buffer) => {
    const { head, column } = read(buffer), { steps, count } = head, middle = 1 << (INSIDE - 1);
    const [n, lat, lon, layer, state, flag] = [column(4, true), column(3, steps), column(3, steps), column(1), column(1), column(1)];
    stamp = head.stamp;
    layers = head.layers;
    loads += 1;
    rough = count > 0;
    at.clear();
    for (const list of Object.values(rows)) list.length = 0;
    for (let row = 0; row < count; row += 1) put(n[row], (lat[row] << INSIDE) + middle, (lon[row] << INSIDE) + middle, layer[row], state[row], flag[row], true);
  };

  const refine = (buffer) => {
    const { head, column } = read(buffer), n = column(4, true), inside = column(1), rest = (1 << INSIDE) - 1;
    for (let one = 0; one < head.count; one += 1) {
      const row = at.get(n[one]);
      if (row !== undefined && rows.rough[row]) stand(row, (rows.lat[row] & ~rest) | (inside[one] & rest), (rows.lon[row] & ~rest) | (inside[one] >> INSIDE), false);
    }
  };

  const stand = (row, lat, lon, isRough) => {
    rows.lat[row] = lat; rows.lon[row] = lon; rows.rough[row] = isRough;
    rows.x[row] = worldX(lon); rows.y[row] = worldY(lat);
  };

  const put = (number, lat, lon, layer, state, flag, isRough) => {
    let row = at.get(number);
    if (row === undefined) { row = rows.n.length; at.set(number, row); rows.n.push(number); }
    stand(row, lat, lon, isRough);
    rows.layer[row] = layer; rows.state[row] = state; rows.flag[row] = flag;
  };

  const drop = (number) => {
    const row = at.get(number), last = rows.n.length - 1;
    if (row === undefined) return;
    at.set(rows.n[last], row);
    at.delete(number);
    for (const list of Object.values(rows)) { list[row] = list[last]; list.length = last; }
  };

  const visible = (row) => shown.layers[rows.layer[row]] && shown.states[rows.state[row]];

  // -- what stands together at a zoom: cells of a grid, neighbours whose middles are near are one

  const gathered = (zoom) => {
    const cell = CELL / (256 * 2 ** zoom), grid = new Map(), next = new Int32Array(rows.n.length).fill(-1);
    for (let row = 0; row < rows.n.length; row += 1) {
      if (!visible(row)) continue;
      const key = Math.floor(rows.x[row] / cell) * 4194304 + Math.floor(rows.y[row] / cell);
      const one = grid.get(key);
      if (!one) grid.set(key, { key, x: rows.x[row], y: rows.y[row], count: 1, first: row, last: row });
      else {
        one.x += rows.x[row]; one.y += rows.y[row]; one.count += 1;
        next[row] = one.first; one.first = row;
      }
    }
    const near = NEAR / (256 * 2 ** zoom), list = [...grid.values()].sort((one, other) => other.count - one.count || one.key - other.key);
    for (const one of list) { one.mx = one.x / one.count; one.my = one.y / one.count; }
    for (const one of list) {
      if (one.gone) continue;
      for (let dx = -1; dx <= 1; dx += 1) for (let dy = -1; dy <= 1; dy += 1) {
        const other = (dx || dy) && grid.get(one.key + dx * 4194304 + dy);
        if (!other || other.gone || Math.hypot(one.mx - other.mx, one.my - other.my) > near) continue;
        other.gone = true;
        one.x += other.x; one.y += other.y; one.count += other.count;
        next[one.last] = other.first; one.last = other.last;
        one.mx = one.x / one.count; one.my = one.y / one.count;
      }
    }
    const found = [];
    for (const one of list) {
      if (one.gone) continue;
      let worst = 0, silent = 0, layer = -1;
      for (let row = one.first; row >= 0; row = next[row]) {
        worst = Math.max(worst, rows.state[row]);
        silent += rows.state[row] === SILENT;
        layer = layer < 0 || layer === rows.layer[row] ? rows.layer[row] : layers.length;
      }
      const key = one.count === 1 ? `t${rows.n[one.first]}` : `${zoom}:${one.key}`;
      found.push({ key, x: one.mx, y: one.my, count: one.count, worst, silent, layer, first: one.first, next });
    }
    return found;
  };

  const members = (group) => {
    const found = [];
    for (let row = group.first; row >= 0; row = group.next[row]) found.push(row);
    return found.sort((one, other) => rows.state[other] - rows.state[one] || rows.n[one] - rows.n[other]);
  };

  // -- marks: one button for each group in sight

  const SVG = "http://www.w3.org/2000/svg", templates = new Map();
  const picture = (name, sheet) => {
    const kept = templates.get(`${name} ${sheet}`);
    if (kept) return kept.cloneNode(true);
    const symbol = document.getElementById(name), made = document.createElementNS(SVG, "svg");
    made.setAttribute("viewBox", symbol.getAttribute("viewBox"));
    made.setAttribute("class", sheet);
    made.setAttribute("aria-hidden", "true");
    for (const child of symbol.children) made.append(child.cloneNode(true));
    templates.set(`${name} ${sheet}`, made);
    return made.cloneNode(true);
  };

  const names = new Map(), marks = new Map();
  const layerName = (layer) => (layer < layers.length ? layers[layer] : "other");
  const label = (group) => {
    if (group.count > 1) {
      const silent = group.silent ? `, ${counted(words.silent, words.silentOne, group.silent)}` : "";
      return `${counted(words.group, words.groupOne, group.count)}, ${words.states[group.worst]}${silent}`;
    }
    const row = group.first, name = names.get(rows.n[row]) || words.layers[layerName(rows.layer[row])];
    return `${name}, ${words.states[rows.state[row]]}${rows.flag[row] & COARSE ? `, ${words.coarse}` : ""}`;
  };

  const dress = (mark, group) => {
    const coarse = group.count === 1 && rows.flag[group.first] & COARSE ? " coarse" : "";
    const look = `${group.count}|${group.worst}|${group.silent}|${group.layer}${coarse}`;
    mark.group = group;
    const text = label(group);
    if (mark.said !== text) { mark.said = text; mark.one.setAttribute("aria-label", text); mark.one.title = text; }
    if (mark.look === look) return;
    mark.look = look;
    const name = STATES[group.worst];
    mark.one.className = `pin ${name}${group.count > 1 ? " group" : ""}${coarse}`;
    const parts = [];
    if (group.count > 1) {
      const count = document.createElement("span");
      count.className = "many";
      count.textContent = group.count > 9999 ? `${Math.floor(group.count / 1000)}k` : String(group.count);
      parts.push(count);
      if (group.silent && group.worst !== SILENT) parts.push(picture("sev-silent", "pin-silent"));
    } else parts.push(picture(layerName(rows.layer[group.first]), "icon"));
    if (group.worst) parts.push(picture(`sev-${name}`, "pin-mark"));
    mark.one.replaceChildren(...parts);
  };

  // -- the layer of marks

  const Marks = L.Layer.extend({
    onAdd(map) {
      this.pane = map.createPane("marks");
      this.pane.addEventListener("click", (event) => { const one = event.target.closest(".pin"); if (one) choose(one.mark); });
      this.pane.addEventListener("keydown", (event) => { if (event.target.closest(".pin") && ["Enter", " "].includes(event.key)) event.stopPropagation(); });
      this.pane.addEventListener("focusin", (event) => { const one = event.target.closest(".pin"); if (one) this.reveal(one.mark); });
      L.DomEvent.disableClickPropagation(this.pane);
      this.zoom = -1;
      this.fresh();
    },
    getEvents() { return { moveend: this.look, viewreset: this.place, zoomanim: this.slide }; },
    fresh() { this.zoom = -1; this.look(); },
    look() {
      const zoom = map.getZoom(), size = 256 * 2 ** zoom;
      if (this.zoom !== zoom) { this.groups = gathered(zoom); this.zoom = zoom; }
      const bounds = map.getPixelBounds(), wide = (bounds.max.x - bounds.min.x) * AROUND, high = (bounds.max.y - bounds.min.y) * AROUND;
      const inside = this.groups.filter(({ x, y }) => x * size > bounds.min.x - wide && x * size < bounds.max.x + wide && y * size > bounds.min.y - high && y * size < bounds.max.y + high);
      const wanted = new Map(inside.map((group) => [group.key, group]));
      const stood = document.activeElement && document.activeElement.mark, lost = stood && !wanted.has(stood.group.key) ? stood : null;
      for (const [key, mark] of marks) if (!wanted.has(key)) { marks.delete(key); mark.one.remove(); }
      const fresh = [];
      for (const group of inside) {
        const mark = marks.get(group.key);
        if (!mark) fresh.push(group);
        else { dress(mark, group); this.set(mark); }
      }
      fresh.sort((one, other) => one.y - other.y || one.x - other.x);
      cancelAnimationFrame(this.later);
      this.build(fresh, lost);
    },
    build(fresh, lost) {  // some in each frame, so that nothing keeps the browser from moving
      const some = fresh.splice(0, EACH_FRAME), made = document.createDocumentFragment();
      for (const group of some) {
        const mark = { one: document.createElement("button") };
        mark.one.type = "button";
        mark.one.mark = mark;
        dress(mark, group);
        this.set(mark);
        marks.set(group.key, mark);
        made.append(mark.one);
      }
      this.pane.append(made);
      if (fresh.length) { this.later = requestAnimationFrame(() => this.build(fresh, lost)); return; }
      if (lost) this.focusNear(lost);
      name();
      ready();
    },
    set(mark) {
      const size = 256 * 2 ** this.zoom, origin = map.getPixelOrigin();
      L.DomUtil.setPosition(mark.one, L.point(Math.round(mark.group.x * size - origin.x), Math.round(mark.group.y * size - origin.y)));
    },
    reveal({ group }) {  // the keyboard came to a mark beside the map: it moves into sight
      const size = 256 * 2 ** this.zoom, { min, max } = map.getPixelBounds(), x = group.x * size, y = group.y * size;
      if (x > min.x + 24 && x < max.x - 24 && y > min.y + 24 && y < max.y - 24) return;
      map.panTo(map.unproject([x, y], this.zoom), { animate: false });
    },
    place() { for (const mark of marks.values()) this.set(mark); },
    slide({ zoom, center }) {
      const size = 256 * 2 ** zoom, origin = map._getNewPixelOrigin(center, zoom);
      for (const { one, group } of marks.values()) L.DomUtil.setPosition(one, L.point(group.x * size - origin.x, group.y * size - origin.y));
    },
    focusNear({ group }) {  // the keyboard stood on a mark that is gone: it goes on at what stands there now
      let best = null, far = Infinity;
      for (const mark of marks.values()) {
        const distance = Math.hypot(mark.group.x - group.x, mark.group.y - group.y);
        if (distance < far) { far = distance; best = mark; }
      }
      (best ? best.one : map.getContainer()).focus({ preventScroll: true });
    },
  });

  // Names of single things in sight, so that each mark says which one it is.
  let naming = 0;
  const name = () => {
    clearTimeout(naming);
    naming = setTimeout(async () => {
      const wanted = [...marks.values()].filter(({ group }) => group.count === 1 && !names.has(rows.n[group.first])).map(({ group }) => rows.n[group.first]).slice(0, MOST_NAMED);
      if (!wanted.length) return;
      try {
        const answer = await fetch(`/map/names?n=${wanted.join(",")}`);
        if (!answer.ok) return;
        for (const [number, text] of (await answer.json()).names) names.set(number, text);
        for (const mark of marks.values()) dress(mark, mark.group);
      } catch { /* marks say their layer until the next move */ }
    }, 250);
  };

  let done = false;
  const ready = () => {
    if (done) return;
    done = true;
    said.textContent = "";
    requestAnimationFrame(() => requestAnimationFrame(() => { performance.mark("map-ready"); box.dataset.ready = "1"; }));
  };

  // -- what is chosen

  const choose = async ({ group }) => {
    if (group.count === 1) { open(rows.n[group.first]); return; }
    let list = members(group);
    const zoom = map.getZoom();
    if (rough && list.every((row) => rows.lat[row] === rows.lat[list[0]] && rows.lon[row] === rows.lon[list[0]])) {
      const numbers = list.map((row) => rows.n[row]);
      await exact();
      list = numbers.map((number) => at.get(number)).filter((row) => row !== undefined);
      if (!list.length) return;
    }
    const xs = list.map((row) => rows.x[row]), ys = list.map((row) => rows.y[row]);
    const side = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys)) * 256 * 2 ** DEEPEST;
    if (zoom >= DEEPEST || side < NEAR) { here(list); return; }
    const corner = (x, y) => L.latLng((180 / Math.PI) * Math.atan(Math.sinh((0.5 - y) * 2 * Math.PI)), (x - 0.5) * 360);
    map.fitBounds(L.latLngBounds(corner(Math.min(...xs), Math.max(...ys)), corner(Math.max(...xs), Math.min(...ys))), { padding: [60, 60], maxZoom: Math.max(zoom + 1, DEEPEST) });
  };

  let back = null;
  const fill = (title, ...parts) => {
    if (card.hidden) back = document.activeElement;
    const head = document.createElement("h2"), shut = document.createElement("button");
    head.textContent = title;
    shut.type = "button"; shut.className = "plain"; shut.textContent = words.close;
    shut.addEventListener("click", close);
    const top = document.createElement("div");
    top.className = "top";
    top.append(head, shut);
    card.replaceChildren(top, ...parts);
    card.hidden = false;
    card.focus({ preventScroll: true });
  };
  const close = () => {
    card.hidden = true;
    if (back && back.isConnected) back.focus({ preventScroll: true });
    else map.getContainer().focus({ preventScroll: true });
  };
  card.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); close(); } });

  const element = (tag, sheet, text) => {
    const made = document.createElement(tag);
    if (sheet) made.className = sheet;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const severity = (state) => {
    const made = element("span", `sev ${state}`);
    made.append(picture(`sev-${state}`, "sev-mark"), element("span", "word", words.states[STATES.indexOf(state)]));
    return made;
  };
  const ago = (seconds) => {
    const day = french ? "j" : "d", most = Math.max(0, Math.floor(seconds));
    const text = most >= 86400 ? `${Math.floor(most / 86400)}\u202f${day}` : most >= 3600 ? `${Math.floor(most / 3600)}\u202fh` : most >= 60 ? `${Math.floor(most / 60)}\u202fmin` : `${most}\u202fs`;
    return words.ago.replace("{}", text);
  };

  const open = async (number) => {
    try {
      const answer = await fetch(`/map/things/${number}`);
      if (!answer.ok) return;
      const told = await answer.json(), about = element("p", "under"), parts = [about];
      const layerOf = element("span", "layer-name");
      layerOf.append(picture(told.layer, "icon"), words.layers[told.layer]);
      about.append(severity(told.state), layerOf);
      if (told.site) about.append(element("span", "", told.site));
      if (told.coarse) parts.push(element("p", "help", words.coarseHelp));
      if (told.alerts.length) {
        const list = element("ul", "alerts");
        for (const one of told.alerts) { const row = element("li", one.severity); row.append(severity(one.severity), ` ${one.text}`); list.append(row); }
        parts.push(list);
      }
      if (told.values.length) {
        const list = element("dl", "facts");
        for (const [title, text, unit, when] of told.values) {
          const pair = element("div"), value = element("dd");
          value.append(element("span", "number", text || "–"), unit && text ? `\u202f${unit} ` : " ", element("span", "quiet", when ? ago(told.now - when) : words.never));
          pair.append(element("dt", "", title), value);
          list.append(pair);
        }
        parts.push(list);
      }
      const link = element("a", "button", words.open);
      link.href = told.href;
      const foot = element("p");
      foot.append(link);
      fill(told.name, ...parts, foot);
      chosen = number;
    } catch { said.textContent = words.failed; }
  };
  let chosen = 0;

  const here = async (list) => {
    const some = list.slice(0, MOST_MEMBERS), unknown = some.map((row) => rows.n[row]).filter((number) => !names.has(number));
    if (unknown.length) {
      try {
        const answer = await fetch(`/map/names?n=${unknown.join(",")}`);
        if (answer.ok) for (const [number, text] of (await answer.json()).names) names.set(number, text);
      } catch { /* they are called by their layer */ }
    }
    const shownList = element("ul", "map-members");
    for (const row of some) {
      const line = element("li"), button = element("button", "plain"), number = rows.n[row];
      button.type = "button";
      button.append(picture(layerName(rows.layer[row]), "icon"), ` ${names.get(number) || words.layers[layerName(rows.layer[row])]}`);
      button.addEventListener("click", () => open(number));
      line.append(button, " ", severity(STATES[rows.state[row]]));
      shownList.append(line);
    }
    const parts = [shownList];
    if (list.length > some.length) parts.push(element("p", "help", words.andMore.replace(/7\D?777/u, whole(list.length - some.length))));
    fill(`${words.members} · ${counted(words.group, words.groupOne, list.length)}`, ...parts);
  };

  // -- Leaflet

  const map = L.map("map", {
    zoomControl: false, attributionControl: false, keyboard: true, keyboardPanDelta: 120, maxZoom: DEEPEST, minZoom: 3, zoomSnap: 1,
    worldCopyJump: false, maxBoundsViscosity: 1, fadeAnimation: false, bounceAtZoomLimits: false, boxZoom: false,
    zoomAnimation: !matchMedia("(prefers-reduced-motion: reduce)").matches,
  });
  const layer = new Marks();

  const everything = () => {
    if (!rows.n.length) return null;
    let [left, right, top, bottom] = [1, 0, 1, 0];
    for (let row = 0; row < rows.n.length; row += 1) {
      left = Math.min(left, rows.x[row]); right = Math.max(right, rows.x[row]);
      top = Math.min(top, rows.y[row]); bottom = Math.max(bottom, rows.y[row]);
    }
    const lat = (y) => (180 / Math.PI) * Math.atan(Math.sinh((0.5 - y) * 2 * Math.PI));
    return L.latLngBounds([lat(bottom), (left - 0.5) * 360], [lat(top), (right - 0.5) * 360]);
  };

  const KEY = "ilot:map";
  const kept = () => {
    const hash = /^#(\d+)\/(-?[\d.]+)\/(-?[\d.]+)$/u.exec(location.hash);
    if (hash) return hash.slice(1).map(Number);
    try { return JSON.parse(sessionStorage.getItem(KEY)); } catch { return null; }
  };
  const keep = () => {
    const { lat, lng } = map.getCenter();
    try { sessionStorage.setItem(KEY, JSON.stringify([map.getZoom(), Number(lat.toFixed(5)), Number(lng.toFixed(5))])); } catch { /* the next visit begins with everything */ }
    scale();
  };

  const bar = box.querySelector(".map-scale");
  const scale = () => {
    const size = map.getSize(), y = size.y / 2, metres = map.distance(map.containerPointToLatLng([0, y]), map.containerPointToLatLng([100, y]));
    const power = 10 ** Math.floor(Math.log10(metres)), step = [5, 2, 1].find((one) => one * power <= metres) * power;
    bar.hidden = false;
    bar.textContent = step >= 1000 ? `${whole(step / 1000)}\u202fkm` : `${step}\u202fm`;
    bar.style.width = `${Math.round((step / metres) * 100)}px`;
  };

  const sectors = async () => {
    try {
      const answer = await fetch("/map/sectors");
      if (!answer.ok) return;
      L.geoJSON(await answer.json(), {
        interactive: false, style: () => ({ className: "sector", weight: 1.5, fill: true, smoothFactor: 1.5 }),
        onEachFeature: (feature, one) => one.bindTooltip(element("span", "", feature.properties.name), { permanent: true, direction: "center", className: "sector-name", interactive: false }),
      }).addTo(map);
    } catch { /* the things are there without */ }
  };

  // -- layers and states that are shown

  const boxes = [...box.querySelectorAll(".map-layers input")];
  const chosenBoxes = () => {
    const ticked = new Set(boxes.filter((one) => one.checked).map((one) => `${one.name}:${one.value}`));
    const known = new Set(boxes.map((one) => `${one.name}:${one.value}`));
    const shows = (key) => ticked.has(key) || !known.has(key);
    shown = { layers: [...layers.map((one) => shows(`layer:${one}`))], states: STATES.map((one) => shows(`state:${one}`)) };
  };
  const asked = new URLSearchParams(location.search).getAll("layer");
  if (asked.length) for (const one of boxes) if (one.name === "layer") one.checked = asked.includes(one.value);
  box.addEventListener("change", (event) => { if (boxes.includes(event.target)) { chosenBoxes(); layer.fresh(); } });
  for (const button of box.querySelectorAll("[data-layers]")) button.addEventListener("click", () => {
    for (const one of boxes) if (one.name === "layer") one.checked = button.dataset.layers === "all";
    chosenBoxes();
    layer.fresh();
  });

  const recount = () => {
    const of = { layers: new Map(), states: new Map() };
    for (let row = 0; row < rows.n.length; row += 1) {
      const name = layerName(rows.layer[row]), state = STATES[rows.state[row]];
      of.layers.set(name, (of.layers.get(name) || 0) + 1);
      of.states.set(state, (of.states.get(state) || 0) + 1);
    }
    for (const place of box.querySelectorAll("[data-layer-count]")) place.textContent = whole(of.layers.get(place.dataset.layerCount) || 0);
    for (const place of box.querySelectorAll("[data-state-count]")) place.textContent = whole(of.states.get(place.dataset.stateCount) || 0);
    for (const place of document.querySelectorAll("[data-ok]")) place.textContent = whole(of.states.get("ok") || 0);
  };

  for (const button of box.querySelectorAll("[data-map]")) button.addEventListener("click", () => {
    if (button.dataset.map === "all") { const bounds = everything(); if (bounds) map.fitBounds(bounds, { padding: [30, 30] }); } else if (button.dataset.map === "in") map.zoomIn();
    else map.zoomOut();
  });

  const side = box.querySelector(".map-side"), room = matchMedia("(min-width: 60rem)");
  const fit = () => { side.open = room.matches; };
  room.addEventListener("change", fit);
  fit();

  // -- search

  const form = box.querySelector(".map-find"), field = form.querySelector("input"), list = form.querySelector("[role=listbox]");
  let seeking = 0, results = [], mark = -1;
  const shut = () => { list.hidden = true; field.setAttribute("aria-expanded", "false"); field.removeAttribute("aria-activedescendant"); mark = -1; };
  const pick = (result) => {
    shut();
    const row = at.get(result[0]);
    if (row !== undefined) map.setView([(180 / Math.PI) * Math.atan(Math.sinh((0.5 - rows.y[row]) * 2 * Math.PI)), (rows.x[row] - 0.5) * 360], Math.max(map.getZoom(), 17), { animate: false });
    open(result[0]);
  };
  const seek = async () => {
    const q = field.value.trim();
    if (q.length < 2) { shut(); return; }
    try {
      const answer = await fetch(`/map/find?q=${encodeURIComponent(q)}`);
      if (!answer.ok || field.value.trim() !== q) return;
      results = (await answer.json()).found;
      const lines = results.map((result, order) => {
        const line = element("li");
        line.id = `map-found-${order}`;
        line.setAttribute("role", "option");
        line.setAttribute("aria-selected", "false");
        line.append(element("span", "", result[1]), " ", element("span", "quiet", result[2]), " ", severity(result[3]));
        line.addEventListener("pointerdown", (event) => { event.preventDefault(); pick(result); });
        return line;
      });
      if (!lines.length) { const none = element("li", "quiet", words.none); none.setAttribute("role", "option"); none.setAttribute("aria-disabled", "true"); lines.push(none); }
      list.replaceChildren(...lines);
      list.hidden = false;
      mark = -1;
      field.setAttribute("aria-expanded", "true");
    } catch { shut(); }
  };
  field.addEventListener("input", () => { clearTimeout(seeking); seeking = setTimeout(seek, 200); });
  field.addEventListener("blur", () => setTimeout(shut, 150));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { shut(); return; }
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && !list.hidden && results.length) {
      event.preventDefault();
      mark = (mark + by + results.length) % results.length;
      [...list.children].forEach((line, order) => line.setAttribute("aria-selected", String(order === mark)));
      field.setAttribute("aria-activedescendant", `map-found-${mark}`);
    } else if (event.key === "Enter" && mark >= 0) { event.preventDefault(); pick(results[mark]); }
  });

  // -- live

  let counting = 0;
  const changed = () => {
    layer.fresh();
    clearTimeout(counting);
    counting = setTimeout(recount, SUMMARY_MS);
  };
  document.addEventListener("ilot:things", (event) => {
    if (!done) return;
    for (const [number, lat, lon, ...rest] of event.detail.things) if (rest.length) put(number, lat + SOUTH, lon + WEST, ...rest, false); else drop(number);
    stamp = event.detail.stamp;
    changed();
    if (!card.hidden && chosen && event.detail.things.some(([number]) => number === chosen) && !card.contains(document.activeElement)) open(chosen);
  });
  document.addEventListener("ilot:board", async (event) => {
    if (!done || event.detail.stamp === stamp) return;
    if (await load()) changed();
  });
  document.addEventListener("ilot:alerts", (event) => {
    const worst = event.detail.find((one) => one.severity === "critical" && one.state === "raised") || event.detail[0];
    if (worst) said.textContent = `${worst.name}${french ? "\u00a0: " : ": "}${worst.text}`;
  });

  const deep = () => map.getZoom() >= EXACT_ZOOM;
  let refining = null;
  const exact = () => {  // where within their cells things are, once the map is so near that it shows
    refining = refining || (async () => {
      const of = loads;
      try {
        const answer = await fetch("/map/exact");
        if (!answer.ok) return;
        refine(await answer.arrayBuffer());
        rough = rough && of !== loads;
      } catch { /* asked for again with the next move */ } finally { refining = null; }
    })();
    return refining;
  };

  const load = async () => {
    try {
      const answer = await fetch("/map/things");
      if (!answer.ok) throw new Error(String(answer.status));
      take(await answer.arrayBuffer());
      chosenBoxes();
      if (done && deep()) await exact();
      return true;
    } catch {
      said.textContent = words.failed;
      return false;
    }
  };

  (async () => {
    if (!(await load())) return;
    const view = kept(), bounds = everything();
    if (view) map.setView(view.slice(1), view[0], { animate: false });
    else if (bounds) map.fitBounds(bounds, { padding: [30, 30], animate: false });
    else map.setView([46.6, 2.4], 6);
    if (box.dataset.ground) {  // the operator's own pictures; Leaflet enlarges those of the deepest zoom
      const [least, most] = box.dataset.ground.split(" ").map(Number);
      L.tileLayer("/map/ground/{z}/{x}/{y}", { minNativeZoom: least, maxNativeZoom: most, maxZoom: DEEPEST, className: "ground" }).addTo(map);
    }
    if (deep()) await exact();
    layer.addTo(map);
    map.on("moveend", keep);
    map.on("moveend", async () => { if (rough && deep()) { await exact(); layer.fresh(); } });
    keep();
    sectors();
  })();
})();
