"""Uploaded pictures of a building: plans of its floors, and photographs of its sites.

sanitizer  removes everything but the picture, and refuses broken ones. Pure
table      the table `plans` of the encrypted store, with its limits
"""
