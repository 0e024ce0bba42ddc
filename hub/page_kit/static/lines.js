// Line numbers beside the text of the configuration, and the way to a line that is wrong. Without it the text is edited all the same.
"use strict";
(() => {
  const text = document.getElementById("text");
  if (!text) return;
  const numbers = document.createElement("div");
  numbers.className = "numbers";
  numbers.setAttribute("aria-hidden", "true");
  text.parentElement.insertBefore(numbers, text);
  const wrong = new Set((text.dataset.wrong || "").split(" ").filter(Boolean).map(Number));
  let shown = 0;
  const count = () => {
    const lines = text.value.split("\n").length;
    if (lines === shown) return;
    shown = lines;
    numbers.replaceChildren(...Array.from({ length: lines }, (_, n) => {
      const line = document.createElement("span");
      line.textContent = wrong.has(n + 1) ? `! ${n + 1}` : n + 1;
      if (wrong.has(n + 1)) line.className = "wrong";
      return line;
    }));
    numbers.scrollTop = text.scrollTop;
  };
  const go = (line) => {
    const lines = text.value.split("\n");
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    text.focus();
    text.setSelectionRange(start, start + (lines[line - 1] || "").length);
    text.scrollTop = Math.max(0, (line - 4) * parseFloat(getComputedStyle(text).lineHeight));
  };
  text.addEventListener("input", count);
  text.addEventListener("scroll", () => { numbers.scrollTop = text.scrollTop; });
  document.querySelectorAll("a[data-line]").forEach((link) => link.addEventListener("click", (event) => {
    event.preventDefault();
    go(Number(link.dataset.line));
  }));
  count();
})();
