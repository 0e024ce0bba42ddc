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
    }
    const busy = document.activeElement && ["INPUT", "TEXTAREA", "SELECT"].includes(document.activeElement.tagName);
    const reload = table && Number(table.dataset.rows) !== shown.rows.length;  // a step that shows no rows stays as it is
    for (const row of shown.rows) {
      elsewhere(row);
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
    remedy.textContent = row.remedy ? row.remedy[lang] : "–";
    const signal = line.querySelector("[data-signal]");
    signal.textContent = row.signal[lang] || "–";
    signal.className = row.signal[lang] ? "" : "quiet nothing";
    const todo = line.querySelector("[data-do]");
    if (todo) todo.textContent = row.remedy ? row.remedy[`do_${lang}`] : "";
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
  const waiting = [], scanned = new Set(), told = new Set();
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
    const row = given.row, where = `${row.name || row.device} → ${row.place || row.zone}`;
    scanned.add(row.n);
    if (given.known) say("again", `${phrase("wordAgain")} · ${where}`);
    else if (row.state === "unknown" && row.remedy) say("warn", `${where} · ${row.remedy[lang]}`);
    else say("good", where);
    poll();
    return true;
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

  // a device that was just scanned, and that the district has heard at another hub
  const elsewhere = (row) => {
    if (!scanner || !scanned.has(row.n) || told.has(row.n) || !row.remedy || row.remedy.action !== "forget") return;
    told.add(row.n);
    scanner.dispatchEvent(new CustomEvent("said", { detail: { kind: "warn", sentence: `${row.name || row.device} · ${row.remedy[lang]}` } }));
  };

  // a picture of a phone is made smaller, turned upright and stripped of where and when, before it is sent
  const smaller = async (file, side) => {
    const image = await createImageBitmap(file, { imageOrientation: "from-image" });
    const share = Math.min(1, side / Math.max(image.width, image.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(image.width * share);
    canvas.height = Math.round(image.height * share);
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    const small = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
    const list = new DataTransfer();
    list.items.add(new File([small], "photo.jpg", { type: "image/jpeg" }));
    return list.files;
  };
  for (const input of root.querySelectorAll("[data-shrink]")) {
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (!file || file.size <= Number(input.dataset.most || 0)) return;
      try { input.files = await smaller(file, Number(input.dataset.shrink)); } catch { /* it goes as it is */ }
    });
  }
  const photo = root.querySelector("[data-photo]");
  if (photo) photo.addEventListener("change", async () => {
    const [file] = photo.files;
    if (!file) return;
    try { photo.files = await smaller(file, 2000); } catch { /* it goes as it is */ }
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

  if (!root.querySelector("[data-print]")) setInterval(poll, 3000);
})();
