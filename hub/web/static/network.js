// The page of the network: a change that waits counts down, and the fields of a static address are shown where they are
// needed. Without it the page is read anew by itself, and all fields are shown.
"use strict";

(() => {
  const waits = document.getElementById("waits");
  if (waits) {
    const count = waits.querySelector("[data-count]"), said = waits.querySelector("[role=status]");
    const end = Date.now() / 1000 + Number(waits.dataset.left);
    const again = async () => {
      try { await fetch(location.pathname, { method: "HEAD", signal: AbortSignal.timeout(5000) }); location.assign("/network"); } catch { setTimeout(again, 3000); }
    };
    const tick = () => {
      const left = Math.max(0, Math.round(end - Date.now() / 1000));
      count.textContent = left;
      if ([60, 30, 10].includes(left)) said.textContent = waits.dataset.say.replace("{}", left);
      if (left > 0) setTimeout(tick, 1000); else setTimeout(again, 3000);
    };
    tick();
  }
  for (const form of document.querySelectorAll("form[data-addresses]")) {
    const show = () => {
      for (const place of form.querySelectorAll("[data-with]")) {
        place.hidden = form.querySelector(`[name=${place.dataset.with}]`).value !== "manual";
        if (place.hidden) for (const input of place.querySelectorAll("input")) input.value = "";
      }
    };
    form.addEventListener("change", show);
    show();
  }
  for (const button of document.querySelectorAll("button[data-ssid]")) {
    button.addEventListener("click", () => {
      const form = document.querySelector(`form[data-of="${button.dataset.of}"]`);
      form.closest("details").open = true;
      form.querySelector("[name=ssid]").value = button.dataset.ssid;
      form.querySelector("[name=key]").focus();
    });
  }
})();
