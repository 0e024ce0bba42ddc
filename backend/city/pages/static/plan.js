// A tap on a floor plan gives the place of the device that is chosen in the form below it.
"use strict";

for (const form of document.querySelectorAll("[data-pin-form]")) {
  const plan = document.querySelector(`[data-plan="${CSS.escape(form.dataset.pinForm)}"]`);
  plan.addEventListener("click", (event) => {
    if (!form.closest("details").open || event.target.closest("a")) return;
    const box = plan.getBoundingClientRect();
    form.elements.x.value = (((event.clientX - box.left) / box.width) * 100).toFixed(1);
    form.elements.y.value = (((event.clientY - box.top) / box.height) * 100).toFixed(1);
    form.querySelector("button").focus();
  });
}
