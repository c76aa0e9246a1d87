-- Which disk this is. A position in the topics counts only for the disk that has the rows before it:
-- the archive's workers commit this id with their offsets, and read from the start of the topics
-- where it is another one. To have a disk filled again, after an older copy of it was put back for
-- example, TRUNCATE this table and make an id anew by the second statement.

CREATE TABLE IF NOT EXISTS archive_disk (
    id String,
    made_at DateTime('UTC') DEFAULT now()
) ENGINE = MergeTree() PARTITION BY tuple() ORDER BY id;

INSERT INTO archive_disk (id)
SELECT toString(generateUUIDv4())
FROM (SELECT count() AS ids FROM archive_disk)
WHERE ids = 0;
