"""Accessibility and versions."""

WORDS: dict[str, tuple[str, str]] = {
    "accessibility": ("Accessibilité : partiellement conforme", "Accessibility: partially compliant"),
    "a11y-title": ("Déclaration d'accessibilité", "Accessibility statement"),
    "a11y-intro": (
        "Ces pages visent le RGAA 4.1 et les WCAG 2.2, niveau AA. Elles fonctionnent au clavier, sans script, à 360 pixels de large, et ne disent rien par la couleur seule.",
        "These pages aim at RGAA 4.1 and WCAG 2.2, level AA. They work by keyboard, without scripts, at 360 pixels wide, and say nothing by colour alone.",
    ),
    "a11y-state": (
        "État : conformité partielle, par auto-évaluation. Chaque page est contrôlée par axe-core dans les deux langues à chaque version ; aucun audit par un tiers n'a eu lieu.",
        "State: partially compliant, by self-assessment. Every page is checked by axe-core in both languages with every version; no third party has audited them.",
    ),
    "a11y-gaps": ("Ce qui n'est pas conforme", "What is not compliant"),
    "a11y-gap-english": (
        "Les messages techniques du concentrateur restent en anglais ; ils sont marqués comme tels.",
        "Technical messages of the hub stay in English; they are marked as such.",
    ),
    "a11y-contact": ("Pour signaler une difficulté :", "To report a difficulty:"),
    "a11y-contact-none": (
        "Pour signaler une difficulté : la collectivité qui exploite ce concentrateur.",
        "To report a difficulty: the local authority that runs this hub.",
    ),
    "sitemap": ("Plan du site", "Site map"),
    "versions": ("Versions", "Versions"),
}
