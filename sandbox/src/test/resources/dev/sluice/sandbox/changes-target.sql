-- The target's side of ChangesIT.

CREATE FUNCTION fired.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  NEW.seen := NEW.seen + 1;
  RETURN NEW;
END $$;
CREATE TRIGGER skip BEFORE INSERT ON fired.tag FOR EACH ROW EXECUTE FUNCTION fired.refuse();
CREATE TRIGGER always BEFORE INSERT OR UPDATE ON fired.log FOR EACH ROW EXECUTE FUNCTION fired.see();
ALTER TABLE fired.log ENABLE ALWAYS TRIGGER always;

CREATE TABLE circle.seat (id int PRIMARY KEY, number int UNIQUE, v text);
ALTER TABLE circle.seat REPLICA IDENTITY FULL;
CREATE TABLE circle.paper (id int PRIMARY KEY, code uuid NOT NULL, number int UNIQUE, f float8, c char(9), scan bytea, body text, parts text[]);
CREATE TABLE circle.file (id int PRIMARY KEY, number int UNIQUE, body text);

CREATE TABLE parted.event (id int, at date, v text, PRIMARY KEY (id, at)) PARTITION BY HASH (id);
CREATE TABLE parted.event_even PARTITION OF parted.event FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parted.event_odd PARTITION OF parted.event FOR VALUES WITH (MODULUS 2, REMAINDER 1);
