"""The OPC UA client in a process of its own: `python -m integrations.opcua.worker SOCKET`.

    the hub                                       one process for each server
    link: the TCP connection  ─ its bytes ─▶      relay: whole chunks, bounded
    keeping: starts, kills it ─ questions ─▶      engine: asyncua's channel, session, services
    following: readings      ◀─ changes, answers  values: variants, statuses, dates as plain data

asyncua takes 40 MB once imported and decodes whatever a server sends, so neither is done in the hub. The worker has no
network: the hub holds the connection and hands its bytes over. It has no file, no process and little memory either
(`hub.sdk.sandbox`); a server that takes it over gains the hub's key for OPC UA and the credentials for that very
server.
"""
