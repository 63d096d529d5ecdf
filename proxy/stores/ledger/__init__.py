"""The ledger: every call and every attempt, durably, once.

A row goes into the journal (`journal`), files of shared memory that outlive the process, the moment a call ends; one thread
(`writer`) carries rows from there into a database (`sqlite`, `postgres`) in groups, and gives a piece of journal up only
after the commit. So the request path never waits for a disk or a server, and whatever happens to the database (full, locked,
damaged, gone, slow), the journal is where rows wait. Rows of a process that died are found and booked by the next one
(`recovery`). Reports, budgets, exports and checks ask a `Reader` (`queries`), which is the same for both. `place` alone
picks between them, and `schema` says what is in the tables. No prompt and no answer is ever part of a row.
"""
