// Commissioning without reloading: rows as they turn green, labels by the camera, small pictures, pins by a touch.
// Every page reads and works the same without this script.
"use strict";

(() => {
  const root = document.querySelector("[data-commissioning]");
  if (!root) return;
  const lang = document.documentElement.lang === "fr" ? "fr" : "en";
  const table = root.querySelector("[data-rows]");

  const words = new Map();
  for (const place of root.querySelectorAll("[data-colour]")) {
    words.set([...place.classList].find((name) => name !== "state"), place.querySelector("[data-word]").textContent);
  }

  const show = (shown) => {
    const counter = root.querySelector("[data-counter]");
    if (counter) {
      const text = counter.dataset.pattern.replace("{g}", shown.green).replace("{e}", shown.expected);
      if (counter.textContent !== text) counter.textContent = text;
    }
    const busy = document.activeElement && ["INPUT", "TEXTAREA", "SELECT"].includes(document.activeElement.tagName);
    let reload = table ? Number(table.dataset.rows) !== shown.rows.length : shown.rows.length > 0;
    for (const row of shown.rows) {
      const line = root.querySelector(`[data-row="${row.n}"]`);
      if (!line) continue;
      const place = line.querySelector("[data-colour]");
      if (!place.classList.contains(row.colour)) {
        if (!words.has(row.colour)) { reload = true; continue; }
        place.className = `state ${row.colour}`;
        place.querySelector("[data-word]").textContent = words.get(row.colour);
      }
      line.querySelector("[data-said]").textContent = row[lang];
      const remedy = line.querySelector("[data-remedy]");
      remedy.textContent = row.remedy ? row.remedy[lang] : "–";
      if (!row.remedy && remedy.nextElementSibling && remedy.nextElementSibling.classList.contains("why")) remedy.nextElementSibling.textContent = "";
    }
    if (reload && !busy && !camera.on && !root.querySelector("details[open], form[data-sent]")) location.reload();
  };

  const poll = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch("/api/1/commissioning");
      if (answer.ok) show(await answer.json());
    } catch { /* the next one may come through */ }
  };

  // the camera, where the browser reads codes by itself
  const camera = { on: false, stream: null };
  const button = root.querySelector("[data-camera]"), video = root.querySelector("[data-video]");
  const said = root.querySelector("[data-camera-said]"), form = root.querySelector("[data-scan]");

  const csrf = () => form.querySelector("[name=csrf]").value;
  const send = async (label) => {
    const body = { label, zone: form.elements.zone.value, how: "scan" };
    const answer = await fetch("/api/1/commissioning/scan", {
      method: "POST", headers: { "Content-Type": "application/json", "X-CSRF": csrf() }, body: JSON.stringify(body),
    });
    const told = await answer.json();
    if (!answer.ok) { said.textContent = told.error; return; }
    const row = told.row;
    const more = told.known ? ` · ${button.dataset.known}` : row.state === "unknown" && row.remedy ? ` · ${row.remedy[lang]}` : "";
    said.textContent = `${row.device} → ${row.place}${more}`;
    if (navigator.vibrate) navigator.vibrate(told.known ? 30 : 80);
    poll();
  };

  const stop = () => {
    camera.on = false;
    if (camera.stream) for (const track of camera.stream.getTracks()) track.stop();
    camera.stream = null;
    video.hidden = true;
    button.textContent = button.dataset.start;
  };

  const start = async () => {
    const detector = new BarcodeDetector({ formats: ["qr_code", "data_matrix"] });
    camera.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    video.srcObject = camera.stream;
    video.hidden = false;
    await video.play();
    camera.on = true;
    button.textContent = button.dataset.stop;
    let last = "", at = 0;
    while (camera.on) {
      for (const code of await detector.detect(video)) {
        const now = Date.now();
        if (code.rawValue && (code.rawValue !== last || now - at > 5000)) {
          last = code.rawValue;
          at = now;
          await send(code.rawValue);
        }
      }
      await new Promise((done) => setTimeout(done, 200));
    }
  };

  if (button) {
    if (window.BarcodeDetector && navigator.mediaDevices) {
      button.hidden = false;
      button.addEventListener("click", () => {
        if (camera.on) stop();
        else start().catch((error) => { stop(); said.textContent = String(error.message || error); });
      });
      addEventListener("pagehide", stop);
    } else said.textContent = button.dataset.none;
  }

  // a picture of a phone is made smaller before it is sent
  const photo = root.querySelector("[data-photo]");
  if (photo) photo.addEventListener("change", async () => {
    const [file] = photo.files;
    if (!file) return;
    try {
      const image = await createImageBitmap(file);
      const share = Math.min(1, 2000 / Math.max(image.width, image.height));
      if (share < 1) {
        const canvas = document.createElement("canvas");
        canvas.width = Math.round(image.width * share);
        canvas.height = Math.round(image.height * share);
        canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
        const small = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
        const list = new DataTransfer();
        list.items.add(new File([small], "photo.jpg", { type: "image/jpeg" }));
        photo.files = list.files;
      }
    } catch { /* it goes as it is */ }
    form.dataset.sent = "1";
    form.requestSubmit();
  });

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
