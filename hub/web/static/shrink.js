// A picture of a phone is made smaller, turned upright and stripped of where and when, before it is sent.
"use strict";

(() => {
  const smaller = async (file, side) => {
    const image = await createImageBitmap(file, { imageOrientation: "from-image" });
    const share = Math.min(1, side / Math.max(image.width, image.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(image.width * share);
    canvas.height = Math.round(image.height * share);
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    const small = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
    const list = new DataTransfer();
    list.items.add(new File([small], "photo.jpg", { type: "image/jpeg" }));
    return list.files;
  };
  globalThis.ilotSmaller = smaller;

  for (const input of document.querySelectorAll("[data-shrink]")) {
    input.addEventListener("change", async () => {
      const [file] = input.files;
      if (!file || file.size <= Number(input.dataset.most || 0)) return;
      try { input.files = await smaller(file, Number(input.dataset.shrink)); } catch { /* it goes as it is */ }
    });
  }
})();
