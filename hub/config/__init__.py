"""Configuration: YAML → typed models, every error with file:line:column, and a last good form to fall back on.

    file.yaml ──document──▶ data + positions ──secrets──▶ ──build──▶ Loaded      load.load, all problems at once
        │                                                              │
        └──── unchanged? ◀──── state_dir/config/last-good.msgpack ◀────┘        last_good.start, no YAML parser

    positions   line and column of each key and value; names of options as people write them
    scalars     plain YAML text → null, bool, int, float or text (YAML 1.2 core schema)
    document    one text → data + positions; hostile input ends in a problem
    source      the files: sizes, includes, digests
    secrets     `!secret name` → its value, hidden wherever it is printed
    values      durations and sizes as people write them
    model       the options of the core, joined from its parts/; calendars/ for some of them
    option_paths the options of a model at a path, for "did you mean" and for the reference
    pydantic_findings pydantic's errors → plain English
    checks/     checks across models: ids that must exist, rules that cannot be evaluated
    validate    one part of the data → a model, or findings
    sections    the parts of plugins, by their own models
    build       data + the plugins' models → a configuration, or findings
    instances   instances, devices, places: the typed result
    first_file  the text of a first configuration
    load        the file → Loaded; raises ConfigError with all problems
    last_good   remember, recall, start
    editing/    one option set or removed in the text, comments preserved, behind a gate
    history     versions by content; the pending change, undone at a start              sealing     encrypted files
    proposals   a requested change → the texts that the files would have
    differences two configurations → the parts of a running hub to reload
    schema      JSON Schema for editors          reference   the options as a page of documentation
    terminal    a problem in a terminal: the failing line and a caret

The models of plugins are arguments (`build.Models`): this package imports no plugin. Nothing here runs on the event
loop: reading, parsing and validating take tens of milliseconds on a small board; call from a thread, or before the loop
starts.

May import `protocol` and `core`, not `i18n`.
"""
