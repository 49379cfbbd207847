package dev.sluice.capture;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.LaneConfig;
import dev.sluice.schemas.Checkpoint;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Lsn;
import dev.sluice.schemas.Stop;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Optional;

/**
 * The lane's replication slot: the only place where the source keeps the lane's position.
 *
 * <p>Source: PostgreSQL 18 manual, 53.20 "pg_replication_slots" and 9.28.6 "Replication Management Functions".
 */
final class ReplicationSlot {
    private final DatabaseConfig source;
    private final String name;
    private final String lane;

    /**
     * @param confirmed everything that ends before it has been acknowledged; the server starts from here
     * @param activePid the walsender that holds the slot, 0 if none does
     * @param lost why the server gave the slot up; empty while it is usable
     */
    record State(String plugin, String database, Lsn confirmed, int activePid, String lost) {
        boolean isActive() {
            return activePid != 0;
        }
    }

    /** Which cluster answers, and on which timeline it writes. */
    record Cluster(String systemIdentifier, int timeline) {}

    ReplicationSlot(DatabaseConfig source, LaneConfig lane) {
        this.source = source;
        this.name = lane.slot();
        this.lane = lane.name();
    }

    Optional<State> read(Connection connection) throws SQLException {
        try (PreparedStatement query = connection.prepareStatement(
                """
                SELECT coalesce(plugin, ''), coalesce(database, ''), confirmed_flush_lsn, coalesce(active_pid, 0),
                       CASE WHEN wal_status = 'lost' THEN 'wal_status=lost'
                            ELSE coalesce(to_jsonb(s) ->> 'invalidation_reason', '') END
                FROM pg_catalog.pg_replication_slots s WHERE slot_name = ?""")) {
            query.setString(1, name);
            try (ResultSet row = query.executeQuery()) {
                if (!row.next()) {
                    return Optional.empty();
                }
                String confirmed = row.getString(3);
                return Optional.of(new State(
                        row.getString(1),
                        row.getString(2),
                        confirmed == null ? Lsn.ZERO : Lsn.parse(confirmed),
                        row.getInt(4),
                        row.getString(5)));
            }
        }
    }

    /**
     * The slot, if the stream can go on from it.
     *
     * @throws Failure.Fatal if it is missing, lost or somebody else's
     */
    State require(Connection connection) throws SQLException {
        State state = read(connection)
                .orElseThrow(() -> hole("replication slot '%s' is missing in %s".formatted(name, source.address())));
        if (!state.lost().isEmpty()) {
            throw hole("replication slot '%s' in %s was given up by the server (%s): WAL that had not been read is gone"
                    .formatted(name, source.address(), state.lost()));
        }
        if (!state.plugin().equals("pgoutput") || !state.database().equals(source.database())) {
            throw new Failure.Fatal(
                    Stop.SETUP,
                    "replication slot '%s' belongs to database '%s' and plugin '%s', not to '%s' and 'pgoutput'"
                            .formatted(name, state.database(), state.plugin(), source.database()),
                    "give the lane another slot name in the configuration (lanes[].slot)");
        }
        return state;
    }

    /**
     * Whether everything after the checkpoint can still be read.
     *
     * @throws Failure.Fatal if the slot stands beyond {@code position}: what lies between was never sent to Kafka
     */
    void requireNotBeyond(State state, Lsn position) {
        if (state.confirmed().compareTo(position) > 0) {
            throw hole(
                    ("replication slot '%s' was moved by someone: it stands at %s, beyond the last checkpoint %s; the %d"
                                    + " bytes of WAL between were never captured")
                            .formatted(
                                    name,
                                    state.confirmed(),
                                    position,
                                    state.confirmed().bytesSince(position)));
        }
    }

    /**
     * For a lane without a checkpoint.
     *
     * @param state the slot before the checkpoint was looked for
     * @throws Failure.Fatal if there is a slot: it is not the lane's, or has a past that is lost
     */
    void requireUnused(Optional<State> state, String checkpointTopic) {
        if (state.isPresent()) {
            throw new Failure.Fatal(
                    Stop.HOLE,
                    "replication slot '%s' exists, but topic '%s' has no checkpoint of lane '%s'"
                            .formatted(name, checkpointTopic, lane),
                    ("if this lane has never run, drop the slot: SELECT pg_drop_replication_slot('%s'); if it has, its"
                                    + " checkpoint is lost: follow \"Starting a lane anew\" in docs/runbook.md")
                            .formatted(name));
        }
    }

    /** @throws Failure.Fatal if the lane was captured from another cluster, or on another timeline of it */
    void requireSameCluster(Checkpoint known, Cluster cluster) {
        if (!known.systemIdentifier().equals(cluster.systemIdentifier())) {
            throw new Failure.Fatal(
                    Stop.OTHER_SERVER,
                    "another cluster answers at %s: system identifier %s, but lane '%s' belongs to %s"
                            .formatted(source.address(), cluster.systemIdentifier(), lane, known.systemIdentifier()),
                    "point source.host and source.port at the cluster that the lane was started on");
        }
        if (known.timeline() != cluster.timeline()) {
            throw new Failure.Fatal(
                    Stop.OTHER_SERVER,
                    ("the source %s is on timeline %d, the lane was captured on timeline %d: a standby was promoted or a"
                                    + " backup restored")
                            .formatted(source.address(), cluster.timeline(), known.timeline()),
                    "changes may be missing: `sluice recover` has the mapped tables read again, \"Starting a lane anew\" in"
                            + " docs/runbook.md");
        }
    }

    /** Makes the slot; its position is the first at which the stream can begin. */
    Lsn create(Connection connection) throws SQLException {
        try (PreparedStatement create = connection.prepareStatement(
                "SELECT lsn FROM pg_catalog.pg_create_logical_replication_slot(?, 'pgoutput')")) {
            create.setString(1, name);
            try (ResultSet row = create.executeQuery()) {
                row.next();
                return Lsn.parse(row.getString(1));
            }
        }
    }

    /**
     * Moves the slot forward to exactly {@code position}. A crashed source may have moved it back: it saves slots
     * lazily.
     *
     * @throws Failure.Fatal if the slot stands beyond {@code position}: what lies between was never sent to Kafka
     */
    void advance(Connection connection, Lsn position) throws SQLException {
        State state = require(connection);
        requireNotBeyond(state, position);
        if (state.confirmed().equals(position)) {
            return;
        }
        try (PreparedStatement advance = connection.prepareStatement(
                "SELECT pg_catalog.pg_replication_slot_advance(?, ?::pg_lsn)")) {
            advance.setString(1, name);
            advance.setString(2, position.toString());
            advance.execute();
        }
    }

    /**
     * Called while this process's stream holds the slot: nobody else can move it now, so what it says is what the
     * stream began with.
     *
     * @throws Failure.Retryable if another capture had moved the slot on between reading the checkpoint and streaming
     */
    void requireStreamBeganAt(Connection connection, Lsn position) throws SQLException {
        State state = require(connection);
        if (!state.confirmed().equals(position)) {
            throw new Failure.Retryable(
                    ("replication slot '%s' stood at %s when the stream began, and not at the checkpoint %s: another capture"
                                    + " has used it")
                            .formatted(name, state.confirmed(), position),
                    null);
        }
    }

    private Failure.Fatal hole(String what) {
        return new Failure.Fatal(
                Stop.HOLE,
                what,
                "changes may be missing from here on: `sluice recover` has the mapped tables read again, \"Starting a lane"
                        + " anew\" in docs/runbook.md");
    }

    static Cluster cluster(Connection connection) throws SQLException {
        try (Statement query = connection.createStatement();
                ResultSet row = query.executeQuery(
                        "SELECT s.system_identifier::text, c.timeline_id"
                                + " FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c")) {
            row.next();
            return new Cluster(row.getString(1), row.getInt(2));
        }
    }
}
