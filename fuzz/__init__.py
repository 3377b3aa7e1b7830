"""
A fuzz suite: damaged and odd input, kills and commands at the same time, tried on the real command line.

    python -m fuzz data runs recipes commands kills pairs --out fuzz.json     # everything, in the full numbers
    python -m fuzz runs --count 50 --seed 3                                   # a part of it

Every trial runs in a process of its own, which is forked from one that has imported everything. A trial fails with a
traceback or an error that ridgewalk did not foresee, where a figure changes without a word, or where a command does not end. Needs Linux.
"""
