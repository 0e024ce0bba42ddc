// Commissioning without reloading: rows as they turn green, what the camera reads (scan.js), small pictures, pins.
// Every page reads and works the same without this script.
"use strict";

(() => {
  const root = document.querySelector("[data-commissioning]");
  if (!root) return;
  const lang = document.documentElement.lang === "fr" ? "fr" : "en";
  const table = root.querySelector("[data-rows]");

  const words = new Map();
  for (const place of root.querySelectorAll("[data-colour]")) {
    const said = place.querySelector("[data-word]");
    words.set([...place.classList].find((name) => name !== "state"), said.dataset.rowWord || said.textContent);
  }

  // what somebody typed and has not sent; and a page that answers a form, which a reload would send once more
  const kept = () =>
    [...root.querySelectorAll("input, textarea")].some((one) => one.value !== one.defaultValue) ||
    (document.querySelector("main [data-told]") && !new URLSearchParams(location.search).has("said"));

  const show = (shown) => {
    const counter = root.querySelector("[data-counter]");
    if (counter) {
      const text = counter.dataset.pattern.replace("{g}", shown.green).replace("{e}", shown.expected);
      if (counter.textContent !== text) counter.textContent = text;
      tally();
    }
    const busy = document.activeElement && ["INPUT", "TEXTAREA", "SELECT"].includes(document.activeElement.tagName);
    const reload = table && Number(table.dataset.rows) !== shown.rows.length;  // a step that shows no rows stays as it is
    for (const row of shown.rows) {
      news(row);
      const line = root.querySelector(`[data-row="${row.n}"]`);
      if (line) stands(line, row);
    }
    share(shown.rows);
    if (reload && !busy && !(scanner && scanner.dataset.on) && !waiting.length && !root.querySelector("details[open], form[data-sent]") && !kept()) location.reload();
  };

  // one row as it stands now; what reports moves to where all that reports is
  const stands = (line, row) => {
    const place = line.querySelector("[data-colour]"), remedy = line.querySelector("[data-remedy]");
    if (!place.classList.contains(row.colour)) {
      place.className = `state ${row.colour}`;
      place.querySelector("[data-word]").textContent = words.get(row.colour);
      line.className = `${row.colour} fresh`;
      const part = root.querySelector(`[data-part="${row.colour === "green" ? "done" : "open"}"]`);
      if (!part.contains(line) && !line.contains(document.activeElement)) part.querySelector("tbody").prepend(line);
    }
    line.querySelector("[data-said]").textContent = row[lang];
    line.querySelector("[data-value]").textContent = row.value[lang];
    remedy.textContent = row.remedy ? row.remedy[lang] : "–";
    const signal = line.querySelector("[data-signal]");
    signal.textContent = row.signal[lang] || "–";
    signal.className = row.signal[lang] ? "" : "quiet nothing";
    const todo = line.querySelector("[data-do]");
    if (todo) todo.textContent = row.remedy ? row.remedy[`do_${lang}`] : "";
  };

  // of the folded rows: what needs somebody comes out, and all of them once they are few
  const unfold = (part) => {
    const rest = part.querySelector("details.rest"), first = part.querySelector("tbody");
    if (!rest) return;
    const folded = [...rest.querySelectorAll("[data-row]")], least = Number(rest.dataset.first);
    const few = first.rows.length + folded.length <= least + 3;
    for (const line of folded) {
      if (few || line.classList.contains("red") || first.rows.length < least) first.append(line);
    }
    const left = rest.querySelectorAll("[data-row]").length;
    rest.hidden = !left;
    const said = rest.querySelector("[data-rest]");
    said.textContent = said.dataset.rest.replace("{n}", left.toLocaleString(lang === "fr" ? "fr-FR" : "en-GB"));
  };

  // the progress stays in sight over the camera
  const tally = () => {
    const place = root.querySelector("[data-scan-count]"), counter = root.querySelector("[data-counter]");
    if (place && counter) place.textContent = place.closest("[data-on]") ? counter.textContent : "";
  };

  const share = (rows) => {
    const sums = { green: 0, amber: 0, blue: 0, grey: 0, red: 0 };
    for (const row of rows) sums[row.colour] += 1;
    for (const [colour, sum] of Object.entries(sums)) {
      const place = root.querySelector(`[data-sum-of="${colour}"]`);
      if (!place) continue;
      place.hidden = !sum;
      place.querySelector("[data-sum]").textContent = sum;
      const said = place.querySelector("[data-word]");
      said.textContent = sum > 1 ? said.dataset.many : said.dataset.one;
    }
    for (const part of root.querySelectorAll("[data-part]")) {
      const sum = part.querySelectorAll("[data-row]").length;
      unfold(part);
      part.hidden = !sum;
      part.querySelector("[data-part-sum]").textContent = sum;
    }
    const bars = root.querySelectorAll("[data-share] rect");
    const order = Object.entries(sums).flatMap(([colour, sum]) => Array(sum).fill(colour));
    if (bars.length === order.length) bars.forEach((bar, n) => { bar.setAttribute("class", order[n]); });
  };

  const poll = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch("/api/1/commissioning");
      if (answer.ok) show(await answer.json());
      else if (answer.status === 401) document.dispatchEvent(new CustomEvent("ilot:over"));
    } catch { /* the next one may come through */ }
  };

  // what the camera reads: one text after the other, and none is lost while the hub does not answer
  const scanner = root.querySelector("[data-scanner]"), form = root.querySelector("[data-scan]");
  const waiting = [], scanned = new Set(), said = new Set(), standing = new Map();
  const phrase = (name) => scanner.dataset[name];

  const send = async (read) => {
    const { text, say } = read;
    const body = { label: text, zone: form.elements.zone.value, how: "scan" };
    let answer;
    try {
      answer = await fetch("/api/1/commissioning/scan", {
        method: "POST", headers: { "Content-Type": "application/json", "X-CSRF": form.elements.csrf.value },
        body: JSON.stringify(body),
      });
    } catch { /* no answer: below */ }
    if (!answer || answer.status >= 500 || answer.status === 429) { say("bad", phrase("wordLost")); return false; }
    if (answer.status === 401 || answer.status === 403) {  // it waits for a sign-in, in another tab; a role that may not does not change
      say("bad", phrase("wordSignin"));
      document.dispatchEvent(new CustomEvent("ilot:over"));
      read.refused = (read.refused || 0) + (answer.status === 403);
      return read.refused > 2;
    }
    const given = await answer.json();
    if (!answer.ok) { say("bad", given.error); return true; }
    const row = given.row;
    scanned.add(row.n);
    standing.set(row.n, sentence(row));
    say(given.known ? "again" : kind(row), given.known ? `${phrase("wordAgain")} · ${sentence(row)}` : sentence(row), { key: String(row.n) });
    ask(row, given.known);
    poll();
    return true;
  };

  // a row in a sentence, as it stands: « Salle 4 · jonction vue », « Salle 4 ✓ 20,4 °C »
  const title = (row) => row.place_name || row.place || row.name || row.device;
  const sentence = (row) => {
    if (row.colour === "green") return `${title(row)} ✓ ${row.value[lang]}`;
    const stuck = row.remedy && (row.colour === "red" || row.colour === "grey" || row.remedy.action === "forget");
    return `${title(row)} · ${stuck ? row.remedy[lang] : root.dataset[row.colour]}`;
  };
  const kind = (row) => (row.colour === "red" || row.colour === "grey" || (row.remedy && row.remedy.action === "forget") ? "warn" : "good");

  // a row that the camera read stands otherwise now: its first value, or trouble, is told aloud
  const news = (row) => {
    if (!scanner || !scanned.has(row.n) || standing.get(row.n) === sentence(row)) return;
    const loud = row.colour === "green" ? !said.has(row.n) : kind(row) === "warn";
    if (row.colour === "green") said.add(row.n);
    standing.set(row.n, sentence(row));
    scanner.dispatchEvent(new CustomEvent("said", { detail: { kind: kind(row), sentence: sentence(row), key: String(row.n), quiet: !loud } }));
  };

  // where the device is: places that wait for one, or a name for the place that was made
  const box = scanner && scanner.querySelector("[data-scan-ask]");
  const made = (tag, text, more = {}) => Object.assign(document.createElement(tag), { textContent: text, ...more });
  const place = async (row, told) => {
    let answer, given;
    try {
      answer = await fetch(`/api/1/commissioning/rows/${row.n}/place`, {
        method: "POST", headers: { "Content-Type": "application/json", "X-CSRF": form.elements.csrf.value }, body: JSON.stringify(told),
      });
      given = await answer.json();
    } catch { given = { error: phrase("wordLost") }; }
    const ok = answer && answer.ok;
    if (ok) { box.hidden = true; box.replaceChildren(); scanner.querySelector("[data-scan-start]").focus(); standing.set(row.n, sentence(given.row)); }
    const detail = ok ? { kind: kind(given.row), sentence: sentence(given.row), key: String(row.n) } : { kind: "bad", sentence: given.error };
    scanner.dispatchEvent(new CustomEvent("said", { detail }));
    if (ok) poll();
  };
  const naming = (row, label) => {
    const line = made("form", "", { className: "line" }), name = document.createElement("input");
    Object.assign(name, { id: "scan-name", maxLength: 64, required: true, autocomplete: "off" });
    line.append(made("label", label, { htmlFor: "scan-name" }), name, made("button", phrase("wordOk")));
    line.addEventListener("submit", (event) => { event.preventDefault(); place(row, { place: name.value }); });
    return line;
  };
  const ask = (row, known) => {
    if (known && !box.hidden && box.dataset.of === String(row.n)) return;  // read once more while somebody writes
    box.hidden = true;
    box.dataset.of = row.n;
    if (row.places) {
      const choices = made("p", "", { className: "choices" });
      for (const one of row.places) {
        const silent = one.kind === "silent", text = silent ? phrase("wordInstead").replace("{}", one.name) : one.name;
        const chip = made("button", text, { type: "button", className: "second" });
        chip.addEventListener("click", () => place(row, silent ? { instead: one.device } : { place: one.place }));
        choices.append(chip);
      }
      box.replaceChildren(made("p", phrase("wordWhere")), choices, naming(row, phrase("wordNew")));
    } else if (!known && row.place && !row.place_name && row.colour !== "green") {
      box.replaceChildren(naming(row, phrase("wordName").replace("{}", row.place)));
    } else return;
    box.hidden = false;
  };

  let sending = false;
  const drain = async () => {
    if (sending) return;
    sending = true;
    while (waiting.length) {
      if (await send(waiting[0])) waiting.shift();
      else await new Promise((done) => setTimeout(done, 3000));
    }
    sending = false;
  };

  if (scanner && form) scanner.addEventListener("label", (event) => { waiting.push(event.detail); drain(); });

  const photo = root.querySelector("[data-photo]");
  if (photo) photo.addEventListener("change", async () => {
    const [file] = photo.files;
    if (!file) return;
    try { photo.files = await ilotSmaller(file, 2000); } catch { /* it goes as it is */ }
    form.dataset.sent = "1";
    form.requestSubmit();
  });

  // where the phone is, when it is asked
  for (const place of root.querySelectorAll("[data-position]")) {
    const ask = place.querySelector("[data-locate]"), said = place.querySelector("[data-located]");
    const accuracy = place.querySelector("[data-accuracy]"), { latitude, longitude } = place.elements;
    for (const field of [latitude, longitude]) field.addEventListener("input", () => { accuracy.value = ""; });
    if (!navigator.geolocation) continue;
    place.querySelector("[data-locate-line]").hidden = false;
    ask.addEventListener("click", () => {
      said.textContent = ask.dataset.wait;
      navigator.geolocation.getCurrentPosition(({ coords }) => {
        const text = (degrees) => degrees.toFixed(5).replace(".", lang === "fr" ? "," : ".");
        latitude.value = text(coords.latitude);
        longitude.value = text(coords.longitude);
        accuracy.value = String(Math.ceil(coords.accuracy));
        said.textContent = ask.dataset.found.replace("{m}", accuracy.value);
      }, (error) => {
        said.textContent = error.code === error.PERMISSION_DENIED ? ask.dataset.refused : ask.dataset.unknown;
      }, { enableHighAccuracy: true, timeout: 30000, maximumAge: 60000 });
    });
  }

  // pins
  for (const image of root.querySelectorAll("[data-plan]")) {
    const id = image.dataset.plan;
    const put = (x, y) => {
      const dot = document.createElement("span");
      dot.className = "pin";
      dot.style.left = `${x * 100}%`;
      dot.style.top = `${y * 100}%`;
      image.parentElement.append(dot);
      return dot;
    };
    for (const pin of root.querySelectorAll(`[data-pin="${id}"]`)) put(Number(pin.dataset.px), Number(pin.dataset.py));
    let fresh = null;
    image.addEventListener("click", (event) => {
      const box = image.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width, y = (event.clientY - box.top) / box.height;
      const text = (share) => (share * 100).toFixed(1).replace(".", lang === "fr" ? "," : ".");
      root.querySelector(`[data-x="${id}"]`).value = text(x);
      root.querySelector(`[data-y="${id}"]`).value = text(y);
      if (fresh) fresh.remove();
      fresh = put(x, y);
    });
  }

  const print = root.querySelector("[data-print]");
  if (print) { print.hidden = false; print.addEventListener("click", () => window.print()); }

  const count = root.querySelector("[data-scan-count]");
  if (count) new MutationObserver(tally).observe(scanner, { attributeFilter: ["data-on"] });
  if (!root.querySelector("[data-print]")) setInterval(poll, 3000);
})();
