"""The audit log."""

WORDS: dict[str, tuple[str, str]] = {
    "audit-help": (
        "Chaque ligne est liée à la précédente : une ligne changée ou retirée se voit.",
        "Each line is chained to the one before: one that is changed or removed is noticed.",
    ),
    "verify": ("Vérifier la chaîne", "Check the chain"),
    "verified": ("Chaîne intacte : {count} ligne[|s].", "The chain is intact: {count} line[|s]."),
    "entry-number": ("N°", "No."),
    "who": ("Qui", "Who"),
    "what": ("Quoi", "What"),
    "when": ("Quand", "When"),
    "audit-why": ("Motif : {why}", "Reason: {why}"),
    "older": ("Plus anciennes", "Older"),
}  # fmt: skip
