"""The owner: the directory with everything that one backend needs, and the keys in it.

directory        everything of the owner, made by `init`, read by `run`; its trust document
lock             one command at a time changes the directory
key_files        private keys in files; `recipient_keys` those to which hubs seal
key_rotation     other keys to seal to, and to sign acknowledgements
pki              the certificate authority of backend and hubs
page_authority   the one of the hubs' own pages
broker           files and address of an MQTT broker
badges           badges that the owner issues
"""
