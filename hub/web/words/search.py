"""Search over everything."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "search-what": "What are you looking for?",
    "search-help-all": "A room, a device, a page or a setting. Accents and capitals do not matter.",
    "search-found": "{count} result[|s]",
    "search-none": "Nothing found. Try fewer words, or another one.",
    "search-places": "Places",
    "search-devices": "Devices",
    "search-pages": "Pages",
    "search-settings": "Settings of the configuration",
    "search-guides": "Guides",
    "search-more": "{count} more: add a word",
    "search-slash": "The key / leads to the search",
}
