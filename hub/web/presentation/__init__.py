"""Presentation of the hub's answers: sentences, rows, tables, in the language of the page. Pure.

views      the summary, rows of tables, CSV
messages   the hub's own messages, in French
refusing   its refusals, in French
waiting_reasons reasons why a device is not admitted
audit_text entries of the audit chain as sentences
"""
