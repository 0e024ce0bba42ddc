"""Tokens for scripts."""

PREFIX = "page-"
PHRASES: dict[str, str] = {
    "tokens": "Tokens",
    "tokens-title": "Tokens for scripts",
    "tokens-intro": "A script calls the API with the header “Authorization: Bearer …”. A token has a role and an expiry; it can create neither accounts nor tokens.",
    "tokens-empty": "No tokens. Create one for your first script, with the least powerful role that will do.",
    "token-new": "New token",
    "token-name": "Name of the script",
    "token-days": "Valid for, in days",
    "token-days-help": "366 at most",
    "token-make": "Create the token",
    "token-made": "Copy this token now: it is shown only once.",
    "token-revoke": "Revoke",
    "token-revoke-who": "Revoke token {name}",
    "token-revoked": "Revoked: this token no longer opens anything.",
    "token-expires": "Ends",
    "token-by": "Created by",
    "token-name-bad": "Not a name: 1 to 32 letters, digits, spaces, dots or dashes.",
    "token-days-bad": "Its validity is more than 0 and at most 366 days.",
    "token-unknown": "There is no such token.",
    "tokens-full": "64 tokens at most: revoke one.",
}
