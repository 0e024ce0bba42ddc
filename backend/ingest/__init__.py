"""Ingest: a message of a hub is verified, its records are stored once, and what is durable is acknowledged.

worker            the one thread that writes: it takes what waits together
core              the message itself: `Ingest.take`
verifier          checks of each record, up to its body
record_writer     bodies of records that can be read, quarantine for the others
received_streams  records, gaps and second contents of each stream, under the hub's `quotas`
missing_records   numbers that were announced and have not arrived; `gaps`, `resend_requests`
packed_records    the account of old records, packed
acks              signed acknowledgements
mqtt              messages that come by a broker; `sigfox/` those that come by Sigfox's operator
other_hubs        look-up of a device at other hubs
trials            throw-away hubs of the conformance suite
"""
