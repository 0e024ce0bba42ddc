"""Who is signed in, whatever the accounts are.

passwords  hashing and checking, one after the other
sessions   sessions of browsers, and the tokens of their forms
throttle   guesses of passwords, few for each account and address
"""
