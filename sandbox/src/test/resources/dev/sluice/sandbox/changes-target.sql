-- The target's side of ChangesIT.

CREATE FUNCTION fired.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  NEW.seen := NEW.seen + 1;
  RETURN NEW;
END $$;
CREATE TRIGGER skip BEFORE INSERT ON fired.tag FOR EACH ROW EXECUTE FUNCTION fired.refuse();
CREATE TRIGGER always BEFORE INSERT OR UPDATE ON fired.log FOR EACH ROW EXECUTE FUNCTION fired.see();
ALTER TABLE fired.log ENABLE ALWAYS TRIGGER always;
