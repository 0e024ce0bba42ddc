"""Automation: rules on readings, the alerts they raise and the commands they give.

    rules/           declarative rules, evaluated in memory on raw values
    alert_engine     turns fired rules into alerts and commands, and takes acknowledgements
    alerts/          an alert's life, from raised to cleared, under one id
    rule_commands    writes requested by rules, tried again until they succeed or expire
    commands/        requests to write a metric: policy, queue, audit, result
    backend_answers  acknowledgements given at the backend, fetched by the hub

May import `devices`, `store_and_forward`, `identity` and lower rooms, not `history`.
"""
