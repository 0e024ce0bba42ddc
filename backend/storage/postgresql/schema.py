"""Tables of the first schema, in the steps in which a migration makes them.

`hubs` is the row that decides: a worker that writes anything of a hub raises `version` there, and so holds this row
until its transaction ends. Ids of records (`last_record`) and numbers of acknowledgements (`acks`) are drawn there
too, so that both rise in the order of the commits, whichever worker made them. No index holds these columns: an update
stays within its page.

    hubs.changed, .stated   the last version that wrote more than lines of the account, bodies and the hub's state, and
            the last one that wrote that
    streams.stored, .readings   record numbers, MessagePack [[first, last]…], and readings, written now and then; with
            the lines of `records` of other numbers, all of them
    records     the account: one line for each record, unique by (stream, seq), for ever. It is not partitioned, since
            no unique key could be wider than a partition. After some days `digests` holds 1,024 of its lines in a row
    names       TABLE records of an epoch, opened: who has no key reads names of columns here
    bodies      blocks as they were sealed, without the seal, by the hour of their arrival (Unix hours). They are not
            partitioned by privacy class: one block has readings of several, and they live until they are compacted
    chunks      readings of a hub by privacy class and month of what they tell (months since 1970; 0 for those of a
            boot, which its clock dates when they are read), so that a class that is too old goes whole
    compaction  by hub: the watermark `through`, and a version of all that readers see. Each reader holds a lock of
            this table from before its snapshot on (`backend.storage.postgresql.moments`)
    erasures    orders to erase. `late` counts what the compactor left out of later records, `dropped` what ingest did
    rewriting   tables whose files still hold what an order erased
    *_at        Unix seconds by the clock of the machine that wrote it; *_ms Unix ms

A text cannot hold a NUL here: see `backend.storage.postgresql.texts`.
"""

from __future__ import annotations

_FLOAT = "double precision"

HUBS = f"""
create table meta (key text primary key, value bytea not null);
create table hubs (
    number integer generated always as identity primary key, hub text not null unique, identity bytea not null unique,
    name text not null, tags text[] not null default '{{}}', enrolled_at {_FLOAT} not null, revoked_at {_FLOAT},
    version bigint not null default 0, changed bigint not null default 0, stated bigint not null default 0,
    acks bigint not null default 0, last_record bigint not null default 0
) with (fillfactor = 50);
create table hub_states (
    hub integer primary key references hubs, state bytea not null, state_at {_FLOAT} not null, seen_at {_FLOAT} not null
);
create table tokens (
    id text primary key, secret bytea, name text not null, tags text[] not null default '{{}}',
    created_at {_FLOAT} not null, expires_at {_FLOAT} not null, used_at {_FLOAT}, cancelled_at {_FLOAT}, hub text
);
create table trials (token text primary key);
create table challenge_keys (id integer primary key, key bytea not null, made_at {_FLOAT} not null);
create table processes (
    name text primary key, kind text not null, release text not null, started_at {_FLOAT} not null,
    seen_at {_FLOAT} not null, facts bytea not null
) with (fillfactor = 50);
"""
RECORDS = f"""
create table streams (
    id bigint generated always as identity primary key, hub integer not null references hubs, run bytea not null,
    stream text not null, started_at {_FLOAT} not null, stored bytea not null default '\\x90',
    forked bytea not null default '\\x90', readings bigint not null default 0, announced bigint not null default 0,
    previous bytea, unique (hub, run, stream)
);
create table epochs (
    id bigint generated always as identity primary key, eid bytea not null unique, stream bigint not null,
    raw bytea not null, received_at {_FLOAT} not null
);
create table epoch_tables (epoch bigint, number integer, raw bytea not null, primary key (epoch, number));
create table names (
    epoch bigint, number integer, hub integer not null, data bytea not null, primary key (epoch, number)
);
create index names_of on names (hub);
create table records (
    stream bigint, seq bigint, id bigint not null, epoch bigint not null, received_at {_FLOAT} not null,
    readings integer not null, kind smallint not null, digest bytea not null, primary key (stream, seq)
);
create table digests (stream bigint, block bigint, digests bytea not null, primary key (stream, block));
create table bodies (
    hour integer not null, hub integer not null, record bigint not null, epoch bigint not null,
    received_at {_FLOAT} not null, boot bytea not null, data bytea storage external not null,
    primary key (hub, record, hour)
) partition by range (hour);
"""
READING = f"""
create sequence chunk_ids;
create table chunks (
    privacy text not null, month integer not null, hub integer not null,
    id bigint not null default nextval('chunk_ids'), boot bytea not null, hour bigint not null,
    rows integer not null, arrived_at {_FLOAT} not null, loose boolean not null, data bytea storage external not null,
    primary key (hub, id, privacy, month)
) partition by list (privacy);
create index chunks_by_hour on chunks (hub, boot, hour);
create index chunks_loose on chunks (hub, boot, hour, arrived_at) where loose;
create table compaction (
    hub integer primary key references hubs, through bigint not null default 0, version bigint not null default 0
) with (fillfactor = 50);
create table series (
    hub integer, place text, metric text, device text, privacy text not null, day integer not null default 0,
    classes integer not null default 0, unit text not null, resolution text not null, kind text not null,
    device_class text not null, state_class text not null, site text not null, zone text not null, model text not null,
    integration text not null, primary key (hub, place, metric, device)
);
create index series_of_device on series (device);
create index series_of_zone on series (zone);
create index series_by_day on series (hub, day) where privacy = 'personal';
create table boots (
    hub integer, boot bytea, offset_ms bigint, error_ms bigint, source text, primary key (hub, boot)
);
create table erasures (
    hub integer, id text, kind text not null, name text not null, until_ms bigint not null,
    ordered_at {_FLOAT} not null, record bigint not null, cursor bigint not null default 0,
    readings bigint not null default 0, left_over bigint not null default 0, late bigint not null default 0,
    dropped bigint not null default 0, done_at {_FLOAT}, primary key (hub, id)
);
create index erasures_unfinished on erasures (hub) where done_at is null;
create table rewriting (relation text primary key);
"""
JUDGED = f"""
create table gaps (
    id bigint generated always as identity primary key, hub integer not null, run bytea not null, stream text not null,
    first bigint not null, last bigint not null, readings bigint not null, from_s bigint not null, to_s bigint not null,
    reason text not null, declared_by bigint not null, received_at {_FLOAT} not null, unique (hub, declared_by)
);
create index gaps_of on gaps (hub, run, stream);
create table forks (
    id bigint generated always as identity primary key, stream bigint not null, seq bigint not null,
    digest bytea not null, eid bytea not null, raw bytea not null, received_at {_FLOAT} not null,
    unique (stream, seq, digest)
);
create table alarms (
    id bigint generated always as identity primary key, kind text not null, hub text not null, detail text not null,
    coded bytea, raised_at {_FLOAT} not null, cleared_at {_FLOAT}
);
create unique index alarms_open on alarms (kind, hub, detail) where cleared_at is null;
create table quarantine (
    id bigint generated always as identity primary key, hub text not null, reason text not null,
    digest bytea not null unique, body bytea not null, received_at {_FLOAT} not null, epoch bigint
);
create index quarantine_of on quarantine (hub);
create table alerts (
    hub text, alert text, n bigint not null, rule text not null, key text not null, state text not null,
    severity text not null, by text not null, why text not null, value text not null, text text not null,
    text_fr text not null, device text not null, place text not null, site text not null, zone text not null,
    integration text not null, raised_at {_FLOAT} not null, changed_at {_FLOAT} not null,
    received_at {_FLOAT} not null, wanted bytea, wanted_state text, primary key (hub, alert)
);
create index alerts_open on alerts (state, changed_at);
create table anchors (
    hub text, told_ms bigint, count bigint not null, head text not null, counts text not null,
    received_at {_FLOAT} not null, primary key (hub, told_ms)
);
create table silences (
    scope text, name text, since {_FLOAT} not null, raised_at {_FLOAT} not null, detail text not null,
    primary key (scope, name)
);
create table retention (
    privacy text primary key, days integer not null, purged bigint not null default 0, purged_at {_FLOAT}
);
"""
MAILBOX = f"""
create table lookups (
    hub text, device text, first_at {_FLOAT} not null, last_at {_FLOAT} not null, told_at {_FLOAT},
    primary key (hub, device)
);
create index lookups_lately on lookups (hub, last_at);
create table callback_tokens (
    id text primary key, secret bytea not null, hub text not null, name text not null, created_at {_FLOAT} not null,
    revoked_at {_FLOAT}, used_at {_FLOAT}, taken bigint not null default 0, repeated bigint not null default 0
);
create table callbacks (
    id bigint generated always as identity primary key, key text not null unique, hub text not null,
    token text not null, fields bytea, answer bytea, answered text not null default '', received_at {_FLOAT} not null,
    done_at {_FLOAT}
);
create index callbacks_waiting on callbacks (hub, id) where fields is not null;
create index callbacks_done on callbacks (done_at) where done_at is not null;
create table downlinks (
    hub text, device text, id text, data bytea not null, until {_FLOAT}, sent_at {_FLOAT}, primary key (hub, device, id)
);
"""
