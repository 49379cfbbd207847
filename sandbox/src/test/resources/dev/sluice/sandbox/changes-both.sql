-- Tables that are the same on both sides; each schema is one case of ChangesIT.

CREATE EXTENSION citext;

-- triggers: what they and the foreign keys do at the source comes in the stream
CREATE SCHEMA fired;
CREATE TABLE fired.account (id int PRIMARY KEY, balance int, version int NOT NULL DEFAULT 0);
CREATE TABLE fired.entry (id int PRIMARY KEY, account int REFERENCES fired.account ON DELETE CASCADE ON UPDATE CASCADE, amount int);
CREATE TABLE fired.tag (account int REFERENCES fired.account ON DELETE CASCADE ON UPDATE CASCADE, name text, PRIMARY KEY (account, name));
CREATE TABLE fired.note (id int PRIMARY KEY, account int DEFAULT 0 REFERENCES fired.account ON DELETE SET DEFAULT ON UPDATE CASCADE, entry int REFERENCES fired.entry ON DELETE SET NULL);
CREATE TABLE fired.history (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text, account int);
CREATE FUNCTION fired.bump() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  NEW.version := NEW.version + 1;
  RETURN NEW;
END $$;
CREATE FUNCTION fired.count() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO fired.history (what, account) VALUES (TG_OP, coalesce(NEW.account, OLD.account));
  UPDATE fired.account SET balance = balance + coalesce(NEW.amount, 0) - coalesce(OLD.amount, 0) WHERE id = coalesce(NEW.account, OLD.account);
  RETURN NULL;
END $$;
CREATE FUNCTION fired.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF NEW.name = 'skip' THEN RETURN NULL; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER bump BEFORE INSERT OR UPDATE ON fired.account FOR EACH ROW EXECUTE FUNCTION fired.bump();
CREATE TRIGGER count AFTER INSERT OR UPDATE OR DELETE ON fired.entry FOR EACH ROW EXECUTE FUNCTION fired.count();
CREATE TABLE fired.log (id int PRIMARY KEY, v text, seen int DEFAULT 0);

-- no key at all: rows are known by all their values
CREATE SCHEMA keyless;
CREATE TABLE keyless.mixed (n numeric, t text, j json, p point, x xml, f float8, b bytea, i int, ts timestamptz, c char(5), m money, a int[], ct citext, toast text);
ALTER TABLE keyless.mixed ALTER toast SET STORAGE EXTERNAL;
ALTER TABLE keyless.mixed REPLICA IDENTITY FULL;
CREATE TABLE keyless.nullable (a int UNIQUE, b text, UNIQUE (b, a));
ALTER TABLE keyless.nullable REPLICA IDENTITY FULL;
CREATE TABLE keyless.owner (id int PRIMARY KEY);
CREATE TABLE keyless.line (owner int REFERENCES keyless.owner ON DELETE CASCADE, v text);
ALTER TABLE keyless.line REPLICA IDENTITY FULL;
CREATE TABLE keyless.partitioned (k int, v text) PARTITION BY RANGE (k);
CREATE TABLE keyless.partitioned_low PARTITION OF keyless.partitioned FOR VALUES FROM (MINVALUE) TO (10);
CREATE TABLE keyless.partitioned_high PARTITION OF keyless.partitioned FOR VALUES FROM (10) TO (MAXVALUE);
ALTER TABLE keyless.partitioned REPLICA IDENTITY FULL;
ALTER TABLE keyless.partitioned_low REPLICA IDENTITY FULL;
ALTER TABLE keyless.partitioned_high REPLICA IDENTITY FULL;
CREATE TABLE keyless.numbered (id int GENERATED ALWAYS AS IDENTITY, v text);
ALTER TABLE keyless.numbered REPLICA IDENTITY FULL;
