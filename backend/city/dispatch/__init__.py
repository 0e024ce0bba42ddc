"""Dispatch: alerts of hubs and alarms of the backend reach whoever is on duty.

    new alert → route (rule, severity, sector, contract, local time) → chain → messages → channel
                                                                     ↘ deadlines: the next step, unless somebody took it

plan, rota, checking     the plan, who is on duty, and the proof that somebody always is; pure
plan_file, plan_table    a plan from YAML or CSV with lines and columns; as JSON in the database
intake                   what changed at hubs and in the backend since the last look
lifecycle                what a change means for chain, messages and intervention
sending                  messages that are due, claimed, sent and noted; `channels` are the ways out
requests                 acknowledgements on their way to the hub
routes, pages            pages of alerts, interventions, directory and rota

Deadlines, messages and requests are rows. A process that is killed loses none: what it had claimed is claimed again
when its lease is over, under the same idempotency id.
"""
