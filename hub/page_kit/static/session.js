// Before the session ends it says so, and one press keeps it (WCAG 2.2, 2.2.1). Other tabs may have kept it: the hub is
// asked first. When it is over what was typed stays, and a sign-in in another tab makes it good again. So a form is sent
// only once the hub has said that somebody is signed in: it may have restarted, or be away. And it is sent once.
"use strict";

(() => {
  const box = document.getElementById("lapse");
  if (!box) return;
  const WARN = 300;  // seconds before the end; 2.2.1 asks for 20 at least
  const said = box.querySelector("[role=status]"), stay = box.querySelector("button"), again = box.querySelector("a");
  let at = Date.now(), left = Number(box.dataset.left), most = Number(box.dataset.most), over = false, timer = 0;

  const gone = () => (Date.now() - at) / 1000;
  const say = (text) => { if (said.textContent !== text) said.textContent = text; };

  // whether the hub answered
  const ask = async (method) => {
    const csrf = document.querySelector("input[name=csrf]");
    try {
      const answer = await fetch("/api/1/session", {
        method, headers: csrf ? { "X-CSRF": csrf.value } : {}, signal: AbortSignal.timeout(10000),
      });
      if (answer.status === 401 || answer.status === 403) { left = most = 0; at = Date.now(); return true; }
      if (!answer.ok) return true;
      const told = await answer.json();
      at = Date.now(); left = told.left_s; most = told.most_s;
      document.querySelectorAll("input[name=csrf]").forEach((one) => { one.value = told.csrf; });
      if (over) document.dispatchEvent(new CustomEvent("ilot:session"));
      return true;
    } catch {
      return false;  // what was known counts
    }
  };

  const show = () => {
    clearTimeout(timer);
    const rest = left - gone(), last = most - gone() <= WARN;
    over = rest <= 0;
    again.hidden = !over;
    stay.hidden = over || last || rest > WARN;
    if (over) { say(box.dataset.over); return; }
    if (rest > WARN) {
      if (said.textContent) say("");
      timer = setTimeout(look, Math.min((rest - WARN) * 1000, 2 ** 31 - 1));
      return;
    }
    const minutes = Math.ceil(rest / 60);
    if ([5, 2, 1].includes(minutes) || !said.textContent) say((last ? box.dataset.last : box.dataset.warn).replace("{}", minutes));
    timer = setTimeout(minutes > 1 ? show : look, Math.max(500, (rest - (minutes - 1) * 60) * 1000 + 50));
  };

  const look = async () => { await ask("GET"); show(); };

  stay.addEventListener("click", async () => {
    await ask("POST");
    const kept = left > WARN;
    show();
    if (kept) { say(box.dataset.kept); setTimeout(() => { if (said.textContent === box.dataset.kept) say(""); }, 4000); document.getElementById("content").focus({ preventScroll: true }); }
  });

  let sent = new WeakSet();
  document.addEventListener("submit", async (event) => {
    const form = event.target, by = event.submitter;
    if ((form.getAttribute("method") || "").toLowerCase() !== "post") return;
    if (sent.has(form) && form.dataset.checked) { delete form.dataset.checked; return; }
    event.preventDefault();
    if (sent.has(form)) return;
    sent.add(form);
    const there = await ask("GET");
    show();
    if (!there) say(box.dataset.silent);
    if (!there || over) { sent.delete(form); return; }
    form.dataset.checked = "1";
    form.requestSubmit(by);
    setTimeout(() => sent.delete(form), 10000);  // no answer came, or it was a file
  });

  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  document.addEventListener("ilot:over", look);
  addEventListener("pageshow", (event) => { if (event.persisted) { sent = new WeakSet(); look(); } });
  show();
})();
