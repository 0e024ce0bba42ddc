"""What is asked of the pages by calls, as of every part of the hub: by the CLI, by the pages themselves, by the API. So
one judgement (a read-only crisis), one audit log and one set of errors serve all of them.

accounts   who may sign in, passwords, the claim
tokens     tokens for scripts
label      the label of this hub, and a new claim code
pictures   plans of floors and photographs of sites
"""
