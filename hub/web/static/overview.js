// Tiles in their order while the page is open: when an alert is raised or a device falls silent, and each half minute,
// for the coldest and the warmest place. Values in them follow the stream of live values (live.js).
"use strict";

(() => {
  const box = document.querySelector("[data-building]");
  if (!box) return;
  const EVERY = 30000, SOON = 1500, REST = 4000;  // milliseconds
  let timer = 0, asked = 0, known = box.dataset.figures, moved = 0;

  // Nothing moves under a finger or a cursor, nor away from who reads it by keyboard.
  const held = () => Date.now() - moved < REST || box.contains(document.activeElement);
  let where = "";
  for (const name of ["pointermove", "pointerdown"]) {
    box.addEventListener(name, (event) => {  // a browser also says that it moved when what lies under it did
      if (where !== (where = `${event.screenX} ${event.screenY}`)) moved = Date.now();
    }, { passive: true });
  }

  const renew = async () => {
    timer = 0;
    if (document.hidden || document.documentElement.dataset.stream !== "on" || held()) { later(SOON * 2); return; }
    asked = Date.now();
    try {
      const fresh = await ilotPart(box.dataset.building);
      if (!held()) { box.replaceChildren(...fresh.body.childNodes); return; }
    } catch { /* the hub does not answer: live.js says so, and what is shown stays until it does */ }
    later(SOON * 2);
  };

  const later = (wait) => { if (!timer) timer = setTimeout(renew, wait); };

  const follow = (sum) => {
    const now = JSON.stringify([sum.raised, sum.green, sum.devices]);
    if (known !== now) later(SOON);
    known = now;
  };
  if (window.ilotSummary) follow(window.ilotSummary);  // it came before this script
  document.addEventListener("ilot:summary", ({ detail }) => follow(detail));
  document.addEventListener("ilot:values", () => { if (Date.now() - asked > EVERY) { asked = Date.now(); later(SOON); } });
})();
