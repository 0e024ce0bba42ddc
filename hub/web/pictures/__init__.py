"""Pictures of a building as people upload them: plans of its floors, and photographs of its sites.

sanitizer  what is no picture goes; what is broken is refused. Pure
table      where they are kept, and how many: the table `plans` of the encrypted store
"""
