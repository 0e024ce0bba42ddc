"""Bytes in and out, before anybody knows what is asked.

certificate   of the pages, made by the hub or by its district
redirect      plain HTTP, which leads to HTTPS

The connections of the pages are held by `hub.sdk.connections`.
"""
