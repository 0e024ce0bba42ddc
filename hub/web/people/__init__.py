"""Accounts and sessions of the pages. Changes of them are calls (`hub.web.calls`).

accounts      accounts of this hub, and the claim that makes the first one
passwords     made and checked, one at a time
tokens        for scripts
session_table sessions in the store, over a restart
sessions      who is signed in
throttle      limits of guesses
break_glass   local accounts used although the district has badges
stores        all of these, opened together
reset         a new claim code for somebody who holds the card
"""
