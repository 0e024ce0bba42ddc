"""What the hub answers, put for people: sentences, rows, tables, in the language of the page. Pure.

views      the summary, rows of tables, CSV
messages   what the hub says of itself, in French
refusing   what it refuses, in French
waiting_reasons why a device is not admitted
audit_text entries of the audit chain as sentences
"""
