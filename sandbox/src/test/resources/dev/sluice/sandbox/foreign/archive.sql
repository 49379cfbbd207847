-- What old databases have collected: keys of every kind, keys that are equal and look different, names that need quotes.
CREATE SCHEMA "Old Archive";
SET search_path = "Old Archive", public;

CREATE TYPE "Kind" AS ENUM ('a', 'B', 'a b', '');
CREATE DOMAIN "Kind Of" AS "Kind";
CREATE TYPE pair AS (a int, "B" text);

CREATE TABLE by_numeric (k numeric PRIMARY KEY, v text, n int UNIQUE);
CREATE TABLE by_float (k float8 PRIMARY KEY, v text);
CREATE TABLE by_char (k char(4), l varchar, v text, PRIMARY KEY (k, l));
CREATE TABLE by_citext (k citext PRIMARY KEY, v jsonb, long text);
ALTER TABLE by_citext ALTER long SET STORAGE EXTERNAL;
CREATE TABLE by_time (k timestamptz, d date, v interval, PRIMARY KEY (d, k));
CREATE TABLE by_interval (k interval PRIMARY KEY, v timetz);
CREATE TABLE by_enum (k "Kind", d "Kind Of", v text, w float4[], PRIMARY KEY (d, k));
CREATE TABLE by_array (k int[] PRIMARY KEY, v text[]);
CREATE TABLE by_pair (k pair PRIMARY KEY, v pair[]);
CREATE TABLE by_range (k numrange PRIMARY KEY, v nummultirange);
CREATE TABLE by_bytes (k bytea, l bit(3), m varbit, v bytea, PRIMARY KEY (k, l, m));
CREATE TABLE by_json (k jsonb PRIMARY KEY, v json, x xml);
CREATE TABLE by_address (k inet PRIMARY KEY, c cidr, m macaddr, v uuid);
CREATE TABLE by_flag (k bool, l "char", v money, PRIMARY KEY (k, l));
CREATE TABLE "Select" ("from" int, "Where" int, "ORDER BY" text, "group 😀" text, "a.b" text, PRIMARY KEY ("Where", "from"));
CREATE TABLE shifted (id int NOT NULL, n int NOT NULL, long text, small text);
CREATE UNIQUE INDEX shifted_identity ON shifted (n);
ALTER TABLE shifted REPLICA IDENTITY USING INDEX shifted_identity;
ALTER TABLE shifted ADD CONSTRAINT shifted_id UNIQUE (id) DEFERRABLE;
ALTER TABLE shifted ALTER long SET STORAGE EXTERNAL;
CREATE TABLE deferred (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, n int UNIQUE DEFERRABLE, long text);
ALTER TABLE deferred ALTER long SET STORAGE EXTERNAL;
ALTER TABLE deferred REPLICA IDENTITY FULL;
CREATE TABLE chain (id int PRIMARY KEY, next int UNIQUE REFERENCES chain ON UPDATE CASCADE ON DELETE SET NULL, v text);
CREATE TABLE whole (id int PRIMARY KEY, long text, v int[], j json, b box, ts tsquery, l line, s pg_lsn);
ALTER TABLE whole ALTER long SET STORAGE EXTERNAL;
ALTER TABLE whole REPLICA IDENTITY FULL;
CREATE TABLE loose (v text, n numeric, f float8, j json, p point, a int[], t timestamptz);
ALTER TABLE loose REPLICA IDENTITY FULL;
CREATE TABLE names ("$1" int PRIMARY KEY, "?" text, "it's" text, "a""b" text, "x""" text, "`tick" text,
    "{fn now()}" text, ":x" text, "back\slash" text, "%s" text, "after" text, "unchanged" text, "op" text, " " text);
CREATE TABLE "it's `one`, $1: a-b" (k int PRIMARY KEY, v text);
CREATE TABLE "'x'" (k int PRIMARY KEY, v text);
CREATE TABLE only_key (k int PRIMARY KEY);
CREATE TABLE issue (id int PRIMARY KEY, dropped int, v text, dropped_too text, w int[] NOT NULL DEFAULT '{}');
ALTER TABLE issue DROP dropped, DROP dropped_too;
CREATE TABLE nulls (id int PRIMARY KEY, a int, b text, UNIQUE NULLS NOT DISTINCT (a, b));
CREATE UNIQUE INDEX ON nulls ((a % 7)) WHERE b = 'a';
CREATE TABLE numbered (n bigint GENERATED ALWAYS AS IDENTITY, part int, v text, m int GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (part, n));
