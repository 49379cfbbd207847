package dev.sluice.preflight;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Compares the sequences that fill columns of mapped tables, owned or used in a default. The stream does not move them, so
 * one in the target stays where it is and would hand out values at the cutover that rows have already.
 *
 * @param compared how many sequences of the target were looked at
 * @param behind those that the source's sequence or the largest value of the column has passed
 * @param unreadableAtSource those that the role may not read there
 * @param unreadableInTarget the same in the target
 */
public record SequenceComparison(
        int compared, List<Behind> behind, List<TableId> unreadableAtSource, List<TableId> unreadableInTarget) {
    private static final String QUERY =
            """
            WITH used AS (
                SELECT d.refobjid AS relid, d.refobjsubid AS attnum, d.objid AS sequence
                FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
                  AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
                UNION
                SELECT f.adrelid, f.adnum, d.refobjid
                FROM pg_catalog.pg_attrdef f
                JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid = f.oid
                    AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'n')
            SELECT n.nspname, c.relname, a.attname, sn.nspname, s.relname, q.seqincrement > 0,
                   pg_catalog.has_sequence_privilege(s.oid, 'SELECT, USAGE'),
                   CASE WHEN pg_catalog.has_sequence_privilege(s.oid, 'SELECT, USAGE')
                        THEN pg_catalog.pg_sequence_last_value(s.oid::regclass) END,
                   a.atttypid IN (20, 21, 23) AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
                       AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                       AND EXISTS (SELECT FROM pg_catalog.pg_index i
                                   WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL AND i.indkey[0] = a.attnum)
            """
                    + Sql.OF_TABLES
                    + """
            JOIN used ON used.relid = c.oid
            JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = used.attnum
            JOIN pg_catalog.pg_class s ON s.oid = used.sequence AND s.relkind = 'S'
            JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
            JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
            ORDER BY 1, 2, a.attnum
            """;

    /**
     * A sequence that would hand out values which the source has given, or which rows have.
     *
     * @param wanted where it has to stand
     */
    public record Behind(TableId sequence, TableId table, String column, long wanted) {
        public String problem() {
            return "is behind the values of %s.%s; the stream moves no sequences".formatted(table, column);
        }

        /** SQL for the target. */
        public String cure() {
            return "SELECT pg_catalog.setval(%s, %d);".formatted(Sql.literal(sequence.quoted()), wanted);
        }
    }

    /**
     * @param last null if it has given no value yet, or may not be read
     * @param isIndexed the column's largest value can be asked for without reading the table
     */
    private record Use(
            TableId table, String column, TableId sequence, boolean ascends, boolean mayRead, Long last, boolean isIndexed) {
        /** The value that lies further along, null being nowhere. */
        Long further(Long one, Long other) {
            return Stream.of(Optional.ofNullable(one), Optional.ofNullable(other))
                    .flatMap(Optional::stream)
                    .reduce(ascends ? Math::max : Math::min)
                    .orElse(null);
        }
    }

    /** Reads both sides; nothing is changed. */
    public static SequenceComparison of(Connection source, Connection target, LaneConfig lane) throws SQLException {
        List<Use> sources = read(source, lane.tables().stream().map(TableMapping::source).toList());
        List<Use> targets = read(target, lane.tables().stream().map(TableMapping::target).toList());
        Map<TableId, TableMapping> bySource = new HashMap<>();
        lane.tables().forEach(mapping -> bySource.put(mapping.source(), mapping));
        Map<TableId, Use> uses = new LinkedHashMap<>();
        Map<TableId, Long> wanted = new HashMap<>();
        for (Use use : targets) {
            uses.put(use.sequence(), use);
            Long further = use.isIndexed() ? furthest(target, use) : null;
            for (Use other : sources) {
                TableMapping mapping = bySource.get(other.table());
                if (mapping.target().equals(use.table()) && !mapping.exclude().contains(other.column())
                        && mapping.targetColumn(other.column()).equals(use.column())) {
                    further = use.further(further, other.last());
                }
            }
            wanted.put(use.sequence(), use.further(wanted.get(use.sequence()), further));
        }
        List<Behind> behind = new ArrayList<>();
        uses.forEach((sequence, use) -> {
            Long due = wanted.get(sequence);
            if (use.mayRead() && due != null && !Objects.equals(use.further(use.last(), due), use.last())) {
                behind.add(new Behind(sequence, use.table(), use.column(), due));
            }
        });
        return new SequenceComparison(uses.size(), behind, unreadable(sources), unreadable(targets));
    }

    private static List<TableId> unreadable(List<Use> uses) {
        return uses.stream().filter(use -> !use.mayRead()).map(Use::sequence).distinct().toList();
    }

    private static Long furthest(Connection target, Use use) throws SQLException {
        return Sql.one(
                target,
                "SELECT %s(%s)::bigint FROM %s".formatted(
                        use.ascends() ? "max" : "min", TableId.quote(use.column()), use.table().quoted()),
                row -> (Long) row.getObject(1));
    }

    private static List<Use> read(Connection connection, Collection<TableId> tables) throws SQLException {
        return Sql.list(
                connection,
                QUERY,
                row -> new Use(
                        Sql.table(row, 1),
                        row.getString(3),
                        Sql.table(row, 4),
                        row.getBoolean(6),
                        row.getBoolean(7),
                        (Long) row.getObject(8),
                        row.getBoolean(9)),
                Sql.schemas(tables),
                Sql.names(tables));
    }
}
