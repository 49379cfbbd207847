package dev.sluice.apply;

import dev.sluice.apply.LetterTopic.Found;
import dev.sluice.apply.LetterTopic.Piece;
import dev.sluice.schemas.Headers;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.apache.kafka.common.header.Header;

/**
 * Brings letters from their topic back into the index, which has lost them. Nobody knows what has happened to their rows since, so
 * the lane does not write what they carry, but reads their rows from the source.
 *
 * <p>Every method runs in the caller's transaction.
 *
 * <p>Threads: one.
 */
public final class LetterReturn {
    private final LetterTopic topic;
    private final LetterReplay replay;

    private record Numbered(long epoch, long seq) {}

    /**
     * What a topic has.
     *
     * @param known letters that the index has, closed or not, and doubles
     * @param fresh letters that it lacks
     * @param others records that are no letters of the lane
     * @param run that the fresh ones are replayed by, if they were brought back and are any
     */
    public record Result(long known, long fresh, long others, OptionalLong run) {}

    public LetterReturn(LetterTopic topic, String who) {
        this.topic = topic;
        this.replay = new LetterReplay(List.of(topic.lane()), who);
    }

    /** @param isExecuted whether letters that the index lacks are brought back and their replay is asked for */
    public Result read(Connection target, boolean isExecuted) throws SQLException {
        long known = 0;
        long others = 0;
        List<Long> ids = new ArrayList<>();
        Set<Numbered> fresh = new HashSet<>();
        for (Optional<Piece> piece = topic.next(); piece.isPresent(); piece = topic.next()) {
            others += piece.get().others();
            Set<Numbered> indexed = indexed(target, piece.get().letters());
            for (Found letter : piece.get().letters()) {
                Numbered number = new Numbered(letter.epoch(), letter.seq());
                if (indexed.contains(number) || !fresh.add(number)) {
                    known++;
                } else if (isExecuted) {
                    insert(target, letter).ifPresent(ids::add);
                }
            }
        }
        return new Result(
                known,
                fresh.size(),
                others,
                ids.isEmpty() ? OptionalLong.empty() : OptionalLong.of(replay.request(target, topic.lane(), ids)));
    }

    private Set<Numbered> indexed(Connection target, List<Found> letters) throws SQLException {
        Set<Numbered> indexed = new HashSet<>();
        try (PreparedStatement query = target.prepareStatement(
                """
                SELECT epoch, seq FROM sluice.dead_letter
                WHERE lane = ? AND (epoch, seq) IN (SELECT * FROM unnest(?::bigint[], ?::bigint[]))""")) {
            query.setString(1, topic.lane());
            query.setArray(2, target.createArrayOf("bigint", letters.stream().map(Found::epoch).toArray()));
            query.setArray(3, target.createArrayOf("bigint", letters.stream().map(Found::seq).toArray()));
            try (ResultSet row = query.executeQuery()) {
                while (row.next()) {
                    indexed.add(new Numbered(row.getLong(1), row.getLong(2)));
                }
            }
        }
        return indexed;
    }

    /** Empty if the lane has just put it there itself. */
    private Optional<Long> insert(Connection target, Found letter) throws SQLException {
        try (PreparedStatement insert = target.prepareStatement(
                """
                INSERT INTO sluice.dead_letter (
                  lane, state, source_schema, source_table, kind, key_columns, key, old_key, key_hash, old_key_hash,
                  error_class, sqlstate, constraint_name, message, attempts, first_failed_at, last_failed_at,
                  epoch, seq, lsn, xid, topic, partition, record_offset, letter_partition, letter_offset,
                  record_key, record_value, old_record_key, is_from_topic)
                VALUES (?, 'open', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?::timestamptz, ?::timestamptz, ?, ?, ?::pg_lsn, ?, ?, ?, ?,
                  ?, ?, ?, ?, ?, true)
                ON CONFLICT DO NOTHING RETURNING id""")) {
            bind(target, insert, letter);
            try (ResultSet row = insert.executeQuery()) {
                return row.next() ? Optional.of(row.getLong(1)) : Optional.empty();
            }
        }
    }

    private void bind(Connection target, PreparedStatement insert, Found letter) throws SQLException {
        int parameter = 1;
        insert.setString(parameter++, topic.lane());
        insert.setString(parameter++, letter.table().schema());
        insert.setString(parameter++, letter.table().table());
        insert.setString(parameter++, letter.kind());
        insert.setArray(parameter++, target.createArrayOf("text", letter.keyColumns().toArray()));
        List<Optional<List<String>>> keys = List.of(Optional.ofNullable(letter.key()), Optional.ofNullable(letter.oldKey()));
        for (Optional<List<String>> key : keys) {
            insert.setArray(parameter++, key.isEmpty() ? null : target.createArrayOf("text", key.get().toArray()));
        }
        for (Optional<List<String>> key : keys) {
            insert.setObject(
                    parameter++,
                    key.map(values -> DeadLetterStore.hash(letter.table(), values)).orElse(null),
                    Types.BIGINT);
        }
        insert.setString(parameter++, letter.errorClass());
        insert.setString(parameter++, letter.sqlstate());
        insert.setString(parameter++, letter.constraint());
        insert.setString(parameter++, letter.message());
        insert.setInt(parameter++, letter.attempts());
        insert.setString(parameter++, letter.firstFailed().toString());
        insert.setString(parameter++, letter.lastFailed().toString());
        insert.setLong(parameter++, letter.epoch());
        insert.setLong(parameter++, letter.seq());
        insert.setString(parameter++, letter.lsn());
        insert.setLong(parameter++, letter.xid());
        insert.setString(parameter++, letter.place().topic());
        insert.setInt(parameter++, letter.place().partition());
        insert.setLong(parameter++, letter.offset());
        insert.setInt(parameter++, letter.record().partition());
        insert.setLong(parameter++, letter.record().offset());
        insert.setBytes(parameter++, letter.record().key());
        insert.setBytes(parameter++, letter.record().value());
        Optional<byte[]> old = Optional.ofNullable(letter.record().headers().lastHeader(Headers.OLD_KEY))
                .map(Header::value);
        insert.setBytes(parameter, old.orElse(null));
    }
}
