"""Sockets and certificates of the pages.

certificate   of the pages, made by the hub or by its district
redirect      plain HTTP, which redirects to HTTPS

The connections of the pages are managed by `hub.sdk.connections`.
"""
