"""Guides for technicians: contents and search. The guides themselves are in `hub/web/guides`."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "guides": "Guides",
    "about-guides": "How to commission, connect, repair and update, step by step; readable without network.",
    "guides-what": "Search in the guides",
    "guides-help": "A device, a fault, a word of a page.",
    "guides-found": "{count} passage[|s]",
    "guides-none": "No guide holds these words. Try fewer, or another one.",
    "guides-begin": "Begin",
    "guides-radio": "Radio sensors",
    "guides-bus": "Meters and building management",
    "guides-after": "Keep it running",
    "guides-all": "All guides",
    "guides-on-page": "On this page",
}
