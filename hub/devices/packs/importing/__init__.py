"""Imports codecs of others as packs: code unchanged, examples as vectors, fields as proposals that a person decides.

    sources     a folder, a ZIP archive or a single file → a folder, within bounds
    texts       JSON, YAML and TOML as others write them → data
    found       a codec as a layout found it, with examples and payloads
    discovery   walks a folder and asks each layout for its codecs
    things      The Things Network's device repository: vendor/<vendor>/<device>-codec.yaml, profiles, devices
    chirpstack  ChirpStack's device profiles: vendor.toml, codecs/, devices/, profiles/; exported profiles in JSON
    actility    ThingPark's device catalogue and IoT Flow drivers: package.json, driver.yaml, index.js, examples
    milesight   Milesight's SensorDecoders: <model>-decoder.js, <model>-codec.json
    plain       files of JavaScript in no layout
    drafts      a found codec → a draft: runs every payload through the codecs' process, and guesses what the values are
    pack_files  a draft → the files of a pack
    review      a person's decisions on a draft
    pending     drafts of a running hub that wait for a person, on disk

Reading is blocking: never on the event loop. Whatever is read comes from strangers.
"""
