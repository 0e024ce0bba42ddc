"""Identity: keys, certificates and trust of this hub towards its owner.

    keys/                 identity, store and seal keys; in files or held by a TPM
    enrolment             one-use token in; pinned trust, keys and a certificate out
    offline_enrolment     the same by files, for a hub that cannot reach its backend
    certificate_request   certificate signing request sent with the identity key alone
    certificate_renewal   renewal of the client certificate, before and after it lapses
    certificate_validity  validity period of a certificate
    trust_updates         newer trust documents: verified, stored, applied
    badges                access badges of people, and the list of those withdrawn
    page_certificate      certificate of the hub's own pages, signed by the district's authority

The signed documents themselves are in `hub.protocol.documents`.

May import `sdk` and lower rooms, not `devices` and `store_and_forward`.
"""
