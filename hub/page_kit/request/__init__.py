"""A request and its answer, whatever its subject.

routes     the table of routes, their roles, and the API's document
guard      checks of a browser's headers, and headers of every answer
checks     from a request to its visit, and the form token
visit      visitor, language and fields of a request
responses  pages, JSON, cookies
"""
