"""Text for people, in their language.

    catalogues       translations of phrases (hub.core.text), from gettext catalogues
    catalogue_file   a compiled catalogue, searched where it lies
    shell            the language of a shell or a service, from its environment
    reasons/         words for the slugs under which refusals are counted
    metric_names     names of metrics
    quantities       quantities and durations as people write them
    typography       spaces, quotation marks, lists and figures of each language
    ambiguous_time   the hour that occurs twice when summer time ends

May import `protocol` and `core`, not `config`.
"""
