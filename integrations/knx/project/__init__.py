"""ETS projects (.knxproj), read without ETS: a zip archive of XML files, within limits.

The KNX Association publishes the XML schemas (`http://knx.org/xml/project/NN`) with ETS; the layouts of ETS 4 (10, 11),
5 (12 to 20) and 6 (21 and later) are read. `archive` opens the zip, `hardened` the XML, `tables` has the data classes,
`installation` and `programs` read the files, `reader` puts them together.
"""
