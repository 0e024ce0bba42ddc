"""Types and services that every room may use.

model               the nouns: device, report, reading, metric, series…, as frozen structs
tls/                TLS contexts, and why a certificate was refused
errors              the tree of errors, by who must act
option_text         French titles and help of options, kept in their models
metric_catalogue    every metric: key, unit, resolution, classes
metric_rules        what a declared metric has to be; `ucum`, `ucum_conversion`: its unit; `plausibility`: its values
clock               wall and monotonic time as an argument; `clock_sync` decides when it can be believed
store               the hub's encrypted SQLite file
state_dir           the state directory and its lock
disk/               writes, syncs and paths, and the faults of disks
logs                log format and recent lines in memory; `request_log`: of a server that strangers may call;
                    `raised_logs`: of one source, raised for an hour
counters            counters by event and subject
security_events     events that may be weak signals of an attack
actor               who asks, for authorisation and the audit log
backoff             exponential back-off with jitter
cancellation        whether the running task was cancelled
password_hash       Argon2id for passwords
process_hardening   Linux protections of this process; `process_memory`: what it and its workers take
memory_tuning       memory that libraries need not take; `later`: modules that are imported when they are
                    needed; `aiohttp_client`: aiohttp without its client
service_manager     what this service tells the manager that started it

May import no other room.
"""
