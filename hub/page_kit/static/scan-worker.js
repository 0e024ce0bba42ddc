// Reads the QR codes of one picture, in a thread of its own: {n, width, height, data} → {n, texts, seen}.
// `seen`: a code is there that cannot be read. Nothing of the picture is kept.
import { decodeQRBatch } from "/static/qr/decode.js";

const NOTHING = new Set(["finder", "version", "format", "dimension"]);

self.addEventListener("message", async (event) => {
  const { n, width, height, data } = event.data;
  const [found] = await decodeQRBatch([{ width, height, data }], { maxSize: { width, height } });
  const texts = found.filter((one) => typeof one === "string" && one);
  const seen = found.some((one) => one instanceof Error && !NOTHING.has(one.message));
  self.postMessage({ n, texts, seen: !texts.length && seen });
});
