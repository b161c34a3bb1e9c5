"""
Layer 3: rules applied to batches of events.

A rule is judged in two steps. First column by column, for all rows of one call at once: each test is asked once per
distinct value it has ever seen, and what it says is looked up for the rows. Where columns do not
tell (a path relative to a directory that only /proc knows, a command line), the answer is "possible". The rows that
are possible are few; their events are made readable, and what is open is asked about each.
"""
