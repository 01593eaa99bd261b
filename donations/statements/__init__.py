"""
Reading the files in which banks report what was booked on an account. Pure: nothing here knows the database.

`reading.read()` yields, in the file's order, for each statement a `Head`, its `Line`s and what is `Rejected`, and a
`Tail`.
"""
