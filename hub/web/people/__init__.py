"""Who may come in, and how they are known again. What changes any of it is a call (`hub.web.calls`).

accounts      people of this hub, and the claim by which the first one comes in
passwords     made and checked, one at a time
tokens        for scripts
sessions      who is signed in
throttle      how many guesses anybody has
break_glass   local accounts that were used although the district has badges
stores        all of these, opened together
reset         a new claim code for somebody who holds the card
"""
