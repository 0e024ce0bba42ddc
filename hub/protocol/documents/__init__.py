"""Documents that hub and owner exchange, signed or sealed. Each file begins with its format. Pure.

trust        what the owner's root says may be believed
link_messages messages of the link: records upwards, acks and states with their signatures
signed_payload a payload with signatures of Ed25519: the form of the next three
addition     a plugin or a pack for hubs, signed by its vendor
plugin_index which of them a district lists, and which are revoked
release      what a release of the hub is, signed by the release keys
backup       the state backup: what makes a hub this hub
recovery_key_file the file of a private key that opens what was sealed
inventory    keys of devices, from the owner to one hub
badges       what the district says of one person, and which badges are withdrawn

The backend reads and writes by the same modules: two ends, one text.
"""
