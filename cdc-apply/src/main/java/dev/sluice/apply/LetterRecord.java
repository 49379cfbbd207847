package dev.sluice.apply;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.Optional;

/**
 * The record of a dead letter, with its places, and how it was edited.
 *
 * @param seq its number in the lane's {@code epoch}; both 0 if it has none, since somebody else wrote it
 * @param lsn its place in the source's log, empty if it has none
 * @param letterPlace partition and offset in the dead-letter topic, {@code 0@17}; empty if it is not known
 * @param isFromTopic it was brought back from the dead-letter topic
 * @param value as Kafka had it, null if it had none
 * @param edited the value in its place
 */
public record LetterRecord(
        long epoch,
        long seq,
        String lsn,
        long xid,
        String topic,
        int partition,
        long offset,
        String letterPlace,
        boolean isFromTopic,
        byte[] value,
        Optional<Edit> edited) {

    /** The last edit; {@code sluice.audit} has those before it. */
    public record Edit(byte[] value, String by, String reason, Instant at) {}

    /** What is replayed. */
    public byte[] current() {
        return edited.map(Edit::value).orElse(value);
    }

    /** @param id of a letter that is there */
    public static LetterRecord read(Connection target, long id) throws SQLException {
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT epoch, seq, lsn::text, xid, topic, partition, record_offset, letter_partition || '@' || letter_offset,
                  is_from_topic, record_value, edited_value, edited_by, edited_reason, edited_at
                FROM sluice.dead_letter WHERE id = ?""")) {
            query.setLong(1, id);
            try (ResultSet row = query.executeQuery()) {
                row.next();
                return new LetterRecord(
                        row.getLong(1),
                        row.getLong(2),
                        Optional.ofNullable(row.getString(3)).orElse(""),
                        row.getLong(4),
                        row.getString(5),
                        row.getInt(6),
                        row.getLong(7),
                        Optional.ofNullable(row.getString(8)).orElse(""),
                        row.getBoolean(9),
                        row.getBytes(10),
                        row.getBytes(11) == null
                                ? Optional.empty()
                                : Optional.of(new Edit(
                                        row.getBytes(11),
                                        row.getString(12),
                                        row.getString(13),
                                        DeadLetters.instant(row, 14))));
            }
        }
    }
}
