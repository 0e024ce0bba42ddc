"""The text of a configuration edited by its characters: what nobody asked to change stays as it was written.

amending    single options set or removed, behind a gate
surgery     one node replaced or taken out
merging     plain data put in
comments    where they stand
writing     plain data as YAML text
"""
