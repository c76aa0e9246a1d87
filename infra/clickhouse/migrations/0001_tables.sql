-- One table for each archived topic, in words that ClickHouse 18.16 and today's both take.
--
-- Deliveries repeat and arrive through more than one topic, so every table is a
-- ReplacingMergeTree ordered by the ids of what it holds. Of rows with one id that with the
-- greatest row_version stays. Topics, partitions and offsets never identify a row: they differ
-- between a topic and its mirrored copy. Read with FINAL, or count distinct ids: rows that were
-- replaced stay on disk until a merge meets them.
--
-- Times come in milliseconds; a DateTime beside each is made from it. The data parts of the
-- growing tables are split by day of the append time, which a producer cannot choose. Two copies
-- of an event appended on two days are never merged on disk, but FINAL does not show both.
-- An absent string is '' and an absent number 0, unless the column is Nullable.

CREATE TABLE IF NOT EXISTS user_events (
    user_id String,
    event_id String,
    kind String,
    at_ms UInt64,
    appended_at_ms UInt64,
    happened_at_ms UInt64,
    origin String,
    surface String,
    slate_limit UInt8,
    session_id String,
    recommendation_id String,
    locale String,
    device String,
    item_id String,
    quantity UInt32,
    price Nullable(Float64),
    currency String,
    rating_value Nullable(Float64),
    rating_scale Nullable(Float64),
    epoch Int64,
    position UInt32,
    text String,
    followed_user_id String,
    row_version UInt64,
    appended_at DateTime('UTC') DEFAULT toDateTime(intDiv(appended_at_ms, 1000), 'UTC'),
    happened_at DateTime('UTC') DEFAULT toDateTime(intDiv(happened_at_ms, 1000), 'UTC')
) ENGINE = ReplacingMergeTree(row_version)
PARTITION BY toYYYYMMDD(appended_at)
ORDER BY (user_id, event_id);

CREATE TABLE IF NOT EXISTS recommendations (
    recommendation_id String,
    epoch Int64,
    user_id String,
    surface String,
    issued_at_ms UInt64,
    cause_event_id String,
    cause_kind String,
    cause_at_ms UInt64,
    cause_appended_at_ms UInt64,
    items Nested(
        item_id String,
        score Float64,
        position UInt32,
        source String,
        because String,
        propensity Float64
    ),
    model String,
    model_version String,
    arms Nested(experiment String, revision Int64, name String),
    fallback String,
    made_from_state String,
    made_from_catalogue String,
    made_from_vectors String,
    made_from_fold String,
    region String,
    origin String,
    partition UInt32,
    answered_before_ms UInt64,
    row_version UInt64,
    issued_at DateTime('UTC') DEFAULT toDateTime(intDiv(issued_at_ms, 1000), 'UTC'),
    cause_appended_at DateTime('UTC') DEFAULT toDateTime(intDiv(cause_appended_at_ms, 1000), 'UTC')
) ENGINE = ReplacingMergeTree(row_version)
PARTITION BY toYYYYMMDD(issued_at)
ORDER BY (recommendation_id, epoch);

-- letter_id is a hash of all that a dead letter holds; reasons and positions are its headers'.
CREATE TABLE IF NOT EXISTS dead_letters (
    letter_id String,
    region String,
    written_at_ms UInt64,
    reason String,
    detail String,
    topic String,
    partition UInt32,
    offset UInt64,
    appended_at_ms UInt64,
    key Nullable(String),
    value Nullable(String),
    headers Nested(name String, value String),
    written_at DateTime('UTC') DEFAULT toDateTime(intDiv(written_at_ms, 1000), 'UTC')
) ENGINE = ReplacingMergeTree()
PARTITION BY toYYYYMMDD(written_at)
ORDER BY letter_id;

-- Every update that was read, not only each item's last; the view `items` has those.
CREATE TABLE IF NOT EXISTS item_updates (
    item_id String,
    origin String,
    appended_at_ms UInt64,
    at_ms Int64,
    title String,
    description String,
    categories Array(String),
    brand String,
    price Nullable(Float64),
    currency String,
    tags Array(String),
    available UInt8,
    row_version UInt64,
    appended_at DateTime('UTC') DEFAULT toDateTime(intDiv(appended_at_ms, 1000), 'UTC')
) ENGINE = ReplacingMergeTree(row_version)
PARTITION BY tuple()
ORDER BY (item_id, origin, appended_at_ms);

CREATE TABLE IF NOT EXISTS item_vectors (
    model String,
    model_version String,
    item_id String,
    region String,
    made_at_ms UInt64,
    text_hash UInt64,
    vector Array(Float32),
    row_version UInt64,
    made_at DateTime('UTC') DEFAULT toDateTime(intDiv(made_at_ms, 1000), 'UTC')
) ENGINE = ReplacingMergeTree(row_version)
PARTITION BY tuple()
ORDER BY (model, model_version, item_id, region);

CREATE TABLE IF NOT EXISTS state_digests (
    region String,
    partition UInt32,
    slice UInt32,
    made_at_ms UInt64,
    folded_to Nested(origin String, appended_at_ms UInt64),
    users Nested(user_id String, digest String, newest_ms UInt64),
    row_version UInt64,
    made_at DateTime('UTC') DEFAULT toDateTime(intDiv(made_at_ms, 1000), 'UTC')
) ENGINE = ReplacingMergeTree(row_version)
PARTITION BY toYYYYMMDD(made_at)
ORDER BY (region, partition, slice, made_at_ms);

CREATE TABLE IF NOT EXISTS model_releases (
    model String,
    revision Int64,
    region String,
    url String,
    hash String,
    served Nested(region String, version String, canary_version String, canary_share Float64),
    row_version UInt64
) ENGINE = ReplacingMergeTree(row_version)
PARTITION BY tuple()
ORDER BY (model, revision, region);

CREATE TABLE IF NOT EXISTS experiments (
    name String,
    revision Int64,
    region String,
    surface String,
    arms Nested(name String, share Float64),
    row_version UInt64
) ENGINE = ReplacingMergeTree(row_version)
PARTITION BY tuple()
ORDER BY (name, revision, region);

CREATE TABLE IF NOT EXISTS region_ownership (
    origin String,
    epoch Int64,
    draining UInt8,
    owner String,
    past Nested(epoch Int64, owner String),
    fences Nested(epoch Int64, partition UInt32, appended_at_ms UInt64),
    command_id String,
    reason String,
    row_version UInt64
) ENGINE = ReplacingMergeTree(row_version)
PARTITION BY tuple()
ORDER BY (origin, epoch, draining);
