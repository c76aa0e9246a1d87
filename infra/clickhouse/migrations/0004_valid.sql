-- Which recommendations count, as streams/region/valid.py says it; a test holds the two against
-- each other on the same cases. Behind a failover the archive also has what a region wrote that no
-- longer owned the origin: readers drop it, and so do these views.

-- Of each origin the record that holds: the highest (epoch, draining). What no reader takes for a
-- record of ownership is not in the table.
CREATE VIEW IF NOT EXISTS ownership AS
SELECT
    origin,
    epoch,
    draining,
    owner,
    past.epoch AS past_epochs,
    past.owner AS past_owners,
    fences.epoch AS fence_epochs,
    fences.partition AS fence_partitions,
    fences.appended_at_ms AS fence_times_ms
FROM region_ownership FINAL
ORDER BY origin, epoch DESC, draining DESC
LIMIT 1 BY origin;

-- How the past epochs of each origin ended: up to which append time of its cause an answer counts.
CREATE VIEW IF NOT EXISTS fences AS
SELECT
    origin,
    fence_epoch AS epoch,
    fence_partition AS partition,
    1 AS is_fenced,
    fence_ms
FROM ownership
ARRAY JOIN
    fence_epochs AS fence_epoch,
    fence_partitions AS fence_partition,
    fence_times_ms AS fence_ms;

-- Valid is what has the current epoch of its origin, or a cause that is not newer than the fence
-- that ended its epoch in its partition. An origin without a record has nothing valid. What is
-- valid may change with the next record of ownership, so it is asked anew each time, never stored.
CREATE VIEW IF NOT EXISTS valid_recommendations AS
SELECT
    recommendation_id,
    epoch,
    user_id,
    surface,
    issued_at_ms,
    cause_event_id,
    cause_kind,
    cause_at_ms,
    cause_appended_at_ms,
    items.item_id,
    items.score,
    items.position,
    items.source,
    items.because,
    items.propensity,
    model,
    model_version,
    arms.experiment,
    arms.revision,
    arms.name,
    fallback,
    made_from_state,
    made_from_catalogue,
    made_from_vectors,
    made_from_fold,
    region,
    origin,
    partition,
    answered_before_ms,
    issued_at,
    cause_appended_at
FROM recommendations FINAL
ANY LEFT JOIN fences USING origin, epoch, partition
WHERE (origin, epoch) IN (SELECT origin, epoch FROM ownership)
    OR (is_fenced = 1 AND cause_appended_at_ms <= fence_ms);

-- The same as before, of what is valid.
DROP TABLE IF EXISTS recommendations_per_minute;

CREATE VIEW IF NOT EXISTS recommendations_per_minute AS
SELECT
    toStartOfMinute(issued_at) AS minute,
    surface,
    fallback,
    uniqExact(recommendation_id) AS recommendations
FROM valid_recommendations
GROUP BY minute, surface, fallback;

DROP TABLE IF EXISTS click_through;

CREATE VIEW IF NOT EXISTS click_through AS
SELECT
    minute,
    surface,
    model,
    model_version,
    fallback,
    sum(seen) AS impressions,
    sum(clicked) AS clicks,
    clicks / impressions AS rate
FROM (
    SELECT
        recommendation_id,
        user_id,
        count() AS seen,
        sum(place_clicked) AS clicked
    FROM (
        SELECT
            recommendation_id,
            user_id,
            item_id,
            max(kind = 'impression') AS place_seen,
            max(kind = 'click') AS place_clicked
        FROM user_events FINAL
        WHERE kind IN ('impression', 'click') AND recommendation_id != ''
        GROUP BY recommendation_id, user_id, item_id
    )
    WHERE place_seen = 1
    GROUP BY recommendation_id, user_id
) AS places
ANY INNER JOIN (
    SELECT
        recommendation_id,
        user_id,
        argMax(toStartOfMinute(issued_at), epoch) AS minute,
        argMax(surface, epoch) AS surface,
        argMax(model, epoch) AS model,
        argMax(model_version, epoch) AS model_version,
        argMax(fallback, epoch) AS fallback
    FROM valid_recommendations
    GROUP BY recommendation_id, user_id
) AS slates USING recommendation_id, user_id
GROUP BY minute, surface, model, model_version, fallback;
