-- The source's side of the mapped tables.

CREATE SCHEMA legacy;
CREATE TABLE legacy.cust_order (
    internal_note text, id bigint PRIMARY KEY, cust_id int, amount numeric(10, 2), state text, secret text, long_note text,
    shouted text GENERATED ALWAYS AS (upper(state)) STORED
);
ALTER TABLE legacy.cust_order DROP COLUMN secret;
ALTER TABLE legacy.cust_order ALTER internal_note SET STORAGE EXTERNAL, ALTER long_note SET STORAGE EXTERNAL;
CREATE TABLE legacy.line (order_id bigint REFERENCES legacy.cust_order, line_no int, qty int, PRIMARY KEY (order_id, line_no));

-- its key may be doubled inside of a transaction
CREATE SCHEMA deferred;
CREATE TABLE deferred.seat (id int PRIMARY KEY DEFERRABLE, v text, number int UNIQUE DEFERRABLE);
ALTER TABLE deferred.seat REPLICA IDENTITY FULL;
