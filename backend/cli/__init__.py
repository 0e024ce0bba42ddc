"""`ilot backend …`: one module for each family of commands, which imports what it needs when it is called.

main      the table of commands, and the exit code of each error
console   arguments, errors and output that all of them share
"""
