"""Bytes in and out, before anybody knows what is asked.

certificate   of the pages, made by the hub or by its district
connections   those that are open, and how many at the most
handler       HTTP on one of them
redirect      plain HTTP, which leads to HTTPS
"""
