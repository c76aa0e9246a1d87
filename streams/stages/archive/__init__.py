"""The archive stage: what crosses an archived topic becomes a row in ClickHouse.

`tables` the columns, `event_rows` `slate_rows` `item_rows` `control_rows` one record to one row,
`rows` which topic is whose, `inserts` one block to the server, `disk` whether it still has what it
was sent before, `stage` the room itself.
"""

from streams.stages.archive.stage import Archive

__all__ = ["Archive"]
