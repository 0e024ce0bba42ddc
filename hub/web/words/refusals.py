"""Refusals and their reasons."""

WORDS: dict[str, tuple[str, str]] = {
    "token-wrong": (
        "Ce jeton n'est pas valable : faux, expiré ou révoqué.", "This token is not valid: wrong, expired or revoked.",
    ),
    "no-call": ("Ce concentrateur n'a pas cette fonction.", "This hub does not have this function."),
    "people-only": ("Un jeton ne le peut pas : connectez-vous.", "Not with a token: sign in."),
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
    "sign-in-sent": (
        "La session est terminée : rien de ce que vous avez envoyé n'est enregistré. Connectez-vous, puis recommencez.",
        "The session is over: nothing of what you sent was saved. Sign in, then start again.",
    ),
    "bad-method": ("Cette adresse ne s'utilise pas ainsi.", "This address cannot be used that way."),
    "no-page": (
        "Cette page n'existe pas. La vue d'ensemble mène à toutes les autres.",
        "There is no such page. The overview leads to all the others.",
    ),
    "no-device": ("Aucun appareil de ce nom.", "There is no device of this name."),
    "bad-body": ("Ce qui a été envoyé est illisible.", "What was sent cannot be read."),
    "too-large": ("C'est trop volumineux.", "This is too large."),
    "too-slow": ("C'était trop long : réessayez.", "This took too long: try again."),
    "busy": ("Trop de demandes à la fois : réessayez dans un instant.", "Too much at once: try again in a moment."),
    "hub-read-only": (
        "Ce concentrateur est en lecture seule : rien n'est modifié. La page Crise dit depuis quand et pourquoi.",
        "This hub is read-only: nothing is changed. The Crisis page says since when and why.",
    ),
    "not-now": ("Impossible pour l'instant : réessayez.", "Not possible just now: try again."),
    "failed": (
        "Une erreur est survenue de notre côté ; le journal en dit plus.", "An error on our side; the log says more.",
    ),
    "name-bad": (
        "Identifiant refusé : 2 à 32 caractères, lettres minuscules, chiffres, point ou tiret, une lettre d'abord.",
        "Not a user name: 2 to 32 characters, lower-case letters, digits, dot or dash, a letter first.",
    ),
    "role-bad": ("Ce rôle n'existe pas.", "There is no such role."),
    "key-bad": ("La clé s'écrit en hexadécimal.", "A key is written in hexadecimal."),
    "password-short": ("Mot de passe trop court : 12 caractères au moins.", "Password too short: at least 12 characters."),
    "password-long": ("Mot de passe trop long : 128 caractères au plus.", "Password too long: at most 128 characters."),
    "password-easy": (
        "Mot de passe trop facile à deviner : évitez votre identifiant et les suites connues.",
        "Password too easy to guess: avoid your user name and well-known sequences.",
    ),
    "password-wrong": ("Le mot de passe actuel est incorrect.", "The current password is wrong."),
    "password-differs": ("Les deux mots de passe diffèrent.", "The two passwords differ."),
    "accounts-full": ("Il y a déjà 64 comptes.", "There are 64 accounts already."),
    "account-unknown": ("Ce compte n'existe pas.", "There is no such account."),
    "last-administrator": ("Il doit rester un administrateur.", "One administrator has to remain."),
}  # fmt: skip
