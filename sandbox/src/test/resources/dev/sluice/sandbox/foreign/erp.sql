-- A web shop with its stock and books: orders partitioned by time and region, lines by hash, prices that may not overlap,
-- movements without a key.
CREATE SCHEMA erp;
SET search_path = erp, public;

CREATE TYPE state AS ENUM ('basket', 'ordered', 'paid', 'sent', 'returned');
CREATE DOMAIN amount AS numeric(14, 4) CHECK (VALUE >= 0);
CREATE DOMAIN ean AS char(13);
CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
CREATE TYPE address AS (street text, town text, zip varchar(10), country char(2), at point);

CREATE TABLE customer (
    id bigint GENERATED ALWAYS AS IDENTITY (START 1000 INCREMENT 5),
    email email NOT NULL,
    delivery address,
    invoices address[],
    turnover amount NOT NULL DEFAULT 0,
    rating real,
    seen inet[],
    PRIMARY KEY (id) INCLUDE (email));
CREATE UNIQUE INDEX ON customer (lower(email)) WHERE rating > 0;
CREATE TABLE product (
    ean ean PRIMARY KEY,
    name text NOT NULL,
    net amount,
    vat numeric(5, 4) DEFAULT 0.19,
    gross numeric GENERATED ALWAYS AS (net * (1 + vat)) STORED,
    sizes int4range,
    photos bytea[],
    variant_of ean REFERENCES product ON UPDATE CASCADE ON DELETE SET NULL,
    replaces ean UNIQUE REFERENCES product DEFERRABLE INITIALLY DEFERRED,
    properties jsonb);
ALTER TABLE product ALTER photos SET STORAGE EXTERNAL;
CREATE TABLE price (
    id int PRIMARY KEY,
    valid daterange NOT NULL,
    net amount,
    note text,
    EXCLUDE USING gist (valid WITH &&) DEFERRABLE);
CREATE TABLE campaign (
    slot int NOT NULL,
    during int8range,
    weeks int4multirange,
    banner text,
    CONSTRAINT campaign_slot UNIQUE (slot),
    EXCLUDE USING gist (during WITH &&));
ALTER TABLE campaign REPLICA IDENTITY USING INDEX campaign_slot;

CREATE TABLE sale (
    id int NOT NULL,
    at date NOT NULL,
    region text NOT NULL,
    customer bigint REFERENCES customer ON DELETE SET NULL,
    state state NOT NULL DEFAULT 'basket',
    total amount NOT NULL DEFAULT 0,
    lines int NOT NULL DEFAULT 0,
    remark text,
    PRIMARY KEY (id, at, region)) PARTITION BY RANGE (at);
CREATE TABLE sale_2024 PARTITION OF sale FOR VALUES FROM (MINVALUE) TO ('2025-01-01') PARTITION BY LIST (region);
CREATE TABLE sale_2024_north PARTITION OF sale_2024 FOR VALUES IN ('north', 'east');
CREATE TABLE sale_2024_other PARTITION OF sale_2024 DEFAULT;
CREATE TABLE sale_2025 PARTITION OF sale FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE sale_later (remark text, region text NOT NULL, state state NOT NULL DEFAULT 'basket', lines int NOT NULL DEFAULT 0,
    id int NOT NULL, at date NOT NULL, customer bigint, total amount NOT NULL DEFAULT 0);
ALTER TABLE sale ATTACH PARTITION sale_later DEFAULT;
ALTER TABLE sale_2025 ALTER remark SET STORAGE EXTERNAL;
CREATE TABLE sale_line (
    sale int NOT NULL,
    at date NOT NULL,
    region text NOT NULL,
    line smallint NOT NULL,
    product ean REFERENCES product ON UPDATE CASCADE,
    quantity int NOT NULL DEFAULT 1,
    price amount,
    gift text,
    PRIMARY KEY (sale, at, region, line),
    FOREIGN KEY (sale, at, region) REFERENCES sale ON UPDATE CASCADE ON DELETE CASCADE) PARTITION BY HASH (sale);
CREATE TABLE sale_line_0 PARTITION OF sale_line FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE sale_line_1 PARTITION OF sale_line FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE sale_line_2 PARTITION OF sale_line FOR VALUES WITH (MODULUS 3, REMAINDER 2);
CREATE TABLE stock (
    product ean REFERENCES product ON UPDATE CASCADE ON DELETE CASCADE,
    shelf int,
    pieces int NOT NULL DEFAULT 0,
    PRIMARY KEY (product, shelf));
CREATE TABLE movement (product ean, shelf int, pieces int, why text, at timestamptz, seen bool) PARTITION BY LIST (why);
CREATE TABLE movement_sale PARTITION OF movement FOR VALUES IN ('sale', 'return');
CREATE TABLE movement_other PARTITION OF movement DEFAULT;
ALTER TABLE movement REPLICA IDENTITY FULL;
ALTER TABLE movement_sale REPLICA IDENTITY FULL;
ALTER TABLE movement_other REPLICA IDENTITY FULL;

CREATE FUNCTION sum_sale() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE erp.sale SET lines = lines + 1, total = total + coalesce(NEW.price, 0)
        WHERE id = NEW.sale AND at = NEW.at AND region = NEW.region;
    INSERT INTO erp.movement VALUES (NEW.product, NEW.line, -NEW.quantity, 'sale', clock_timestamp(), false);
    RETURN NULL;
END $$;
CREATE TRIGGER sum_sale AFTER INSERT ON sale_line FOR EACH ROW EXECUTE FUNCTION sum_sale();
CREATE FUNCTION move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO erp.stock VALUES (NEW.product, NEW.shelf, NEW.pieces)
        ON CONFLICT (product, shelf) DO UPDATE SET pieces = stock.pieces + EXCLUDED.pieces;
    RETURN NULL;
EXCEPTION WHEN foreign_key_violation OR not_null_violation THEN
    RETURN NULL;
END $$;
CREATE TRIGGER move AFTER INSERT ON movement FOR EACH ROW EXECUTE FUNCTION move();
CREATE FUNCTION no_empty_name() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.name = '' THEN RETURN NULL; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER no_empty_name BEFORE INSERT OR UPDATE ON product FOR EACH ROW EXECUTE FUNCTION no_empty_name();
