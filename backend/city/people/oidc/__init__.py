"""Sign-in by OpenID Connect: authorization code, with Keycloak's habits or in ProConnect's stricter form.

settings      the provider, and which of its claims give which role, from `oidc.toml`
checks        what identity and logout tokens, a state and userinfo must hold; pure
provider      discovery, keys, token and userinfo over HTTPS
back_channel  sign-out that the provider says to this server itself
"""
