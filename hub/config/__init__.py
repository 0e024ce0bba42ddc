"""YAML → typed configuration, every error with file:line:column, and a last good form to fall back on.

    file.yaml ──document──▶ data + positions ──secrets──▶ ──build──▶ Loaded      load.load, all problems at once
        │                                                              │
        └──── unchanged? ◀──── state_dir/config/last-good.msgpack ◀────┘        lastgood.start, no YAML parser

    positions   where each key and value stands; names of options as people write them
    scalars     plain YAML text → null, bool, int, float or text (YAML 1.2 core schema)
    document    one text → data + positions; hostile input ends in a problem
    source      the files: sizes, includes, digests
    secrets     `!secret name` → its value, hidden wherever it is printed
    values      durations and sizes as people write them
    model       the options of the core, joined from its parts/; calendars/ are what some of them read
    option_paths what options a model has at some path, for "did you mean" and for the reference
    pydantic_findings what pydantic found → plain English
    checks/     what no single model can see: ids that must exist, rules that cannot be evaluated
    validate    one part of the data → a model, or findings
    sections    the parts of plugins, by their own models
    build       data + the plugins' models → what is built, or findings
    instances   instances, devices, places: what the file becomes
    load        the file → Loaded; raises ConfigError with all problems
    last_good   remember, recall, start
    editing/    one option set or removed in the text, comments kept, behind a gate
    history     versions by content; the change under way, undone at a start              sealing     how they lie there
    proposals   what somebody asks for → the texts that the files would have
    differences two configurations → what a running hub has to touch
    schema      JSON Schema for editors          reference   the options as a page of documentation
    terminal    a problem as people see it: the failing line and a caret

The models of plugins are arguments (`build.Models`): this package imports no plugin. Nothing here runs on the event
loop: reading, parsing and validating take tens of milliseconds on a small board; call from a thread, or before the
loop starts.

May import `protocol` and `core`, not `i18n`.
"""
