"""The camera, on every page that has it."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "cam-title": "Camera",
    "cam-start": "Scan with the camera",
    "cam-stop": "Stop the camera",
    "cam-starting": "The camera is starting…",
    "cam-aim": "Point at a QR code, 10 or 20 cm away.",
    "cam-video": "What the camera sees",
    "cam-torch": "Torch",
    "cam-sound": "Sound",
    "cam-camera": "Camera",
    "cam-list": "Last codes read",
    "cam-private": "No picture leaves this phone: only the text that was read is sent to the hub.",
    "cam-photo": "…or a picture of the QR code, read by this phone",
    "cam-refused": "The browser may not use the camera. Allow it for this site (icon left of the address) and start again; otherwise take a picture, or type the text.",
    "cam-none": "This device has no camera: take a picture with another one, or type the text.",
    "cam-busy": "The camera gives no picture; another application may hold it: close that and start again, otherwise take a picture, or type the text.",
    "cam-insecure": "This browser does not lend the camera to this page: the connection is not secure, or it is too old. Open the label's https address; otherwise take a picture, or type the text.",
    "cam-worker": "This page's reader of QR codes is not there: take a picture, or type the text.",
    "cam-hidden": "Camera stopped: the page was no longer on the screen.",
    "cam-ended": "The camera has stopped.",
    "cam-blurred": "A code is there but cannot be read: come nearer, straight on, without glare, or light the torch.",
    "cam-read": "Code read.",
    "cam-other": "This is not the QR code that is expected here.",
    "cam-lost": "The hub does not answer: this code waits and goes by itself.",
    "cam-signin": "The session is over: sign in in another tab. This code waits and goes by itself.",
}
