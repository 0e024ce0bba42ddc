"""What this hub asks the backend for, while there is a link: nobody calls into a building.

question      one request over the owner's pinned TLS, and its answer read
answering     what people answer to alerts there
erasing       that an erasure is done there too
whereabouts   which other hub of the owner heard a device last
"""
