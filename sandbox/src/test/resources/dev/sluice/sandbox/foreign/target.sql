-- What check asks for in the target: keys that are checked at once, and no deferrable unique values in tables with triggers.
ALTER TABLE "Old Archive".deferred DROP CONSTRAINT deferred_pkey, ADD PRIMARY KEY (id);
ALTER TABLE tracker.board DROP CONSTRAINT board_project_place_key, ADD UNIQUE (project, place);
