"""
The demo: one process, four servers in two protocol eras, and what can go wrong with them going wrong.

Owns the example server (`desk`), the steps and their report. Refuses private ways: a step uses the package as any
program could. The rule that keeps it honest: a line with a check mark is printed after its claim was checked.
"""
