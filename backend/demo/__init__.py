"""A simulated town on one machine: `ilot demo district`.

town        what stands where, and what it measures at a moment
hubs        twenty hubs that enrol, seal and report as hubs do, over HTTPS
story       what happens: a bin fills, a river rises, somebody knocks at the schools' hubs, a crew answers
open_data   what two persons of the town publish
district    the whole: owner, backend, import, accounts, and the end
"""
