-- requires: 21.8
-- What only today's servers can: rows expire, repeated words are stored once, times as their
-- differences. Read and write alike before and after, so a server that is upgraded gets it then.
--
-- 400 days: a whole year can be compared with the one before. Dead letters stay three times as
-- long as on their topic. Items, releases, experiments and ownership are small and stay.

ALTER TABLE user_events MODIFY TTL appended_at + INTERVAL 400 DAY;
ALTER TABLE recommendations MODIFY TTL issued_at + INTERVAL 400 DAY;
ALTER TABLE dead_letters MODIFY TTL written_at + INTERVAL 90 DAY;
ALTER TABLE state_digests MODIFY TTL made_at + INTERVAL 30 DAY;

-- A part holds one day, so it expires whole: nothing is rewritten.
ALTER TABLE user_events MODIFY SETTING ttl_only_drop_parts = 1;
ALTER TABLE recommendations MODIFY SETTING ttl_only_drop_parts = 1;
ALTER TABLE dead_letters MODIFY SETTING ttl_only_drop_parts = 1;
ALTER TABLE state_digests MODIFY SETTING ttl_only_drop_parts = 1;

ALTER TABLE user_events
    MODIFY COLUMN kind LowCardinality(String),
    MODIFY COLUMN origin LowCardinality(String),
    MODIFY COLUMN surface LowCardinality(String),
    MODIFY COLUMN locale LowCardinality(String),
    MODIFY COLUMN device LowCardinality(String),
    MODIFY COLUMN currency LowCardinality(String),
    MODIFY COLUMN at_ms UInt64 CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN appended_at_ms UInt64 CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN happened_at_ms UInt64 CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN row_version UInt64 CODEC(ZSTD(1)),
    MODIFY COLUMN text String CODEC(ZSTD(3));

ALTER TABLE recommendations
    MODIFY COLUMN surface LowCardinality(String),
    MODIFY COLUMN cause_kind LowCardinality(String),
    MODIFY COLUMN items.source Array(LowCardinality(String)),
    MODIFY COLUMN items.score Array(Float64) CODEC(ZSTD(1)),
    MODIFY COLUMN items.propensity Array(Float64) CODEC(ZSTD(1)),
    MODIFY COLUMN model LowCardinality(String),
    MODIFY COLUMN model_version LowCardinality(String),
    MODIFY COLUMN fallback LowCardinality(String),
    MODIFY COLUMN region LowCardinality(String),
    MODIFY COLUMN origin LowCardinality(String),
    MODIFY COLUMN issued_at_ms UInt64 CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN cause_at_ms UInt64 CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN cause_appended_at_ms UInt64 CODEC(Delta, ZSTD(1)),
    MODIFY COLUMN answered_before_ms UInt64 CODEC(Delta, ZSTD(1));

ALTER TABLE dead_letters
    MODIFY COLUMN reason LowCardinality(String),
    MODIFY COLUMN topic LowCardinality(String),
    MODIFY COLUMN value Nullable(String) CODEC(ZSTD(3));
