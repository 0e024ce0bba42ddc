// Labels by the camera, one after the other, for any page with a [data-scanner] section; its words stand in there.
// No picture leaves the phone: each is read here and forgotten. What is read goes to the page as a "label" event with
// {text, say(kind, sentence)}, or into the input that `data-fill` names. Kinds: good, again, warn, bad.
"use strict";

(() => {
  const section = document.querySelector("[data-scanner]");
  if (!section) return;
  const word = (name) => section.dataset[name] || "";
  const at = (name) => section.querySelector(`[data-scan-${name}]`);
  const button = at("start"), video = at("video"), said = at("said"), list = at("list");
  const cameras = at("cameras"), torch = at("torch"), sound = at("sound"), photo = at("photo");
  const LOOK_MS = 120, AWAY_MS = 2500, PUZZLED_MS = 1500, CALM_MS = 500, DARK_MS = 12000, SIDE = 1024, PHOTO_SIDE = 2000, SHOWN = 5;

  // what reads a picture: the browser itself where it can, else the worker

  const pixels = (source, width, height, side) => {
    const share = Math.min(1, side / Math.max(width, height));
    const canvas = pixels.canvas || (pixels.canvas = document.createElement("canvas"));
    canvas.width = Math.round(width * share);
    canvas.height = Math.round(height * share);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(source, 0, 0, canvas.width, canvas.height);
    return context.getImageData(0, 0, canvas.width, canvas.height);
  };

  const workers = () => {
    const path = section.dataset.worker;
    const policy = window.trustedTypes && trustedTypes.createPolicy("ilot-scan", { createScriptURL: () => path });
    const worker = new Worker(policy ? policy.createScriptURL("") : path, { type: "module" });
    const waiting = new Map();
    let count = 0, broken = false;
    worker.addEventListener("message", ({ data }) => {
      waiting.get(data.n).done(data);
      waiting.delete(data.n);
    });
    worker.addEventListener("error", () => {
      broken = true;
      for (const one of waiting.values()) one.failed(new Error(word("wordWorker")));
      waiting.clear();
    });
    return {
      read: (source, width, height, side) => new Promise((done, failed) => {
        if (broken) { failed(new Error(word("wordWorker"))); return; }
        const { width: wide, height: high, data } = pixels(source, width, height, side);
        waiting.set(count += 1, { done, failed });
        worker.postMessage({ n: count, width: wide, height: high, data }, [data.buffer]);
      }),
    };
  };

  const own = async () => {
    if (!("BarcodeDetector" in window)) return null;
    try {
      const formats = (await BarcodeDetector.getSupportedFormats()).filter((one) => ["qr_code", "data_matrix"].includes(one));
      if (!formats.includes("qr_code")) return null;
      const detector = new BarcodeDetector({ formats });
      return { read: async (source) => ({ texts: (await detector.detect(source)).map((one) => one.rawValue).filter(Boolean), seen: false }) };
    } catch {
      return null;
    }
  };

  let reader = null;
  const read = async (source, width, height, side) => {
    if (!reader) {
      const native = await own();
      reader = native || (section.dataset.worker ? workers() : null);
      if (!reader) throw new Error(word("wordWorker"));
      reader.native = native !== null;
    }
    try {
      return await reader.read(source, width, height, side);
    } catch (error) {
      if (!reader.native || !section.dataset.worker) throw error;
      reader = workers(); // a browser that promises and cannot: its reader was never installed
      return reader.read(source, width, height, side);
    }
  };

  // what the person sees, hears and feels

  let audio = null;
  const TONES = { good: [[880, 90]], again: [[520, 70], [520, 70]], warn: [[520, 140], [390, 140]], bad: [[240, 260]] };
  const SHAKES = { good: 80, again: [30, 60, 30], warn: [60, 60, 60], bad: 250 };
  const SIGNS = { good: "✓", again: "↺", warn: "!", bad: "✕" };

  const beep = (kind) => {
    if (!audio || sound.getAttribute("aria-pressed") !== "true") return;
    let when = audio.currentTime;
    for (const [hertz, ms] of TONES[kind]) {
      const tone = audio.createOscillator(), level = audio.createGain();
      tone.frequency.value = hertz;
      level.gain.value = 0.15;
      tone.connect(level).connect(audio.destination);
      tone.start(when);
      tone.stop(when += ms / 1000);
      when += 0.05;
    }
  };

  // `key`: a sentence of the same key takes the place of the former one; `quiet`: in the list alone
  const say = (kind, sentence, { key = "", quiet = false } = {}) => {
    const text = sentence.includes(SIGNS.good) ? sentence : `${SIGNS[kind]} ${sentence}`;
    if (list) {
      const former = key && [...list.children].find((one) => one.dataset.key === key);
      const line = former || document.createElement("li");
      line.textContent = text;
      line.dataset.kind = kind;
      if (key) line.dataset.key = key;
      if (!former || (!quiet && former !== list.firstElementChild)) list.prepend(line);
      while (list.children.length > SHOWN) list.lastElementChild.remove();
      if (quiet && line !== list.firstElementChild) return;
    }
    section.dataset.kind = kind;
    said.textContent = text;
    if (quiet) return;
    beep(kind);
    if (navigator.vibrate) navigator.vibrate(SHAKES[kind]);
  };

  section.addEventListener("said", (event) => say(event.detail.kind, event.detail.sentence, event.detail));

  // what was read goes to the page

  const give = (text) => {
    const fill = section.dataset.fill && document.getElementById(section.dataset.fill);
    if (!fill) {
      section.dispatchEvent(new CustomEvent("label", { detail: { text, say } }));
      return;
    }
    if (!text.toUpperCase().startsWith(section.dataset.prefix || "")) {
      say("bad", word("wordOther"));
      return;
    }
    fill.value = text;
    say("good", word("wordRead"));
    stop();
    if ("send" in section.dataset) { fill.form.requestSubmit(); return; }
    const next = document.getElementById(section.dataset.next);
    if (next) next.focus();
  };

  // the camera

  const camera = { on: false, asking: false, stream: null, lock: null, seen: new Map(), puzzled: 0, blurred: 0 };
  let turn = 0;

  const took = ({ texts, seen }) => {
    const now = performance.now();
    for (const text of texts) {
      const last = camera.seen.get(text);
      camera.seen.set(text, now);
      if (camera.on && (last === undefined || now - last > AWAY_MS)) give(text);
    }
    if (camera.seen.size > 500) camera.seen.clear();
    if (seen) {
      camera.blurred = now;
      camera.puzzled = camera.puzzled || now;
    } else if (texts.length || now - camera.blurred > CALM_MS) camera.puzzled = 0;
    if (camera.puzzled && now - camera.puzzled > PUZZLED_MS) {
      camera.puzzled = now + 2 * PUZZLED_MS; // said again while it lasts, not all the time
      say("bad", word("wordBlurred"));
    }
  };

  // while the camera is on it has the whole window, and what lies beneath cannot be reached
  const modal = (on) => {
    for (let one = section; one !== document.body; one = one.parentElement) {
      for (const other of one.parentElement.children) if (other !== one) other.inert = on;
    }
    if (on) { section.setAttribute("role", "dialog"); section.setAttribute("aria-modal", "true"); button.focus(); }
    else { section.removeAttribute("role"); section.removeAttribute("aria-modal"); }
  };

  const stop = (sentence = "") => {
    if (section.dataset.on) { modal(false); button.focus(); }
    turn += 1;
    camera.on = camera.asking = false;
    if (camera.stream) for (const track of camera.stream.getTracks()) track.stop();
    if (camera.lock) camera.lock.release().catch(() => {});
    camera.stream = camera.lock = video.srcObject = null;
    delete section.dataset.on;
    at("live").hidden = true;
    button.textContent = word("wordStart");
    if (sentence) said.textContent = sentence;
  };

  const controls = async (track) => {
    const can = track.getCapabilities ? track.getCapabilities() : {};
    torch.hidden = !can.torch;
    torch.setAttribute("aria-pressed", "false");
    const found = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
    cameras.parentElement.hidden = found.length < 2;
    cameras.replaceChildren(...found.map((one, n) => {
      const option = document.createElement("option");
      option.value = one.deviceId;
      option.textContent = one.label || `${word("wordCamera")} ${n + 1}`;
      option.selected = one.deviceId === (track.getSettings().deviceId || "");
      return option;
    }));
  };

  const start = async (device, mine) => {
    const which = device ? { deviceId: { exact: device } } : { facingMode: { ideal: "environment" } };
    const size = { width: { ideal: 1280 }, height: { ideal: 720 } };
    said.textContent = word("wordStarting");
    camera.asking = true;
    const stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { ...which, ...size } });
    if (turn !== mine) { // the page was hidden, or started anew, while the person was asked
      for (const track of stream.getTracks()) track.stop();
      return;
    }
    camera.stream = stream;
    camera.asking = false;
    button.textContent = word("wordStop");
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => { if (camera.stream === stream) stop(word("wordEnded")); });
    video.srcObject = stream;
    at("live").hidden = false;
    await Promise.race([video.play(), new Promise((done, failed) => setTimeout(failed, DARK_MS, new DOMException("", "AbortError")))]);
    if (camera.stream !== stream) return;
    camera.on = true;
    camera.seen.clear();
    section.dataset.on = "1";
    modal(true);
    delete section.dataset.kind;
    said.textContent = word("wordAim");
    await controls(track);
    if (navigator.wakeLock) navigator.wakeLock.request("screen").then((lock) => { camera.lock = lock; }, () => {});
    while (camera.on && camera.stream === stream) {
      const began = performance.now();
      if (video.readyState >= 2 && video.videoWidth) took(await read(video, video.videoWidth, video.videoHeight, SIDE));
      await new Promise((done) => setTimeout(done, Math.max(30, LOOK_MS - (performance.now() - began))));
    }
  };

  const WHY = { NotAllowedError: "wordRefused", NotFoundError: "wordNone", OverconstrainedError: "wordNone",
                NotReadableError: "wordBusy", AbortError: "wordBusy", SecurityError: "wordInsecure" };
  const begin = (device) => {
    const mine = turn += 1; // what fails after the person has stopped or started anew is nobody's business any more
    start(device, mine).catch((error) => { if (mine === turn) { stop(word(WHY[error.name] || "") || error.message); byHand(); } });
  };

  sound.addEventListener("click", () => sound.setAttribute("aria-pressed", String(sound.getAttribute("aria-pressed") !== "true")));
  torch.addEventListener("click", async () => {
    const on = torch.getAttribute("aria-pressed") !== "true";
    try {
      await camera.stream.getVideoTracks()[0].applyConstraints({ advanced: [{ torch: on }] });
      torch.setAttribute("aria-pressed", String(on));
    } catch {
      torch.hidden = true;
    }
  });
  cameras.addEventListener("change", () => {
    const device = cameras.value;
    stop();
    begin(device);
  });
  document.addEventListener("visibilitychange", () => { if (document.hidden && (camera.stream || camera.asking)) stop(word("wordHidden")); });
  addEventListener("pagehide", () => stop());
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && section.dataset.on) stop(); });

  if (photo) photo.addEventListener("change", async () => {
    const [file] = photo.files;
    if (!file) return;
    try {
      const image = await createImageBitmap(file);
      const { texts } = await read(image, image.width, image.height, PHOTO_SIDE);
      if (texts.length) texts.forEach(give);
      else say("bad", word("wordPhoto"));
    } catch {
      say("bad", word("wordPhoto"));
    }
    photo.value = "";
  });

  // what cannot be read by the camera is typed, or photographed
  const byHand = () => { const hand = document.querySelector("[data-by-hand]"); if (hand) hand.open = true; };

  section.hidden = false;
  if (!window.isSecureContext || !navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) {
    said.textContent = word("wordInsecure");
    byHand();
  } else if (!section.dataset.worker && !("BarcodeDetector" in window)) {
    said.textContent = word("wordWorker");
    byHand();
  } else {
    button.hidden = false;
    button.addEventListener("click", () => {
      if (camera.stream) { stop(); return; }
      if (!audio && window.AudioContext) audio = new AudioContext();
      begin("");
    });
  }
})();
