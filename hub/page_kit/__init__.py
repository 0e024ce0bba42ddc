"""Kit of which pages are made, of the hub or of anything else: layout, forms, tables, charts, camera, sign-in, texts.

It knows nothing of the hub: no device, no alert, no role. Whoever makes pages of it brings routes, templates, words and
people (`tests/hub/page_kit/small_site.py` is a whole site of it). From the top, each knowing only lower lines:

    server                      the one path of every request, and its checks
    assets  renderer            static files; templates, with what every template may use
    scanning                    camera of a phone that reads labels
    request                     one request and its answer: routes, guard, fields, responses
    people  picture_sanitizer   passwords, sessions, throttle; uploaded pictures
    phrasebook  refusals        sentences by their keys, in each language; a refusal by its key
    words                       sentences of the kit
    formatting  menu  messages  tables   figures; lines of the menu; sentences of a program; rows and CSV

`templates/` and `static/` are the kit's own; a site's come first. May import `core` and `i18n`.
"""
