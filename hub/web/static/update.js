// While an update is under way: show how far it is, and show the page anew when the hub is back with another state.
"use strict";
const section = document.querySelector("[data-release]");
const bar = section && section.querySelector("progress");
const look = async () => {
  try {
    const answer = await fetch("/api/1/release", { headers: { Accept: "application/json" } });
    if (answer.ok) {
      const now = await answer.json();
      if (now.phase !== section.dataset.release) return location.reload();
      if (bar && now.progress) bar.value = now.progress.done;
    }
  } catch {
    // it restarts
  }
  setTimeout(look, 4000);
};
if (section) setTimeout(look, 4000);
