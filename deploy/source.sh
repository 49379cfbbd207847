#!/bin/sh
# Run once, by the source's image, after the shop's tables have been made: what Sluice needs there, and no more.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$(cat /run/secrets/source_password)" -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
CREATE ROLE sluice LOGIN REPLICATION PASSWORD :'password';
GRANT USAGE ON SCHEMA public TO sluice;
GRANT SELECT ON customers, addresses, products, orders, order_items, payments TO sluice;
CREATE PUBLICATION sluice_shop_main
    FOR TABLE customers, addresses, products, orders, order_items, payments
    WITH (publish_via_partition_root = true);
SQL
