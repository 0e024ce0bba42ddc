// Leads on as soon as the hub is in service: somebody may enrol it elsewhere, and while it goes into service it does not
// answer for a moment.
"use strict";

(() => {
  const every = Number(document.getElementById("enrolment").dataset.every);
  const look = async () => {
    try {
      const answer = await fetch("/api/1/enrolment", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (answer.status === 401 || (answer.ok && (await answer.json()).in_service)) { location.replace("/"); return; }
    } catch { /* it is asked again */ }
    setTimeout(look, every);
  };
  setTimeout(look, every);
})();
