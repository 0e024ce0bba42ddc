"""Refusals and their reasons."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "no-call": "This hub does not have this function.",
    "host": "This is not a name of this hub. Use its IP address, or add the name to web.hosts.",
    "no-page": "There is no such page. The overview leads to all the others.",
    "no-device": "There is no device of this name.",
    "hub-read-only": "This hub is read-only: nothing is changed. The Crisis page says since when and why.",
    "name-bad": "Not a user name: 2 to 32 characters, lower-case letters, digits, dot or dash, a letter first.",
    "role-bad": "There is no such role.",
    "key-bad": "A key is written in hexadecimal.",
    "password-wrong": "The current password is wrong.",
    "password-differs": "The two passwords differ.",
    "accounts-full": "There are 64 accounts already.",
    "account-unknown": "There is no such account.",
    "last-administrator": "One administrator has to remain.",
}
