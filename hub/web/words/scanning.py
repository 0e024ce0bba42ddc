"""The camera, on every page that has it."""

WORDS: dict[str, tuple[str, str]] = {
    "cam-title": ("Caméra", "Camera"),
    "cam-start": ("Scanner avec la caméra", "Scan with the camera"),
    "cam-stop": ("Arrêter la caméra", "Stop the camera"),
    "cam-starting": ("La caméra démarre…", "The camera is starting…"),
    "cam-aim": ("Visez un QR code, à 10 ou 20 cm.", "Point at a QR code, 10 or 20 cm away."),
    "cam-video": ("Ce que voit la caméra", "What the camera sees"),
    "cam-torch": ("Lampe", "Torch"),
    "cam-sound": ("Son", "Sound"),
    "cam-camera": ("Caméra", "Camera"),
    "cam-list": ("Derniers codes lus", "Last codes read"),
    "cam-private": (
        "Les images ne quittent pas ce téléphone : seul le texte lu est envoyé au concentrateur.",
        "No picture leaves this phone: only the text that was read is sent to the hub.",
    ),
    "cam-photo": ("…ou une photo du QR code, lue par ce téléphone", "…or a picture of the QR code, read by this phone"),
    "cam-refused": (
        ("Le navigateur n'a pas le droit d'utiliser la caméra. Autorisez-la pour ce site (icône à gauche de l'adresse), "
        "puis recommencez ; sinon prenez une photo, ou saisissez le texte."),
        ("The browser may not use the camera. Allow it for this site (icon left of the address) and start again; "
        "otherwise take a picture, or type the text."),
    ),
    "cam-none": (
        "Cet appareil n'a pas de caméra : prenez une photo avec un autre, ou saisissez le texte.",
        "This device has no camera: take a picture with another one, or type the text.",
    ),
    "cam-busy": (
        ("La caméra ne donne pas d'image ; une autre application la tient peut-être : fermez-la et recommencez, sinon prenez "
        "une photo, ou saisissez le texte."),
        ("The camera gives no picture; another application may hold it: close that and start again, otherwise take a "
        "picture, or type the text."),
    ),
    "cam-insecure": (
        ("Ce navigateur ne prête pas la caméra à cette page, faute de connexion sûre ou parce qu'il est trop ancien. "
        "Ouvrez l'adresse en https de l'étiquette ; sinon prenez une photo, ou saisissez le texte."),
        ("This browser does not lend the camera to this page: the connection is not secure, or it is too old. Open the "
        "label's https address; otherwise take a picture, or type the text."),
    ),
    "cam-worker": (
        "Le lecteur de QR codes de cette page n'est pas là : prenez une photo, ou saisissez le texte.",
        "This page's reader of QR codes is not there: take a picture, or type the text.",
    ),
    "cam-hidden": (
        "Caméra arrêtée : la page n'était plus à l'écran.", "Camera stopped: the page was no longer on the screen.",
    ),
    "cam-ended": ("La caméra s'est arrêtée.", "The camera has stopped."),
    "cam-blurred": (
        "Un code est là, mais ne se lit pas : approchez-vous, de face, sans reflet, ou allumez la lampe.",
        "A code is there but cannot be read: come nearer, straight on, without glare, or light the torch.",
    ),
    "cam-read": ("Code lu.", "Code read."),
    "cam-other": ("Ce QR code n'est pas celui qu'on attend ici.", "This is not the QR code that is expected here."),
    "cam-lost": (
        "Le concentrateur ne répond pas : ce code attend et repartira tout seul.",
        "The hub does not answer: this code waits and goes by itself.",
    ),
    "cam-signin": (
        "La session est terminée : connectez-vous dans un autre onglet. Ce code attend et repartira tout seul.",
        "The session is over: sign in in another tab. This code waits and goes by itself.",
    ),
}  # fmt: skip
