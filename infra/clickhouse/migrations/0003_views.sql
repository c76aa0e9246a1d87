-- What dashboards and people read first. Plain views over FINAL: a record that was delivered
-- twice, or through a topic and its mirrored copy, changes no count.

CREATE VIEW IF NOT EXISTS events_per_minute AS
SELECT
    toStartOfMinute(appended_at) AS minute,
    origin,
    kind,
    count() AS events
FROM user_events FINAL
GROUP BY minute, origin, kind;

-- A slate that two regions gave at two epochs is one recommendation to its reader.
CREATE VIEW IF NOT EXISTS recommendations_per_minute AS
SELECT
    toStartOfMinute(issued_at) AS minute,
    surface,
    fallback,
    uniqExact(recommendation_id) AS recommendations
FROM recommendations FINAL
GROUP BY minute, surface, fallback;

-- Each item as it is known now: the largest (append time, origin).
CREATE VIEW IF NOT EXISTS items AS
SELECT *
FROM item_updates FINAL
ORDER BY item_id, appended_at_ms DESC, origin DESC
LIMIT 1 BY item_id;

-- Per minute of the slate: places that were on a screen, and how many of them were clicked. A
-- click or impression counts once for a place however often it came, a click only where an
-- impression tells that the place was seen, and both only for the slate's own user.
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
    FROM recommendations FINAL
    GROUP BY recommendation_id, user_id
) AS slates USING recommendation_id, user_id
GROUP BY minute, surface, model, model_version, fallback;
