-- Tables of the benchmark, the same at the source and in the target, with what is there before the first change.

CREATE TABLE customers (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL,
    credit numeric(12, 2) NOT NULL,
    profile jsonb NOT NULL,
    changed_at timestamptz NOT NULL
);

CREATE TABLE orders (
    id bigint PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers,
    status text NOT NULL,
    total numeric(12, 2) NOT NULL,
    note text,
    placed_at timestamptz NOT NULL
);
CREATE INDEX ON orders (customer_id);

CREATE TABLE order_items (
    order_id bigint NOT NULL REFERENCES orders,
    line_no integer NOT NULL,
    product text NOT NULL,
    quantity integer NOT NULL,
    price numeric(12, 2) NOT NULL,
    PRIMARY KEY (order_id, line_no)
);

-- copied as a whole: orders as a monolith has them
CREATE TABLE copied (
    id bigint PRIMARY KEY,
    customer_id bigint,
    status text,
    total numeric(12, 2),
    items jsonb,
    note text,
    created_at timestamptz,
    updated_at timestamptz
);

-- one row per lag probe; when both servers committed it is asked of both servers
CREATE TABLE probes (
    id bigint PRIMARY KEY
);

INSERT INTO customers
SELECT id, 'Customer ' || id, 'c' || id || '@example.org', 100, '{"level": 1, "words": ["a", "b"]}', '2026-01-01 00:00:00+00'
FROM generate_series(0, 19999) AS id;

INSERT INTO orders
SELECT id, id % 20000, 'new', 10.00, 'as always', '2026-01-01 00:00:00+00'
FROM generate_series(0, 49999) AS id;

INSERT INTO order_items
SELECT id, line, 'Product ' || (id + line) % 500, line, 9.99
FROM generate_series(0, 49999) AS id, generate_series(1, 2) AS line;
