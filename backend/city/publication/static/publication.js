// Map of a published data set: its newest cells, as the table below says them.
"use strict";

(async () => {
  const box = document.getElementById("data-map");
  if (!box || !window.L) return;
  const answer = await fetch(box.dataset.src);
  if (!answer.ok) return;
  const told = await answer.json();
  const placed = told.features.filter((one) => one.geometry);
  if (!placed.length) return;
  const masked = (one) => one.properties.values.length > 0 && one.properties.values.every((value) => value.mark);
  const text = (value) => (value.mark ? box.dataset[value.mark] : `${value.value.toLocaleString(document.documentElement.lang)} ${value.unit === "1" ? "" : value.unit}`);
  box.hidden = false;
  const map = L.map(box, { attributionControl: false, scrollWheelZoom: false, zoomControl: false, zoomSnap: 0.5 });
  // Leaflet's own buttons are written as markup, which the content security policy forbids.
  const buttons = document.createElement("div");
  buttons.className = "data-zoom";
  for (const [sign, name, step] of [["+", box.dataset.zoomIn, 1], ["−", box.dataset.zoomOut, -1]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = sign;
    button.setAttribute("aria-label", name);
    button.addEventListener("click", () => map.setZoom(map.getZoom() + step));
    buttons.append(button);
  }
  L.DomEvent.disableClickPropagation(buttons);
  box.append(buttons);
  const style = (one) => ({ className: masked(one) ? "masked" : "told", weight: 2, fillOpacity: 0.35 });
  const layer = L.geoJSON({ type: "FeatureCollection", features: placed }, {
    style,
    pointToLayer: (one, at) => L.circleMarker(at, { radius: 9, ...style(one) }),
    onEachFeature: (one, shape) => {
      const lines = document.createElement("div"), name = document.createElement("strong");
      name.textContent = one.properties.name;
      lines.append(name);
      for (const value of one.properties.values) {
        const line = document.createElement("div");
        line.textContent = `${value.metric}: ${text(value)}`;
        lines.append(line);
      }
      shape.bindTooltip(lines);
    },
  }).addTo(map);
  map.fitBounds(layer.getBounds(), { padding: [24, 24], maxZoom: 15 });
})();
