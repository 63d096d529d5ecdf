"""The ledger: every call and every attempt, durably, once.

A row goes into the journal (`journal`), files of shared memory that outlive the process, the moment a call ends; one thread
(`writer`) carries rows from there into SQLite (`database`) in groups, and gives a piece of journal up only after the commit.
So the request path never waits for a disk, and whatever happens to the database (full, locked, damaged, deleted), the
journal is where rows wait. Rows of a process that died are found and booked by the next one (`recovery`). Reports,
exports and checks read the database (`reading`, `reporting`). No prompt and no answer is ever part of a row.
"""
