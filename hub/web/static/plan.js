// A plan looked into: zoom, move, marks that would overlap gathered, the sheet of a place; and edited in place: marks
// dragged or moved by keys, outlines of zones drawn. Values and states come by live.js. Without this script the plan is
// as the hub drew it, each mark a link, and commissioning sets positions by a form.
"use strict";

const ilotPlan = (signal) => {
  const root = document.querySelector("[data-plan-of]"), floor = document.querySelector("[data-floor]");
  if (!floor) return;
  const stage = floor.querySelector(".stage"), over = floor.querySelector(".over"), ground = floor.querySelector(".ground");
  const words = JSON.parse((root && root.dataset.words) || "{}"), french = document.documentElement.lang === "fr";
  const [, , width, height] = ground.getAttribute("viewBox").split(" ").map(Number);
  const marks = [...over.querySelectorAll(".at")];
  const big = Number(getComputedStyle(floor).getPropertyValue("--big")) || 1;  // on a wall
  const letter = (parseFloat(getComputedStyle(over.querySelector(".value") || over).fontSize) || 15) * big;
  const ONE = letter * 5.2, MANY = letter * 9, HIGH = letter * 1.8, MARK = 13 * big, FARTHEST = 12;  // pixels of words; the most zoom
  const ORDER = ["trouble", "alarmed", "waiting", "green", "none"];
  const SIGNS = { trouble: "\u25c6", alarmed: "\u25b2", waiting: "\u25cb", green: "\u25cf", none: "" };
  const svg = (tag, attributes, ...inside) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...inside);
    return made;
  };
  const share = (mark, name) => parseFloat(mark.getAttribute(name)) / 100;

  // -- how it is looked at: `zoom` times its width, its left and top edge moved by x and y pixels

  let zoom = 1, x = 0, y = 0;
  const size = () => ({ w: floor.clientWidth, h: (floor.clientWidth * height) / width });

  const place = () => {
    const { w, h } = size(), least = floor.dataset.fill ? Math.min(1, floor.clientHeight / h) : 1;
    zoom = floor.dataset.fill ? least : Math.min(FARTHEST, Math.max(1, zoom));
    x = Math.min(0, Math.max(w - w * zoom, x));
    y = Math.min(0, Math.max((floor.dataset.fill ? floor.clientHeight : h) - h * zoom, y));
    if (zoom < 1) x = (w - w * zoom) / 2;
    if (!floor.dataset.fill) floor.style.height = `${h}px`;
    stage.style.width = `${w * zoom}px`;
    stage.style.transform = `translate(${x}px, ${y}px)`;
    floor.classList.toggle("near", zoom > 1);
    gather();
  };

  const zoomBy = (by, at) => {
    const { w, h } = size(), before = zoom, point = at || { x: w / 2, y: h / 2 };
    zoom = Math.min(FARTHEST, Math.max(1, zoom * by));
    x = point.x - ((point.x - x) * zoom) / before;
    y = point.y - ((point.y - y) * zoom) / before;
    place();
  };

  const inside = (event) => {
    const box = floor.getBoundingClientRect();
    return { x: event.clientX - box.left - floor.clientLeft, y: event.clientY - box.top - floor.clientTop };
  };

  const shares = (event) => {  // of the plan: where a finger is
    const at = inside(event), { w, h } = size(), kept = (value) => Math.min(1, Math.max(0, value));
    return { x: kept((at.x - x) / (w * zoom)), y: kept((at.y - y) / (h * zoom)) };
  };

  // -- marks that would lie over each other are one, with how many, what they say, and the worst state among them

  const state = (mark) => {
    const own = mark.querySelector("g.state"), judged = mark.querySelector("[data-comfort]");
    if (own && own.classList.contains("trouble")) return "trouble";
    if (mark.querySelector(".alarm")) return "alarmed";
    if (judged && !judged.classList.contains("green")) return "waiting";
    return own ? ORDER.find((name) => own.classList.contains(name)) || "none" : "none";
  };
  const worst = (some) => ORDER.find((name) => some.some((mark) => state(mark) === name)) || "none";
  const figure = (mark) => {
    const shown = mark.querySelector(".value [data-series]");
    const text = shown ? shown.textContent.replace(/[\s\u202f]/g, "").replace(",", french ? "." : "") : "";
    return text && Number.isFinite(Number(text)) ? { value: Number(text), text: shown.textContent, unit: mark.dataset.unit } : null;
  };

  const lettersOf = (mark) => mark.querySelector(".value")?.textContent.trim().replace(/\s+/g, " ").length || 0;

  // A mark, or several as one: where it is in pixels, and the box of its words.
  const item = (some, at) => {
    const wide = some.length > 1 ? MANY : Math.max(ONE, 0.6 * letter * lettersOf(some[0]) + MARK), late = at.x > size().w * zoom - wide - MARK;
    return { ...at, marks: some, late, left: at.x - (late ? wide : MARK), right: at.x + (late ? MARK : wide) };
  };
  const meet = (one, other) => one.left < other.right && other.left < one.right && Math.abs(one.y - other.y) < HIGH;

  const gather = () => {
    const { w, h } = size();
    for (const one of over.querySelectorAll(".group")) one.remove();
    let items = marks.map((mark) => item([mark], { x: share(mark, "x") * w * zoom, y: share(mark, "y") * h * zoom }));
    for (let turn = 0, met = !editing; met && turn < 12; turn += 1) {
      met = false;
      const found = [];
      for (const one of items) {
        const near = found.findIndex((other) => meet(one, other));
        if (near < 0) { found.push(one); continue; }
        const other = found[near], part = one.marks.length / (one.marks.length + other.marks.length);
        found[near] = item([...other.marks, ...one.marks], { x: other.x + (one.x - other.x) * part, y: other.y + (one.y - other.y) * part });
        met = true;
      }
      items = found;
    }
    for (const { marks: some, late, x: left, y: top } of items) {
      for (const mark of some) mark.classList.toggle("gathered", some.length > 1);
      side(some.length > 1 ? over.appendChild(bunch(some, left / (w * zoom), top / (h * zoom))) : some[0], late);
    }
    roving();
  };

  // Words stand to the right of their mark, to the left where the plan ends.
  const side = (mark, late) => {
    if (mark.dataset.late === String(late)) return;
    mark.dataset.late = String(late);
    for (const text of mark.querySelectorAll("text:not(.many, .name)")) {
      const far = Math.abs(Number(text.getAttribute("x")));
      text.setAttribute("x", late ? -far : far);
      text.setAttribute("text-anchor", late ? "end" : "start");
    }
  };

  const bunch = (some, left, top) => {
    const found = some.map(figure).filter((one) => one), units = new Set(found.map((one) => one.unit));
    found.sort((one, other) => one.value - other.value);
    const first = found[0], last = found[found.length - 1], kind = worst(some);
    const spread = !first || units.size > 1 ? "" : first.value === last.value ? `${first.text}\u202f${first.unit}` : `${first.text}\u2013${last.text}\u202f${first.unit}`;
    const link = svg("a", { role: "button", tabindex: "-1", href: "#" },
      svg("circle", { class: "hit", r: 22 }), svg("circle", { class: `bunch ${kind}`, r: 12 }),
      svg("text", { class: "many", y: 5 }, String(some.length)), svg("text", { class: "name" }, ` ${words.group || ""} `),
      svg("text", { class: "value", x: 16, y: 5 }, `${spread}${kind === "green" || kind === "none" ? "" : ` ${SIGNS[kind]}`}`));
    const made = svg("svg", { class: "at group", x: `${left * 100}%`, y: `${top * 100}%` }, link);
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const { w, h } = size();
      if (zoom >= FARTHEST) { for (const mark of some) mark.classList.remove("gathered"); made.remove(); roving(); return; }
      zoomBy(2, { x: left * w * zoom + x, y: top * h * zoom + y });
      floor.focus({ preventScroll: true });
    });
    return made;
  };

  const zones = () => {  // a zone has the state of the worst of its marks
    for (const shape of ground.querySelectorAll("[data-zone-shape]")) {
      const zone = shape.dataset.zoneShape, some = marks.filter((mark) => mark.dataset.zone === zone), kind = worst(some);
      if (!some.length || shape.classList.contains(kind)) continue;
      shape.setAttribute("class", `zone ${kind}`);
      for (const sign of over.querySelectorAll(`[data-zone-sign="${CSS.escape(zone)}"]`)) sign.textContent = SIGNS[kind];
    }
  };

  let due = 0;
  const follow = () => { if (!due) due = setTimeout(() => { due = 0; zones(); if (!down.size && !editing) gather(); }, 1000); };
  document.addEventListener("ilot:values", ({ detail }) => {
    for (const { series, time } of detail) {
      if (time) for (const mark of over.querySelectorAll(`.aged[data-main="${CSS.escape(series)}"]`)) mark.classList.remove("aged");
    }
    follow();
  }, { signal });
  document.addEventListener("ilot:summary", follow, { signal });

  // -- keys: one mark is in the order of Tab, the arrow keys go from one to the next

  const shown = () => [...over.querySelectorAll(".at:not(.gathered) > a")];
  const roving = () => {
    const links = shown(), now = links.includes(document.activeElement) ? document.activeElement : links[0];
    for (const link of over.querySelectorAll(".at > a")) link.setAttribute("tabindex", link === now ? "0" : "-1");
  };

  floor.tabIndex = 0;
  floor.setAttribute("role", "group");
  floor.setAttribute("aria-label", over.getAttribute("aria-label"));
  floor.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const link = event.target.closest(".at > a"), { w } = size();
    if (drawing && drawKey(event, step)) return event.preventDefault();
    if (event.key === "+") zoomBy(1.5);
    else if (event.key === "-") zoomBy(1 / 1.5);
    else if (event.key === "0") { zoom = 1; place(); }
    else if (step && link && editing) moveKey(link.parentNode, step, event.shiftKey ? 0.001 : 0.01);
    else if (step && link) {
      const links = shown(), to = links[links.indexOf(link) + (step[0] + step[1])];
      if (to) { to.focus(); roving(); }
    } else if (step) { x -= step[0] * w * 0.1; y -= step[1] * w * 0.1; place(); }
    else return;
    event.preventDefault();
  });

  // -- fingers, mouse and wheel

  const down = new Map();
  let start = null, dragged = null, far = false;
  floor.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    down.set(event.pointerId, inside(event));
    far = false;
    dragged = editing && down.size === 1 ? event.target.closest(".at:not(.group)") : null;
    start = { x, y, zoom, points: [...down.values()], from: dragged && spot(dragged), at: shares(event) };
    if (dragged) { floor.setPointerCapture(event.pointerId); event.preventDefault(); }
  });
  floor.addEventListener("pointermove", (event) => {
    if (!down.has(event.pointerId)) return;
    down.set(event.pointerId, inside(event));
    const now = [...down.values()], before = start.points;
    if (Math.hypot(now[0].x - before[0].x, now[0].y - before[0].y) > 5 || now.length > 1) far = true;
    if (!far) return;
    if (dragged) {
      const at = shares(event);
      put(dragged.dataset.mark, start.from.x + at.x - start.at.x, start.from.y + at.y - start.at.y);
    } else if (now.length === 2 && before.length === 2) {
      const apart = ([one, other]) => Math.max(20, Math.hypot(one.x - other.x, one.y - other.y));
      const middle = { x: (now[0].x + now[1].x) / 2, y: (now[0].y + now[1].y) / 2 };
      const was = { x: (before[0].x + before[1].x) / 2, y: (before[0].y + before[1].y) / 2 };
      zoom = Math.min(FARTHEST, Math.max(1, (start.zoom * apart(now)) / apart(before)));
      x = middle.x - ((was.x - start.x) * zoom) / start.zoom;
      y = middle.y - ((was.y - start.y) * zoom) / start.zoom;
      place();
    } else if (zoom > 1 && now.length === 1) {
      if (!floor.hasPointerCapture(event.pointerId)) floor.setPointerCapture(event.pointerId);
      x = start.x + now[0].x - before[0].x;
      y = start.y + now[0].y - before[0].y;
      place();
    }
  });
  for (const name of ["pointerup", "pointercancel"]) {
    floor.addEventListener(name, (event) => {
      if (!down.delete(event.pointerId)) return;
      if (dragged && far) save(dragged.dataset.mark, start.from);
      dragged = null;
      start = { x, y, zoom, points: [...down.values()] };
    });
  }
  floor.addEventListener("dragstart", (event) => event.preventDefault());
  floor.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;  // the page scrolls otherwise
    event.preventDefault();
    zoomBy(event.deltaY > 0 ? 0.8 : 1.25, inside(event));
  }, { passive: false });
  over.addEventListener("click", (event) => {
    const link = event.target.closest(".at:not(.group) > a");
    if (far || editing) { if (link) event.preventDefault(); return; }
    if (link && sheet && !event.ctrlKey && !event.metaKey) { event.preventDefault(); open(link.getAttribute("href")); }
  });

  // -- the sheet of a place

  let sheet = null;
  const open = async (path) => {
    let part = null;
    try { part = (await ilotPart(path)).querySelector("[data-sheet-part]"); } catch { /* below */ }
    if (!part) { location.assign(path); return; }  // signed out, or the hub is silent: the page says so
    for (const one of part.querySelectorAll("[data-live]")) one.remove();
    sheet.querySelector("div").replaceChildren(document.adoptNode(part));
    sheet.showModal();
  };

  // -- edits

  let editing = false, drawing = null, undo = null;
  const spot = (mark) => ({ x: share(mark, "x"), y: share(mark, "y") });
  const together = (name) => marks.filter((mark) => mark.dataset.mark === name);  // devices of one place stand side by side
  const put = (name, left, top) => {
    const some = together(name), first = spot(some[0]);
    const by = { x: Math.min(1, Math.max(0, left)) - first.x, y: Math.min(1, Math.max(0, top)) - first.y };
    for (const mark of some) for (const edge of ["x", "y"]) mark.setAttribute(edge, `${((share(mark, edge) + by[edge]) * 100).toFixed(2)}%`);
  };
  const called = (mark) => mark.querySelector(".name").textContent.trim();

  const send = async (path, fields) => {
    const answer = await fetch(path, {
      method: "POST", signal: AbortSignal.timeout(20000), body: JSON.stringify({ plan: root.dataset.planOf, ...fields }),
      headers: { "Content-Type": "application/json", "X-CSRF": root.dataset.csrf },
    });
    const told = await answer.json();
    if (!answer.ok) throw new Error(words.failed.replace("{r}", told.error));
  };
  const tell = (text, back) => {
    said.textContent = text;
    undo = back || null;
    undoer.hidden = !undo;
  };
  const failure = (error) => tell(error.name === "Error" ? error.message : words.lost);

  const save = async (name, from) => {
    const [mark] = together(name), at = spot(mark);
    try {
      await send("/api/1/plan/pins", { place: name, x: at.x, y: at.y });
      tell(words.moved.replace("{p}", called(mark)), () => { put(name, from.x, from.y); save(name, at); });
    } catch (error) { put(name, from.x, from.y); failure(error); }
  };

  let later = 0, before = null;
  const moveKey = (mark, [right, low], by) => {
    const name = mark.dataset.mark, at = spot(together(name)[0]);
    before = before && before.name === name ? before : { name, at };
    put(name, at.x + right * by, at.y + low * by);
    clearTimeout(later);
    later = setTimeout(() => { save(name, before.at); before = null; }, 800);
  };

  const draft = () => {
    for (const one of ground.querySelectorAll(".draft")) one.remove();
    for (const one of over.querySelectorAll(".corner, .aim")) one.remove();
    if (!drawing) return;
    ground.append(svg("polygon", { class: "draft", points: drawing.points.map(([a, b]) => `${a * width},${b * height}`).join(" ") }));
    for (const [a, b] of drawing.points) over.append(svg("circle", { class: "corner", r: 5, cx: `${a * 100}%`, cy: `${b * 100}%` }));
    const cross = svg("svg", { class: "aim", x: `${drawing.at.x * 100}%`, y: `${drawing.at.y * 100}%` }, svg("path", { d: "M-14 0H14M0-14V14" }));
    if (drawing.keys) over.append(cross);
  };
  const drawKey = (event, step) => {
    if (event.key === "Escape") { drawing = null; tools(); }
    else if (step) {
      drawing.keys = true;
      const kept = (value) => Math.min(1, Math.max(0, value)), by = event.shiftKey ? 0.002 : 0.02;
      drawing.at = { x: kept(drawing.at.x + step[0] * by), y: kept(drawing.at.y + step[1] * by) };
    } else if (event.key === "Enter") drawing.points.push([drawing.at.x, drawing.at.y]);
    else if (event.key === "Backspace") drawing.points.pop();
    else return false;
    draft();
    return true;
  };
  floor.addEventListener("click", (event) => {
    if (!drawing || far) return;
    const at = shares(event);
    drawing.points.push([at.x, at.y]);
    draft();
  });

  // -- buttons

  const button = (bar, name, act, sign) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "second";
    made.textContent = sign || words[name];
    if (sign) { made.title = words[name]; made.setAttribute("aria-label", words[name]); }
    made.addEventListener("click", () => act(made));
    bar.append(made);
    return made;
  };
  const choice = (bar, options, label) => {
    const made = document.createElement("select");
    made.setAttribute("aria-label", label);
    for (const [value, text] of Object.entries(options)) made.add(new Option(text, value));
    bar.append(made);
    return made;
  };
  const said = document.createElement("span"), row = document.createElement("div"), help = document.createElement("p"), line = document.createElement("p");
  let undoer = null, tools = () => {};

  if (root) {
    const bar = document.createElement("p");
    bar.className = "tools screen";
    help.className = "help screen";
    line.className = "screen";
    row.className = "edits screen";
    said.setAttribute("role", "status");
    line.append(said, " ");
    undoer = button(line, "undo", () => { if (undo) undo(); });
    undoer.hidden = true;
    button(bar, "zoom-in", () => zoomBy(1.5), "+");
    button(bar, "zoom-out", () => zoomBy(1 / 1.5), "\u2212");
    button(bar, "whole", () => { zoom = 1; place(); });
    const over_ = [help, row, line];
    root.append(bar, ...over_);
    sheet = document.createElement("dialog");
    sheet.className = "sheet";
    sheet.setAttribute("aria-labelledby", "sheet-title");
    const form = document.createElement("form");
    form.method = "dialog";
    const close = document.createElement("button");
    close.className = "second";
    close.textContent = words.close;
    form.append(close);
    sheet.append(form, document.createElement("div"));
    sheet.addEventListener("click", (event) => { if (event.target === sheet) sheet.close(); });
    document.querySelector("main").append(sheet);
    if (root.dataset.csrf) edits(bar);
    help.textContent = words.help;
  }

  function edits(bar) {
    const mover = button(bar, "move", () => { editing = !editing; drawing = null; tools(); gather(); });
    mover.setAttribute("aria-pressed", "false");
    const unplaced = JSON.parse(root.dataset.unplaced), names = JSON.parse(root.dataset.zones);
    if (Object.keys(unplaced).length) {
      const what = choice(row, unplaced, words.put);
      button(row, "put", async () => {
        const { w, h } = size();
        try {
          await send("/api/1/plan/pins", { place: what.value, x: (w / 2 - x) / (w * zoom), y: (h / 2 - y) / (h * zoom) });
          location.reload();
        } catch (error) { failure(error); }
      });
    }
    const zone = Object.keys(names).length ? choice(row, names, words.draw) : null;
    const store = async (points, text) => {
      try {
        await send("/api/1/plan/outlines", { zone: zone.value, points });
        sessionStorage.setItem("ilot-plan-said", text.replace("{z}", names[zone.value]));
        location.reload();
      } catch (error) { failure(error); }
    };
    const begin = zone && button(row, "draw", () => { drawing = { points: [], at: { x: 0.5, y: 0.5 }, keys: false }; tools(); floor.focus({ preventScroll: true }); floor.scrollIntoView({ block: "nearest" }); });
    const keep = zone && button(row, "keep", () => (drawing.points.length < 3 ? tell(words.few) : store(drawing.points, words.drawn)));
    const stop = zone && button(row, "cancel", () => { drawing = null; tools(); });
    const erase = zone && button(row, "erase", () => store([], words.erased));
    tools = () => {
      mover.setAttribute("aria-pressed", String(editing));
      row.hidden = !editing;
      floor.classList.toggle("edit", editing);
      floor.classList.toggle("draw", Boolean(drawing));
      help.textContent = drawing ? words["draw-help"] : editing ? words["edit-help"] : words.help;
      if (zone) { begin.hidden = Boolean(drawing); keep.hidden = stop.hidden = !drawing; erase.hidden = Boolean(drawing) || !ground.querySelector(`polygon[data-zone-shape="${CSS.escape(zone.value)}"]`); }
      draft();
    };
    if (zone) zone.addEventListener("change", () => tools());
    tell(sessionStorage.getItem("ilot-plan-said") || "");
    sessionStorage.removeItem("ilot-plan-said");
    tools();
  }

  const watch = new ResizeObserver(() => place());
  watch.observe(floor.parentNode);
  signal.addEventListener("abort", () => watch.disconnect());
  place();
};

(() => {  // again for a plan that came later: on a wall one follows the other (wall.js)
  let now = new AbortController();
  ilotPlan(now.signal);
  document.addEventListener("ilot:part", () => {
    now.abort();
    now = new AbortController();
    ilotPlan(now.signal);
  });
})();
