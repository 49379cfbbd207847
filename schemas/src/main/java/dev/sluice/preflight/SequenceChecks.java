package dev.sluice.preflight;

import dev.sluice.config.LaneConfig;
import dev.sluice.config.TableMapping;
import dev.sluice.process.Finding;
import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * Sequences that fill columns of mapped tables, owned or used in a default. The stream does not move them, so one in the
 * target stays where it is and would hand out values at the cutover that rows have already.
 */
final class SequenceChecks {
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

    private final Connection source;
    private final Connection target;
    private final LaneConfig lane;
    private final Findings inSource = new Findings("source");
    private final Findings inTarget = new Findings("target");

    SequenceChecks(Connection source, Connection target, LaneConfig lane) {
        this.source = source;
        this.target = target;
        this.lane = lane;
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

    /** Findings of both sides. */
    List<Finding> findings() throws SQLException {
        List<Use> sources = read(source, inSource, lane.tables().stream().map(TableMapping::source).toList());
        List<Use> targets = read(target, inTarget, lane.tables().stream().map(TableMapping::target).toList());
        Map<TableId, TableMapping> bySource = new HashMap<>();
        lane.tables().forEach(mapping -> bySource.put(mapping.source(), mapping));
        Map<TableId, Use> uses = new LinkedHashMap<>();
        Map<TableId, Long> wanted = new HashMap<>();
        for (Use use : targets) {
            uses.put(use.sequence(), use);
            Long further = use.isIndexed() ? furthest(use) : null;
            for (Use other : sources) {
                TableMapping mapping = bySource.get(other.table());
                if (mapping.target().equals(use.table()) && !mapping.exclude().contains(other.column())
                        && mapping.targetColumn(other.column()).equals(use.column())) {
                    further = use.further(further, other.last());
                }
            }
            wanted.put(use.sequence(), use.further(wanted.get(use.sequence()), further));
        }
        uses.forEach((sequence, use) -> compare(use, wanted.get(sequence)));
        return Stream.concat(inSource.list().stream(), inTarget.list().stream()).toList();
    }

    private void compare(Use use, Long wanted) {
        if (use.mayRead() && wanted != null && !Objects.equals(use.further(use.last(), wanted), use.last())) {
            inTarget.warning(
                    "sequence " + use.sequence(),
                    "is behind the values of %s.%s; the stream moves no sequences".formatted(use.table(), use.column()),
                    "at the cutover, when nobody writes to the source any more: SELECT pg_catalog.setval(%s, %d);"
                            .formatted(Sql.literal(use.sequence().quoted()), wanted));
        }
    }

    private Long furthest(Use use) throws SQLException {
        return Sql.one(
                target,
                "SELECT %s(%s)::bigint FROM %s".formatted(
                        use.ascends() ? "max" : "min", TableId.quote(use.column()), use.table().quoted()),
                row -> (Long) row.getObject(1));
    }

    private static List<Use> read(Connection connection, Findings findings, Collection<TableId> tables) throws SQLException {
        String role = TableId.quote(connection.getMetaData().getUserName());
        List<Use> uses = Sql.list(
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
        uses.stream().filter(use -> !use.mayRead()).forEach(use -> findings.warning(
                "sequence " + use.sequence(),
                "the role may not read it, so it is not compared",
                "GRANT SELECT ON SEQUENCE %s TO %s;".formatted(use.sequence().quoted(), role)));
        return uses;
    }
}
