"""Presentation of the hub's answers: sentences, rows, tables, in the language of the page. Pure.

views      the summary, rows of tables, CSV
messages   sentences of the hub, in the language of the page
waiting_reasons reasons why a device is not admitted
audit_text entries of the audit chain as sentences
"""
