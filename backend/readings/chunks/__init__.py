"""Chunks: the reports of one hub and one hour, in the form in which they are kept and read. Pure.

    encode    reports → a chunk
    decode    a chunk → its reports, frame by frame
    pick      the readings of one device and metric, of the one frame that holds the device
    count     how many readings of one device and metric, without one
    contents  which devices and metrics there are, without a reading
    merge     a chunk and more reports → a chunk, each report once
    without   a chunk without some reports, for erasure and retention
    rewrite   a chunk in which some reports are others, or none

These are functions of `rewriting`. `container` has the head and the directory, `frames` and `frame_reader` the columns
of 32 devices, `planes` columns of integers, `rows` what goes in and comes out, `building` and `rewriting` the changes,
`rollups` what is told of a minute, an hour or a day.
"""
