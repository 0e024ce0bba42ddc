"""Editors of a configuration's text: characters outside of the change stay as they were written.

amendments  single options set or removed, behind a gate
nodes       one node replaced or removed
merge       plain data inserted
comments    positions of comments
yaml_writer plain data as YAML text
"""
