"""Plugins and packs of vendors: signed, verified, installed apart from the hub's environment, revoked, removed.

    sources       a signed document with its files: out of one bundle, or beside wheels
    wheels        wheels of a stranger, read as data and unpacked
    machine_tags  whether a wheel is for this interpreter and this machine
    offers        what a plugin says and may do, and whether it may be installed here: shown before anything is
    installing    into a directory of its own, by one rename and one word; removal
    packs         a pack out of a bundle
    index         the signed index that lists and revokes
    making        signed bundles and indexes, on the maker's machine

No code of a plugin runs here. What is installed is listed by `hub.plugin_host.installed`. ADR 0128.
"""
