package dev.sluice.capture;

import dev.sluice.config.LaneConfig;
import dev.sluice.schemas.Lsn;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;

/**
 * How far the source is and what it keeps for a lane, for a person; nothing is changed.
 *
 * @param current where the source writes
 * @param state of the slot
 * @param confirmed the slot stands here; {@link Lsn#ZERO} without a slot
 * @param restart WAL is kept from here on; {@link Lsn#ZERO} if none is
 */
public record SlotStatus(Lsn current, State state, Lsn confirmed, Lsn restart) {

    /** What becomes of the slot. */
    public enum State {
        /** A capture streams from it. */
        ACTIVE,
        INACTIVE,
        /** The server has given it up. */
        LOST,
        MISSING
    }

    public static SlotStatus read(Connection source, LaneConfig lane) throws SQLException {
        try (PreparedStatement query = source.prepareStatement(
                """
                SELECT pg_catalog.pg_current_wal_lsn()::text,
                       CASE WHEN s.slot_name IS NULL THEN 'MISSING'
                            WHEN s.wal_status = 'lost' OR to_jsonb(s) ->> 'invalidation_reason' IS NOT NULL THEN 'LOST'
                            WHEN s.active THEN 'ACTIVE' ELSE 'INACTIVE' END,
                       coalesce(s.confirmed_flush_lsn, '0/0')::text, coalesce(s.restart_lsn, '0/0')::text
                FROM (VALUES (?)) AS lane (slot)
                LEFT JOIN pg_catalog.pg_replication_slots s ON s.slot_name = lane.slot""")) {
            query.setString(1, lane.slot());
            try (ResultSet row = query.executeQuery()) {
                row.next();
                return new SlotStatus(
                        Lsn.parse(row.getString(1)),
                        State.valueOf(row.getString(2)),
                        Lsn.parse(row.getString(3)),
                        Lsn.parse(row.getString(4)));
            }
        }
    }
}
