"""Accessibility and versions."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "accessibility": "Accessibility: partially compliant",
    "a11y-title": "Accessibility statement",
    "a11y-intro": "These pages aim at RGAA 4.1 and WCAG 2.2, level AA. They work by keyboard, without scripts, at 360 pixels wide, and say nothing by colour alone.",
    "a11y-state": "State: partially compliant, by self-assessment. Every page is checked by axe-core in both languages with every version; no third party has audited them.",
    "a11y-gaps": "What is not compliant",
    "a11y-gap-english": "Technical messages of the hub stay in English; they are marked as such.",
    "a11y-contact": "To report a difficulty:",
    "a11y-contact-none": "To report a difficulty: the local authority that runs this hub.",
    "sitemap": "Site map",
    "versions": "Versions",
}
