"""The catalogue: every sentence of the pages, in French and in English. `word("key", "fr")`; `{name}` is filled in.

A table in Python and not gettext's files: nothing is compiled at build time and nothing is read at run time, and a test
sees that no template asks for a key that is not here, and that no key is left over.
"""

from __future__ import annotations

LANGUAGES = ("fr", "en")

WORDS: dict[str, tuple[str, str]] = {
    # the frame of every page
    "skip": ("Aller au contenu", "Skip to content"),
    "menu": ("Menu principal", "Main menu"),
    "overview": ("Vue d'ensemble", "Overview"),
    "todo": ("À traiter", "To do"),
    "devices": ("Appareils", "Devices"),
    "add": ("Ajouter", "Add"),
    "link": ("Tampon et liaison", "Buffer and link"),
    "integrations": ("Intégrations", "Integrations"),
    "commands": ("Commandes", "Commands"),
    "audit": ("Journal d'audit", "Audit log"),
    "accounts": ("Comptes", "Accounts"),
    "account": ("Mon compte", "My account"),
    "sign-out": ("Se déconnecter", "Sign out"),
    "other-language": ("English", "Français"),
    "hub": ("Concentrateur", "Hub"),
    "live-on": ("En direct", "Live"),
    "live-off": ("Direct interrompu, nouvelle tentative…", "Live view interrupted, trying again…"),
    "live-end": ("Session terminée : rechargez la page", "Session over: reload the page"),
    "pause": ("Mettre en pause", "Pause"),
    "resume-live": ("Reprendre", "Resume"),
    "yes": ("oui", "yes"),
    "no": ("non", "no"),
    "none": ("aucun", "none"),
    "never": ("jamais", "never"),
    "ago": ("il y a {span}", "{span} ago"),
    "error": ("Refusé", "Refused"),
    "error-404": ("Page introuvable", "Page not found"),
    # entrance
    "sign-in": ("Se connecter", "Sign in"),
    "name": ("Identifiant", "User name"),
    "password": ("Mot de passe", "Password"),
    "claim-title": ("Prendre en charge ce concentrateur", "Claim this hub"),
    "claim-intro": (
        ("Ce concentrateur n'a pas encore d'administrateur. Saisissez le code de l'étiquette, puis choisissez votre "
        "identifiant et votre mot de passe. Le code ne sert qu'une fois."),
        ("This hub has no administrator yet. Enter the code of its label, then choose your own user name and password. "
        "The code works once."),
    ),
    "claim-again": (
        ("Un nouveau code a été créé sur place pour ce concentrateur. Il crée un administrateur, ou donne un nouveau "
        "mot de passe à celui qui existe."),
        ("A new code was made for this hub on site. It creates an administrator, or gives an existing one another "
        "password."),
    ),
    "claim-none": (
        "Aucun code n'a encore été créé : lancez « ilot label » sur le concentrateur.",
        "No code was made yet: run `ilot label` on the hub.",
    ),
    "claim-code": ("Code de l'étiquette", "Code of the label"),
    "claim-code-help": ("12 caractères, comme XXXX-XXXX-XXXX", "12 characters, like XXXX-XXXX-XXXX"),
    "claim-button": ("Prendre en charge", "Claim"),
    "claim-link": ("J'ai un code d'étiquette", "I have a label's code"),
    "claim-wrong": (
        "Ce code n'est pas le bon, ou il a déjà servi. Vérifiez l'étiquette ; « ilot claim reset » en crée un autre.",
        "This code is wrong, or was used already. Look at the label; `ilot claim reset` makes another.",
    ),
    "name-help": (
        "2 à 32 caractères : lettres minuscules, chiffres, point, tiret, en commençant par une lettre",
        "2 to 32 characters: small letters, digits, dot, dash, starting with a letter",
    ),
    "password-help": (
        "12 caractères au moins ; une phrase de quelques mots convient bien",
        "12 characters at least; a sentence of a few words does well",
    ),
    "fingerprint": ("Empreinte du certificat (SHA-256)", "Fingerprint of the certificate (SHA-256)"),
    "fingerprint-help": (
        ("Comparez-la à celle de l'étiquette : si elle est la même, vous parlez bien à ce concentrateur, même si le "
        "navigateur affiche un avertissement."),
        "Compare it with the label's: when it is the same you do speak to this hub, even though the browser warns.",
    ),
    "sign-in-wrong": (
        "Identifiant ou mot de passe incorrect.", "Wrong user name or password.",
    ),
    "throttled": (
        "Trop d'essais : réessayez plus tard, ou depuis un navigateur déjà connu de ce compte.",
        "Too many tries: try again later, or from a browser that this account has used before.",
    ),
    # refusals
    "host": (
        "Ce nom n'est pas celui de ce concentrateur. Utilisez son adresse IP, ou ajoutez le nom à web.hosts.",
        "This is not a name of this hub. Use its IP address, or add the name to web.hosts.",
    ),
    "elsewhere": ("Cette demande vient d'un autre site.", "This request comes from another site."),
    "form-token": (
        "Ce formulaire a expiré : rechargez la page et recommencez.",
        "This form has expired: reload the page and start again.",
    ),
    "role": ("Votre rôle ne le permet pas.", "Your role does not allow this."),
    "sign-in-first": ("Connectez-vous d'abord.", "Sign in first."),
    "bad-method": ("Cette adresse ne s'utilise pas ainsi.", "This address is not used like this."),
    "no-page": (
        "Cette page n'existe pas. La vue d'ensemble mène à toutes les autres.",
        "There is no such page. The overview leads to all others.",
    ),
    "no-device": ("Aucun appareil de ce nom.", "No device of this name."),
    "bad-body": ("Ce qui a été envoyé est illisible.", "What was sent cannot be read."),
    "too-large": ("C'est trop volumineux.", "This is too large."),
    "too-slow": ("C'était trop long : réessayez.", "This took too long: try again."),
    "busy": ("Trop de demandes à la fois : réessayez dans un instant.", "Too much at once: try again in a moment."),
    "not-now": ("Impossible pour l'instant : réessayez.", "Not possible just now: try again."),
    "failed": (
        "Une erreur est survenue de notre côté ; le journal en dit plus.", "A fault on our side; the log says more.",
    ),
    "name-bad": (
        "Identifiant refusé : 2 à 32 caractères, lettres minuscules, chiffres, point ou tiret, une lettre d'abord.",
        "Not a user name: 2 to 32 characters, small letters, digits, dot or dash, a letter first.",
    ),
    "role-bad": ("Ce rôle n'existe pas.", "There is no such role."),
    "key-bad": ("La clé s'écrit en hexadécimal.", "A key is written in hexadecimal."),
    "password-short": ("Mot de passe trop court : 12 caractères au moins.", "Password too short: 12 at least."),
    "password-long": ("Mot de passe trop long : 128 caractères au plus.", "Password too long: 128 at most."),
    "password-easy": (
        "Mot de passe trop facile à deviner : évitez votre identifiant et les suites connues.",
        "Password too easy to guess: avoid your user name and well-known sequences.",
    ),
    "password-wrong": ("Le mot de passe actuel est incorrect.", "The present password is wrong."),
    "password-differs": ("Les deux mots de passe diffèrent.", "The two passwords differ."),
    "accounts-full": ("Il y a déjà 64 comptes.", "There are 64 accounts already."),
    "account-unknown": ("Ce compte n'existe pas.", "There is no such account."),
    "last-administrator": ("Il doit rester un administrateur.", "One administrateur has to remain."),
    # overview
    "reporting": ("remontent", "reporting"),
    "reporting-help": (
        "appareils dont un relevé valide est arrivé, sur tous les appareils admis",
        "devices of which a valid report came, of all that are admitted",
    ),
    "no-devices": ("Aucun appareil pour l'instant.", "No device yet."),
    "no-devices-next": (
        "Ajoutez le premier par son étiquette, ou parmi ceux que le concentrateur entend.",
        "Add the first by its label, or from what the hub hears.",
    ),
    "link-state": ("Liaison", "Link"),
    "link-up": ("établie", "up"),
    "link-down": ("coupée : les relevés attendent sur le disque", "down: readings wait on the disk"),
    "autonomy": ("Autonomie du tampon", "Autonomy of the buffer"),
    "autonomy-help": ("sans la liaison, au rythme d'aujourd'hui", "without the link, at today's rate"),
    "autonomy-unknown": ("pas encore connue", "not known yet"),
    "buffered": ("Relevés en attente", "Readings waiting"),
    "acked": ("Relevés confirmés par le serveur", "Readings that the backend confirmed"),
    "alerts": ("Alertes", "Alerts"),
    "all-well": ("Rien à signaler.", "All is well."),
    "up-since": ("En marche depuis", "Running for"),
    "memory": ("Mémoire", "Memory"),
    # states
    "state": ("État", "State"),
    "state-green": ("remonte", "reports"),
    "state-waiting": ("en attente", "waiting"),
    "state-trouble": ("à voir", "trouble"),
    # devices
    "filter": ("Filtrer", "Filter"),
    "search": ("Rechercher", "Search"),
    "search-help": ("nom, identifiant, emplacement, modèle", "name, id, place, model"),
    "all": ("tous", "all"),
    "zone": ("Zone", "Zone"),
    "zones-all": ("toutes", "all"),
    "device": ("Appareil", "Device"),
    "last-seen": ("Dernier relevé", "Last report"),
    "signal": ("Signal", "Signal"),
    "signal-strong": ("bon", "good"),
    "signal-fair": ("moyen", "fair"),
    "signal-weak": ("faible", "weak"),
    "count-devices": ("{count} appareils", "{count} devices"),
    "page-of": ("Page {page} sur {pages}", "Page {page} of {pages}"),
    "previous": ("Précédente", "Previous"),
    "next": ("Suivante", "Next"),
    "csv": ("Exporter en CSV", "Export as CSV"),
    "sort": ("Trier par", "Sort by"),
    "nothing-found": ("Aucun appareil ne correspond.", "No device matches."),
    "csv-id": ("Identifiant", "Id"),
    "csv-name": ("Nom", "Name"),
    "csv-state": ("État", "State"),
    "csv-why": ("Motif", "Reason"),
    "csv-place": ("Emplacement", "Place"),
    "csv-zone": ("Zone", "Zone"),
    "csv-site": ("Site", "Site"),
    "csv-model": ("Modèle", "Model"),
    "csv-integration": ("Intégration", "Integration"),
    "csv-signal": ("Signal (dBm)", "Signal (dBm)"),
    "csv-seen": ("Dernier relevé (s)", "Last report (s ago)"),
    # one device
    "place": ("Emplacement", "Place"),
    "site": ("Site", "Site"),
    "model": ("Modèle", "Model"),
    "firmware": ("Micrologiciel", "Firmware"),
    "integration": ("Intégration", "Integration"),
    "pack": ("Pack", "Pack"),
    "keyed": ("Clé connue", "Key known"),
    "values": ("Valeurs", "Values"),
    "metric": ("Grandeur", "Metric"),
    "value": ("Valeur", "Value"),
    "trust": ("Confiance", "Trust"),
    "trust-help": (
        "A : authentifié et frais · B : chemin protégé · C : identité en clair seulement",
        "A: authenticated and fresh · B: protected path · C: clear identity only",
    ),
    "at": ("Reçue le", "At"),
    "no-values": ("Rien n'est encore arrivé depuis le démarrage.", "Nothing came since the start."),
    "write": ("Commander", "Command"),
    "write-bounds": ("de {low} à {high} {unit}", "from {low} to {high} {unit}"),
    "new-value": ("Nouvelle valeur", "New value"),
    "why": ("Motif (pour le journal)", "Reason (for the log)"),
    "send": ("Envoyer", "Send"),
    "release": ("Rendre la main", "Let go"),
    "read-only": ("Lecture seule.", "Read-only."),
    "replace": ("Remplacer l'appareil", "Replace the device"),
    "replace-help": (
        "Le nouvel appareil prend l'emplacement, les séries et les réglages de celui-ci.",
        "The new device takes the place, the series and the settings of this one.",
    ),
    "new-device": ("Identifiant du nouvel appareil", "Id of the new device"),
    "key": ("Clé (hexadécimal)", "Key (hexadecimal)"),
    "optional": ("facultatif", "optional"),
    "remove": ("Retirer l'appareil", "Remove the device"),
    "remove-help": (
        "Il n'est plus admis ; son emplacement et son historique restent.",
        "It is admitted no longer; its place and its history stay.",
    ),
    "remove-not": (
        "Il figure dans la configuration : retirez-le là.", "It stands in the configuration: remove it there.",
    ),
    # to do
    "to-look-at": ("Appareils à voir", "Devices to look at"),
    "refused-frames": ("Trames refusées d'appareils connus", "Refused frames of known devices"),
    "candidates": ("Entendus, non admis", "Heard, not admitted"),
    "candidates-help": (
        "Rien n'est transmis de ces appareils tant que vous ne les ajoutez pas.",
        "Nothing of these devices is forwarded until you add them.",
    ),
    "no-candidates": ("Aucun appareil inconnu n'est entendu.", "No unknown device is heard."),
    "nothing-todo": ("Rien à traiter.", "Nothing to do."),
    "heard-times": ("entendu {count} fois", "heard {count} times"),
    "adopt": ("Ajouter cet appareil", "Add this device"),
    # add
    "add-title": ("Ajouter un appareil", "Add a device"),
    "add-help": (
        "Par le texte de son étiquette ou de son QR code, ou par son identifiant.",
        "By the text of its label or QR code, or by its id.",
    ),
    "label": ("Texte de l'étiquette ou du QR code", "Text of the label or QR code"),
    "or-id": ("ou identifiant de l'appareil", "or the device's id"),
    "id-help": ("comme lorawan:70B3D57ED0000001", "like lorawan:70B3D57ED0000001"),
    "place-help": ("ce qu'il mesure, par exemple classe-3", "what it stands for, for instance classe-3"),
    "zone-new": ("Zone, si l'emplacement est nouveau", "Zone, where the place is new"),
    "device-name": ("Nom", "Name"),
    "check": ("Vérifier sans ajouter", "Check without adding"),
    "would-add": ("Ce serait ajouté : {device} à {place}.", "This would be added: {device} at {place}."),
    "already": ("Déjà présent : {device}.", "There already: {device}."),
    # buffer and link
    "buffer": ("Tampon", "Buffer"),
    "on-disk": ("Sur le disque", "On the disk"),
    "in-memory": ("En mémoire, avant le disque", "In memory, before the disk"),
    "oldest": ("Plus ancien en attente", "Oldest waiting"),
    "rate": ("Rythme", "Rate"),
    "rate-text": ("{readings} relevés/s, {size}/s", "{readings} readings/s, {size}/s"),
    "lost": ("Blocs abandonnés faute de place", "Blocks given up for want of room"),
    "last-ack": ("Dernier accusé", "Last acknowledgement"),
    "transport": ("Transport", "Transport"),
    "since": ("Depuis", "Since"),
    "month": ("Ce mois-ci", "This month"),
    "month-text": ("{up} envoyés, {down} reçus", "{up} up, {down} down"),
    "metered": ("Liaison facturée au volume", "Billed by volume"),
    "backup": ("Sauvegarde", "Backup"),
    "backup-made": ("Dernière faite", "Last made"),
    "backup-there": ("Reçue par le serveur", "At the backend"),
    "backup-now": ("Sauvegarder maintenant", "Back up now"),
    "backup-done": ("Sauvegarde faite.", "Backed up."),
    "clock": ("Horloge", "Clock"),
    "clock-sure": ("sûre", "sure"),
    "clock-unsure": ("pas sûre : les relevés seront datés après coup", "not sure: readings will be dated later"),
    "problem": ("Problème", "Problem"),
    # integrations
    "restarts": ("Redémarrages", "Restarts"),
    "type": ("Type", "Type"),
    "plugin-running": ("en marche", "running"),
    "plugin-waiting": ("en attente", "waiting"),
    "plugin-stopped": ("arrêtée", "stopped"),
    "plugin-quarantined": ("en quarantaine", "quarantined"),
    "plugin-finished": ("terminée", "finished"),
    "plugin-starting": ("démarre", "starting"),
    "plugin-up": ("établie", "up"),
    "plugin-away": ("coupée", "away"),
    "plugin-refused": ("refusée", "refused"),
    "plugin-failed": ("en échec", "failed"),
    # commands
    "no-commands": ("Aucune commande.", "No command."),
    "by": ("Par", "By"),
    "stopped-by": ("Toutes les écritures sont arrêtées par {by} : {why}", "All writes are stopped by {by}: {why}"),
    "stop-all": ("Tout arrêter", "Stop all writes"),
    "stop-help": (
        "Arrêt manuel (code de la construction, R175-3) : plus rien n'est écrit, et ce qui l'a été est rendu.",
        "Manual stop (code de la construction, R175-3): nothing more is written, and what was is let go.",
    ),
    "resume-all": ("Autoriser de nouveau", "Allow again"),
    "command-accepted": ("acceptée", "accepted"),
    "command-queued": ("en file", "queued"),
    "command-sent": ("envoyée", "sent"),
    "command-done": ("faite", "done"),
    "command-failed": ("échec", "failed"),
    "command-expired": ("expirée", "expired"),
    # audit
    "audit-help": (
        "Chaque ligne est liée à la précédente : une ligne changée ou retirée se voit.",
        "Each line is chained to the one before: one that is changed or taken out is noticed.",
    ),
    "verify": ("Vérifier la chaîne", "Check the chain"),
    "verified": ("Chaîne intacte : {count} lignes.", "The chain is whole: {count} lines."),
    "who": ("Qui", "Who"),
    "what": ("Quoi", "What"),
    "when": ("Quand", "When"),
    "older": ("Plus anciennes", "Older"),
    # accounts
    "role-name": ("Rôle", "Role"),
    "new-account": ("Nouveau compte, ou nouveau mot de passe", "New account, or another password"),
    "save": ("Enregistrer", "Save"),
    "delete": ("Supprimer", "Delete"),
    "delete-who": ("Supprimer le compte {name}", "Delete account {name}"),
    "change-password": ("Changer mon mot de passe", "Change my password"),
    "former-password": ("Mot de passe actuel", "Present password"),
    "new-password": ("Nouveau mot de passe", "New password"),
    "again": ("Encore une fois", "Once more"),
    "saved": ("Enregistré.", "Saved."),
    "device-added": (
        "Ajouté. Il passera à « remonte » à son premier relevé.", "Added. It turns to `reports` at its first report.",
    ),
    "device-removed": ("Retiré.", "Removed."),
    "device-replaced": ("Remplacé.", "Replaced."),
    "command-given": ("Commande transmise.", "Command given."),
}  # fmt: skip


_KEPT_TOGETHER = tuple((plain, plain.replace(" ", "\u00a0")) for plain in (" :", " ;", " ?", " !", " »", "« "))
"""French signs that never begin a line, nor end one."""


def word(key: str, lang: str, **filled: object) -> str:
    """A sentence of the catalogue. Raises KeyError."""
    text = WORDS[key][LANGUAGES.index(lang)]
    if lang == "fr":
        for plain, kept in _KEPT_TOGETHER:
            text = text.replace(plain, kept)
    return text.format(**filled) if filled else text
