"""One request and its answer, whatever it is about.

routes     the table: what there is, who may, and the API as a document
guard      what a browser must send, and the headers of every answer
checks     which visit a request is, and whether its form is one of ours
visit      who asks, in which language, with what
responses  pages, JSON, cookies
"""
