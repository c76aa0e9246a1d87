"""The archive's tables in ClickHouse, in a backup and back out of it.

server.py   what is asked of ClickHouse, and by which connection
parts.py    which partitions there are, and what tells one content from another
rows.py     rows into a file of a backup and out of it
disk.py     the same by the server's own snapshots (FREEZE, BACKUP), where its disk is given
erased.py   whose rows must not come back
save.py restore.py verify.py
"""
