-- description = "How many orders are placed on the day."
-- owner = "team:shop"
-- grain = "day"
-- reads = ["orders"]
-- [columns]
-- orders = {type = "Int64", min = 1}
SELECT count(*) AS orders
FROM warehouse.orders
WHERE event_day BETWEEN :first_day AND :last_day AND placed >= :start AND placed < :end
HAVING count(*) > 0
