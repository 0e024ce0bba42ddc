"""Claim and sign-in."""

WORDS: dict[str, tuple[str, str]] = {
    "sign-in": ("Se connecter", "Sign in"),
    "name": ("Identifiant", "User name"),
    "password": ("Mot de passe", "Password"),
    "claim-title": ("Prendre en charge ce concentrateur", "Claim this hub"),
    "claim-intro": (
        ("Ce concentrateur n'a pas encore d'administrateur. Saisissez le code de l'étiquette, puis choisissez votre "
        "identifiant et votre mot de passe. Le code ne sert qu'une fois."),
        ("This hub has no administrator yet. Enter the code on its label, then choose your own user name and password. "
        "The code works once."),
    ),
    "claim-again": (
        ("Un nouveau code a été créé sur place pour ce concentrateur. Il crée un administrateur, ou donne un nouveau "
        "mot de passe à celui qui existe."),
        ("A new code was made for this hub on site. It creates an administrator, or gives an existing one a new "
        "password."),
    ),
    "claim-none": (
        "Aucun code n'a encore été créé : lancez « ilot label » sur le concentrateur.",
        "No code has been made yet: run “ilot label” on the hub.",
    ),
    "claim-code": ("Code de l'étiquette", "Code on the label"),
    "claim-code-help": ("12 caractères, comme XXXX-XXXX-XXXX", "12 characters, like XXXX-XXXX-XXXX"),
    "claim-button": ("Prendre en charge", "Claim"),
    "claim-link": ("J'ai un code d'étiquette", "I have a code from the label"),
    "claim-wrong": (
        "Ce code n'est pas le bon, ou il a déjà servi. Vérifiez l'étiquette ; « ilot claim reset » en crée un autre.",
        "This code is wrong, or has already been used. Check the label; “ilot claim reset” makes another.",
    ),
    "name-help": (
        "2 à 32 caractères : lettres minuscules, chiffres, point, tiret, en commençant par une lettre",
        "2 to 32 characters: lower-case letters, digits, dot, dash, starting with a letter",
    ),
    "password-help": (
        "12 caractères au moins ; une phrase de quelques mots convient bien",
        "at least 12 characters; a phrase of a few words works well",
    ),
    "fingerprint": ("Empreinte du certificat (SHA\u2011256)", "Certificate fingerprint (SHA\u2011256)"),
    "fingerprint-help": (
        ("Comparez-la à celle de l'étiquette : si elle est la même, vous parlez bien à ce concentrateur, même si le "
        "navigateur affiche un avertissement."),
        "Compare it with the one on the label: if they match, this is the right hub, even if the browser shows a warning.",
    ),
    "sign-in-wrong": (
        "Identifiant ou mot de passe incorrect.", "Wrong user name or password.",
    ),
    "badge-link": ("J'ai un badge de la collectivité", "I have a badge from the district"),
    "badge-title": ("Entrer avec un badge", "Sign in with a badge"),
    "badge-intro": (
        "Le badge est un QR code signé par votre collectivité. Il se vérifie ici, sans réseau, avec votre phrase secrète.",
        "A badge is a QR code signed by your district. It is checked here, without a network, with your passphrase.",
    ),
    "badge-text": ("Texte du badge", "Text of the badge"),
    "badge-text-help": ("Il commence par ILOT1:", "It begins with ILOT1:"),
    "badge-file": ("…ou son fichier", "…or its file"),
    "passphrase": ("Phrase secrète", "Passphrase"),
    "passphrase-help": (
        "10 caractères, comme XXXXX-XXXXX, remis à part du badge",
        "10 characters, like XXXXX-XXXXX, handed over separately",
    ),
    "badge-none": (
        "La collectivité de ce concentrateur n'a pas encore de badges : utilisez un compte.",
        "The district of this hub has no badges yet: use an account.",
    ),
    "badge-unreadable": (
        "Ce n'est pas un badge lisible : scannez-le de nouveau, en entier.",
        "This badge cannot be read: scan it again, whole.",
    ),
    "badge-altered": ("Ce badge a été modifié : il est refusé.", "This badge was altered: it is refused."),
    "badge-stranger": (
        "Ce badge n'est pas signé par la collectivité de ce concentrateur.",
        "This badge is not signed by the district of this hub.",
    ),
    "badge-early": (
        "Ce badge n'est pas encore valable, ou l'horloge du concentrateur est fausse.",
        "This badge is not valid yet, or the hub's clock is wrong.",
    ),
    "badge-expired": (
        "Ce badge a expiré : demandez-en un autre à la collectivité.",
        "This badge has expired: ask the district for another.",
    ),
    "badge-revoked": (
        "Ce badge a été retiré par la collectivité.", "This badge was withdrawn by the district.",
    ),
    "badge-site": ("Ce badge n'est pas valable sur ce site.", "This badge is not valid on this site."),
    "badge-wrong": ("Phrase secrète incorrecte.", "Wrong passphrase."),
    "throttled": (
        "Trop d'essais : réessayez plus tard, ou depuis un navigateur déjà connu de ce compte.",
        "Too many attempts: try again later, or from a browser that this account has used before.",
    ),
}  # fmt: skip
