-- The target's side of the mapped tables.

CREATE SCHEMA sales;
CREATE TABLE sales.orders (
    origin text NOT NULL, order_id bigint PRIMARY KEY, state text DEFAULT 'unknown', total numeric(12, 2), customer_id bigint,
    imported_on date NOT NULL, tenant int NOT NULL, touched int DEFAULT 1, long_note text
);
ALTER TABLE sales.orders ALTER long_note SET STORAGE EXTERNAL;
CREATE TABLE sales."Order Line" (
    "lineNo" int, "orderId" bigint REFERENCES sales.orders, quantity int, tenant int NOT NULL, PRIMARY KEY ("orderId", "lineNo")
);

CREATE SCHEMA deferred;
CREATE TABLE deferred.seat (id int PRIMARY KEY, v text, number int UNIQUE);
