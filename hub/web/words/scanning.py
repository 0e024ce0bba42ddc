"""The camera, on every page that has it."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "cam-private": "No picture leaves this phone: only the text that was read is sent to the hub.",
    "cam-lost": "The hub does not answer: this code waits and goes by itself.",
}
