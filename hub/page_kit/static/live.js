// One stream a tab: values, states and figures as they come. Closed while the tab is hidden; the browser is told the
// last id seen, so that nothing in between is missed. Without this script every page still reads the same.
"use strict";

(() => {
  const code = document.getElementById("code");
  if (code && location.hash.startsWith("#code=")) {
    code.value = decodeURIComponent(location.hash.slice(6));
    document.getElementById("name").focus();
  }
  if (location.hash.startsWith("#code=")) history.replaceState(null, "", location.pathname);

  const menu = document.getElementById("menu");
  if (menu) {  // beside the page where there is room, behind its button where there is none
    const wide = window.matchMedia("(min-width: 64rem)");
    const fit = () => { menu.open = wide.matches; };
    document.documentElement.classList.add("scripted");
    wide.addEventListener("change", fit);
    fit();
  }

  const box = document.querySelector("[data-live]");
  if (!(box || menu) || !window.EventSource) return;
  const said = box && box.querySelector("[data-live-word]");
  const pause = box && box.querySelector("[data-live-pause]");
  const french = document.documentElement.lang === "fr";
  const seen = new Map(), read = new Map();
  const SILENT = 9000;  // milliseconds: more than two beats of the hub (hub/web/live_feed.py, BEAT_S), less than ten seconds
  const where = document.documentElement.dataset.events || "/api/1/live";  // a site may have its stream elsewhere
  let source = null, last = "", paused = false, over = false, anew = false, wait = 1000, timer = 0, ahead = 0, heard = 0;

  const tell = (state) => {
    document.documentElement.dataset.stream = state;  // values of a hub that is silent are greyed
    document.dispatchEvent(new CustomEvent("ilot:stream", { detail: state }));
    if (!box) return;  // of a page without values only the figures of the menu are followed
    box.hidden = false;
    box.dataset.state = state;
    pause.textContent = state === "end" ? box.dataset.reload : paused ? box.dataset.resume : box.dataset.pause;
    said.textContent = state === "on" ? box.dataset.on : state === "off" ? box.dataset.off : state === "end" ? box.dataset.end : "";
  };

  // As the server says it: hub/web/showing.py, value_text.
  const text = (value, place) => {
    if (typeof value === "boolean") return value ? place.dataset.yes : place.dataset.no;
    if (typeof value !== "number") return String(value);
    const most = Math.min(12, Math.max(0, 5 - (value ? Math.floor(Math.log10(Math.abs(value))) : 0)));
    const finest = place.dataset.finest && Math.abs(value) >= 1 ? Number(place.dataset.finest) : most;
    return (value || 0).toLocaleString(french ? "fr-FR" : "en-GB", { maximumFractionDigits: Math.min(most, finest) });
  };

  const all = (name, value) => document.querySelectorAll(`[${name}="${CSS.escape(value)}"]`);

  // As the server says it: hub/web/formatting.py, moment_text. Of the hour that comes twice, which one it is.
  const moment = (at) => {
    const read = (when, lang) => new Date(when * 1000).toLocaleString(lang, { timeZone: box.dataset.zone }).replace(",", "");
    const there = read(at, "sv-SE"), said = french ? read(at, "fr-FR") : there;
    if (read(at - 3600, "sv-SE") !== there && read(at + 3600, "sv-SE") !== there) return said;
    const ahead = (Date.parse(`${there.replace(" ", "T")}Z`) / 1000 - Math.floor(at)) / 3600;
    return `${said}\u00a0UTC${ahead < 0 ? "\u2212" : ahead ? "+" : ""}${Math.abs(ahead) || ""}`;
  };

  const values = (list) => {
    for (const one of list) {
      for (const place of all("data-series", one.series)) {
        const fresh = text(one.value, place);
        if (place.textContent !== fresh) {
          place.textContent = fresh;
          place.classList.remove("fresh");
          requestAnimationFrame(() => place.classList.add("fresh"));
        }
      }
      for (const place of all("data-comfort", one.series)) {
        const at = one.value < Number(place.dataset.low) ? 0 : one.value > Number(place.dataset.high) ? 2 : 1;
        mark(place, place.dataset.states.split(" ")[at], place.getAttribute(`data-word-${at}`));
      }
      if (one.time) read.set(one.series, one.time);
      if (one.time) seen.set(one.device, Math.max(one.time, seen.get(one.device) || 0));
      if (one.time) for (const place of all("data-at", one.series)) {
        const said = moment(one.time);
        const day = document.createElement("span");  // no line ends within it
        day.className = "whole";
        day.textContent = said.slice(0, 10);
        place.replaceChildren(day, said.slice(10));
      }
    }
    document.dispatchEvent(new CustomEvent("ilot:values", { detail: list }));
  };

  // As the server says it: hub/web/showing.py, span_text.
  const span = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds)), day = french ? "j" : "d";
    if (whole >= 3600 && whole % (whole >= 86400 ? 86400 : 3600) === 0) return whole >= 86400 ? `${whole / 86400}\u202f${day}` : `${whole / 3600}\u202fh`;
    if (whole >= 86400) return `${Math.floor(whole / 86400)}\u202f${day}\u00a0${Math.floor((whole % 86400) / 3600)}\u202fh`;
    if (whole >= 3600) return `${Math.floor(whole / 3600)}\u202fh\u00a0${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")}\u202fmin`;
    return whole >= 60 ? `${Math.floor(whole / 60)}\u202fmin` : `${whole}\u202fs`;
  };

  setInterval(() => {
    if (paused) return;  // it goes on while the hub is away: no value is younger than it is
    for (const place of document.querySelectorAll("[data-seen], [data-age]")) {
      const at = place.dataset.age ? read.get(place.dataset.age) : seen.get(place.dataset.seen);
      if (at) place.textContent = place.dataset.ago.replace("{}", span(Date.now() / 1000 + ahead - at));
    }
  }, 1000);

  const mark = (place, state, word) => {
    place.setAttribute("class", `state ${state}`);  // of SVG too
    place.querySelector(".word").textContent = word;
  };

  const states = (changed) => {
    for (const [device, state] of Object.entries(changed)) {
      for (const row of all("data-device", device)) {
        const place = row.querySelector(".state");
        if (place && !place.classList.contains(state)) mark(place, state, place.dataset[`word${state[0].toUpperCase()}${state.slice(1)}`]);
      }
    }
  };

  const plainCount = (value) => (typeof value === "number" ? value.toLocaleString(french ? "fr-FR" : "en-GB") : value);

  const summary = (sum) => {
    for (const place of document.querySelectorAll("[data-sum]")) {
      if (!(place.dataset.sum in sum)) continue;
      place.textContent = plainCount(sum[place.dataset.sum]);
      if (place.parentElement.matches(".count")) place.parentElement.hidden = !sum[place.dataset.sum];
    }
    window.ilotSummary = sum;
    document.dispatchEvent(new CustomEvent("ilot:summary", { detail: sum }));
    const link = document.querySelector("[data-link]");
    if (link && link.dataset.link !== sum.link) {
      link.dataset.link = sum.link;
      mark(link.querySelector(".state"), sum.link === "up" ? "green" : "trouble", link.dataset[sum.link]);
    }
  };

  // EventSource gives up on some errors and cannot send an id of ours after we closed it: fetch does both.
  const open = async () => {
    if (source || paused || over || document.hidden) return;
    const mine = source = new AbortController();
    heard = Date.now();
    const device = document.querySelector("main > div[data-device]");
    const one = !box ? "?only=summary" : box.dataset.ask ? `?${box.dataset.ask}` : device ? `?device=${encodeURIComponent(device.dataset.device)}` : "";
    try {
      const answer = await fetch(`${where}${one}`, { signal: mine.signal, headers: last ? { "Last-Event-ID": last } : {} });
      if (answer.status === 401) { end(); return; }
      if (!answer.ok) throw new Error(String(answer.status));
      tell("on");
      wait = 1000;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        heard = Date.now();
        rest += value;
        for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
          take(rest.slice(0, end));
          rest = rest.slice(end + 2);
        }
      }
    } catch {
      // told below
    } finally {
      if (source === mine) source = null;
    }
    if (anew) { anew = false; open(); return; }
    if (!paused && !over && !document.hidden && !mine.signal.aborted) lost();
  };

  const lost = () => {
    tell("off");
    clearTimeout(timer);
    timer = setTimeout(open, wait * (0.5 + Math.random()));
    wait = Math.min(wait * 2, 60000);
  };

  setInterval(() => {  // a hub that hangs, or a network that swallows, ends no connection
    if (!source || Date.now() - heard < SILENT) return;
    source.abort();
    source = null;
    lost();
  }, 1000);

  const take = (block) => {
    let kind = "", data = "";
    for (const line of block.split("\n")) {
      if (line.startsWith("id: ")) last = line.slice(4);
      if (line.startsWith("event: ")) kind = line.slice(7);
      if (line.startsWith("data: ")) data += line.slice(6);
    }
    if (kind === "clock") {
      ahead = JSON.parse(data).now - Date.now() / 1000;
      document.dispatchEvent(new CustomEvent("ilot:clock", { detail: ahead }));
    } else if (kind === "crisis") document.dispatchEvent(new CustomEvent("ilot:crisis", { detail: JSON.parse(data) }));
    else if (kind === "values") values(JSON.parse(data));
    else if (kind === "states") states(JSON.parse(data));
    else if (kind === "summary") summary(JSON.parse(data));
    else if (kind === "config") document.dispatchEvent(new CustomEvent("ilot:config", { detail: { ...JSON.parse(data), ahead } }));
    else if (kind === "end") end();
    else if (kind === "anew") anew = true;  // the server ends the stream to look again who follows it
    else if (kind) document.dispatchEvent(new CustomEvent(`ilot:${kind}`, { detail: JSON.parse(data) }));
  };

  const end = () => { over = true; tell("end"); document.dispatchEvent(new CustomEvent("ilot:over")); };

  const close = () => { clearTimeout(timer); if (source) source.abort(); source = null; };

  // Somebody may have signed in elsewhere, or have come back to a page that the browser kept as it was.
  const again = () => { over = false; wait = 1000; open(); };

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : again()));
  document.addEventListener("ilot:session", again);
  addEventListener("pageshow", (event) => { if (event.persisted) again(); });
  addEventListener("pagehide", close);
  if (pause) pause.addEventListener("click", () => {
    if (over) { location.reload(); return; }
    paused = !paused;
    if (paused) { close(); tell("paused"); } else { pause.textContent = box.dataset.pause; open(); }
  });
  open();
})();
