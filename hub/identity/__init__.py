"""Who this hub is to its owner, and how it stays that.

enrolment          one token text in; pinned trust, own keys and a certificate out
certifying         how a certificate is asked of the backend with the identity key alone
renewal            the client certificate, renewed before it lapses and after
following          a newer trust document, kept and then acted on
badging            which badges are believed, and the list of those withdrawn
page_certificate   the certificate of the hub's own pages, signed by the district's authority
validity           from when to when a certificate is good

The keys themselves are `hub.keys`; what they sign and open is in `hub.documents`.
"""
