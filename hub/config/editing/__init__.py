"""The text of a configuration edited by its characters: what nobody asked to change stays as it was written.

amendments  single options set or removed, behind a gate
nodes       one node replaced or taken out
merge       plain data put in
comments    where they stand
yaml_writer plain data as YAML text
"""
