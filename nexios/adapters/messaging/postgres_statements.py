"""What the backplane over PostgreSQL says to it; the tables are in persistence/tables.py."""

from typing import Final

HEADS: Final = "SELECT id, name, epoch, last FROM nx_topic WHERE name = ANY(CAST(? AS text[]))"

OPEN: Final = (
    "INSERT INTO nx_topic (name, epoch, last, kept_count, kept_size, kept_age_s)"
    " VALUES (?, ?, 0, 0, 0, 0) ON CONFLICT (name) DO NOTHING"
)

# The row of the topic is locked by its update, so its messages are numbered in the order of
# commits. A second message of a remembered id finds the first or breaks the unique (topic, said).
PUBLISH: Final = """
WITH known AS (
  SELECT t.id AS topic, t.epoch, m.place FROM nx_topic t JOIN nx_message m ON m.topic = t.id
  WHERE t.name = ? AND m.said = ? AND m.at > now() - make_interval(secs => ?)
), moved AS (
  INSERT INTO nx_topic AS t (name, epoch, last, kept_count, kept_size, kept_age_s)
  SELECT CAST(? AS text), CAST(? AS text), 1, CAST(? AS integer), CAST(? AS integer),
    CAST(? AS double precision)
  WHERE NOT EXISTS (SELECT 1 FROM known)
  ON CONFLICT (name) DO UPDATE SET last = t.last + 1, kept_count = excluded.kept_count,
    kept_size = excluded.kept_size, kept_age_s = excluded.kept_age_s
  RETURNING id, epoch, last
), put AS (
  INSERT INTO nx_message (topic, place, said, id, key, payload, at)
  SELECT id, last, CAST(? AS text), CAST(? AS text), CAST(? AS text), CAST(? AS bytea),
    clock_timestamp() FROM moved
)
SELECT id AS topic, epoch, last AS place, false AS duplicate FROM moved
UNION ALL
SELECT topic, epoch, place, true FROM known WHERE CAST(? AS text) IS NOT NULL
"""

FORGET_ID: Final = (
    "UPDATE nx_message SET said = NULL WHERE topic = (SELECT id FROM nx_topic WHERE name = ?)"
    " AND said = ? AND at <= now() - make_interval(secs => ?)"
)

_KEPT: Final = """
SELECT t.epoch, t.last, m.place, m.id AS message, m.key, m.payload
FROM nx_topic t LEFT JOIN LATERAL (
  SELECT * FROM (
    SELECT place, id, key, payload, at,
      sum(length(payload)) OVER (ORDER BY place DESC) AS total
    FROM nx_message WHERE topic = t.id AND place > t.last - t.kept_count
  ) w
  WHERE w.total <= t.kept_size AND w.at >= now() - make_interval(secs => t.kept_age_s)
    AND w.place > ?
  ORDER BY w.place {direction} LIMIT ?
) m ON true
WHERE t.name = ?
"""
AFTER: Final = _KEPT.format(direction="ASC")
LAST: Final = _KEPT.format(direction="DESC")

NEW: Final = (
    "SELECT t.id AS topic, t.epoch, m.place, m.id AS message, m.key, m.payload"
    " FROM nx_topic t JOIN nx_message m ON m.topic = t.id"
    " WHERE t.name = ? AND m.place > ? ORDER BY m.place LIMIT ?"
)

NOTIFY: Final = "SELECT pg_notify(?, ?)"

# What is beyond the bounds stays as long as its id has to be known.
_BEYOND: Final = """
DELETE FROM nx_message m USING nx_topic t WHERE m.topic = t.id AND {topics}
AND m.at < now() - make_interval(secs => ?) AND (
  m.place <= t.last - t.kept_count OR m.at < now() - make_interval(secs => t.kept_age_s)
  OR m.place <= (
    SELECT coalesce(max(w.place), 0) FROM (
      SELECT place, sum(length(payload)) OVER (ORDER BY place DESC) AS total
      FROM nx_message WHERE topic = t.id
    ) w WHERE w.total > t.kept_size
  )
)
"""
TRIM: Final = _BEYOND.format(topics="t.id = ?")
SWEEP: Final = _BEYOND.format(topics="starts_with(t.name, ?)")

TOUCH: Final = (
    "INSERT INTO nx_present (topic, socket, told, until)"
    " VALUES (?, ?, ?, now() + make_interval(secs => ?))"
    " ON CONFLICT (topic, socket) DO UPDATE SET told = excluded.told, until = excluded.until"
)
FORGET: Final = "DELETE FROM nx_present WHERE topic = ? AND socket = ?"
FORGET_GONE: Final = "DELETE FROM nx_present WHERE until <= now()"
PRESENT: Final = "SELECT told FROM nx_present WHERE topic = ? AND until > now()"
