"""Text for people, in French and English.

    reasons/         words for the slugs under which refusals are counted
    plugin_errors/   French for errors that plugins report
    typography       spaces, quotation marks, lists and figures of each language
    ambiguous_time   the hour that occurs twice when summer time ends

May import `protocol` and `core`, not `config`.
"""
