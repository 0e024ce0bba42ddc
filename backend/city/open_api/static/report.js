// Chooses the place of a report: by a tap on the map, or by the position of the phone. Without this, two fields do.
"use strict";
{
  const lat = document.getElementById("lat"), lon = document.getElementById("lon");
  const said = document.querySelector("[data-report-said]"), box = document.querySelector("[data-report-map]");
  const here = document.querySelector("[data-report-here]");
  let map = null, mark = null;

  const number = (field) => Number.parseFloat(field.value.replace(",", "."));
  const show = () => {
    const at = [number(lat), number(lon)];
    if (map === null || !at.every(Number.isFinite)) return;
    if (mark === null) mark = L.circleMarker(at, { radius: 10 }).addTo(map); else mark.setLatLng(at);
    map.panTo(at);
  };
  const take = (latitude, longitude) => {
    lat.value = latitude.toFixed(6);
    lon.value = longitude.toFixed(6);
    said.textContent = "";
    show();
  };
  if ("geolocation" in navigator) {
    here.hidden = false;
    here.addEventListener("click", () => navigator.geolocation.getCurrentPosition(
      (found) => take(found.coords.latitude, found.coords.longitude),
      () => { said.textContent = said.dataset.failed; },
      { enableHighAccuracy: true, timeout: 15000 }));
  }
  const draw = async () => {
    const reply = await fetch(box.dataset.areas, { headers: { Accept: "application/json" } });
    if (!reply.ok || typeof L === "undefined") return;
    const told = await reply.json();
    if (told.bounds === null) return;
    box.hidden = false;
    map = L.map(box, { attributionControl: false, zoomControl: false, keyboard: true });
    L.geoJSON(told.areas, { interactive: false }).addTo(map);
    map.fitBounds([[told.bounds[1], told.bounds[0]], [told.bounds[3], told.bounds[2]]]);
    map.on("click", (event) => take(event.latlng.lat, event.latlng.lng));
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      const middle = map.getCenter();
      take(middle.lat, middle.lng);
    });
    show();
  };
  lat.addEventListener("change", show);
  lon.addEventListener("change", show);
  if (box !== null) draw();
}
