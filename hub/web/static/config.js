// The configuration's pages: a change under way is followed by the stream of live values, the time to confirm it counts
// down, and a form shows which of its fields were touched. Without it the pages are read anew by themselves.
"use strict";

(() => {
  // The page anew, once the hub answers here: it may have moved, and this page says where to.
  const again = async () => {
    try { await fetch(location.href, { method: "HEAD", signal: AbortSignal.timeout(5000) }); location.reload(); } catch { setTimeout(again, 2000); }
  };
  const change = document.getElementById("change");
  if (change) {
    const count = change.querySelector("[data-count]"), said = change.querySelector("[role=status]");
    let end = Date.now() / 1000 + Number(change.dataset.left || 0);
    const tick = () => {
      const left = Math.max(0, Math.round(end - Date.now() / 1000));
      count.textContent = left;
      if ([60, 30, 10].includes(left)) said.textContent = change.dataset.say.replace("{}", left);
      if (left > 0) setTimeout(tick, 1000); else setTimeout(again, 2000);
    };
    if (count) tick();
    document.addEventListener("ilot:config", (event) => {
      const now = event.detail;
      if (now.stage === change.dataset.stage && now.state === change.dataset.state) {
        if (now.until) end = now.until - now.ahead;
        return;
      }
      setTimeout(again, 500);
    });
  }

  const form = document.querySelector("form[data-fields]");
  if (!form) return;
  const button = form.querySelector("button[data-changed]"), plain = button && button.textContent;
  const mark = () => {
    let touched = 0;
    for (const field of form.querySelectorAll(".field")) {
      const input = field.querySelector("[name^='f.']");
      if (!input) continue;
      const was = input.dataset.was !== undefined ? input.dataset.was : input.tagName === "SELECT"
        ? ([...input.options].find((one) => one.defaultSelected) || input.options[0]).value : input.defaultValue;
      const differs = input.value.trim() !== was.trim();
      field.classList.toggle("touched", differs);
      field.querySelector("[data-touched]").hidden = !differs;
      touched += differs;
    }
    if (button) button.textContent = touched ? button.dataset.changed.replace("{}", touched) : plain;
  };
  form.addEventListener("input", mark);
  form.addEventListener("change", mark);
  mark();
})();
