-- description = "How many sessions of each movie start on the day, and how long they last on average."
-- owner = "team:analytics"
-- grain = "day"
-- reads = ["streams"]
-- [columns]
-- movie_title = {type = "String", primary_key = true}
-- sessions = {type = "Int64", min = 1, description = "sessions: those that start on the day"}
-- average_session_seconds = {type = "Float64", min = 0}
-- first_start = {type = "Datetime"}
SELECT movie_title, count(*) AS sessions, avg(extract(epoch FROM end_at - start_at)) AS average_session_seconds,
       min(start_at) AS first_start  -- a colon: and 'a quote
FROM warehouse.streams
WHERE event_day BETWEEN :first_day AND :last_day AND start_at >= :start AND start_at < :end
GROUP BY movie_title;
