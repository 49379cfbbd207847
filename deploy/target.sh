#!/bin/sh
# Run once, by the target's image, after the shop's tables have been made: what Sluice needs there, and no more.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$(cat /run/secrets/target_password)" -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
CREATE ROLE sluice LOGIN PASSWORD :'password';
CREATE SCHEMA sluice AUTHORIZATION sluice;
GRANT USAGE ON SCHEMA public TO sluice;
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE
    ON customers, addresses, products, orders, order_items, payments TO sluice;
GRANT SET ON PARAMETER session_replication_role TO sluice;
-- what apply writes is marked, so that a verification can tell what somebody else has written
GRANT EXECUTE ON FUNCTION pg_replication_origin_create(text), pg_replication_origin_session_setup(text),
    pg_replication_origin_xact_reset() TO sluice;
SQL
