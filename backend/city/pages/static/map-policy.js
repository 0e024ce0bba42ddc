// Leaflet tries once whether this browser draws SVG, by writing markup into an element of its own. The content security
// policy of these pages forbids markup from scripts: this one text is let through, and nothing else.
"use strict";

if (window.trustedTypes) trustedTypes.createPolicy("default", { createHTML: (text) => (text === "<svg/>" ? text : null) });
