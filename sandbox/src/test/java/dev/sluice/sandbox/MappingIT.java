package dev.sluice.sandbox;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sluice.config.TableMapping;
import dev.sluice.schemas.TableId;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Tables as applications have them, and mappings between them: whatever the source commits, the target has it in the end,
 * in its own shape. One pipeline carries all cases; after each, both sides are equal.
 *
 * <p>Statements between semicolons are one transaction.
 */
class MappingIT {
    private static ThreeServers servers;
    private static InProcessPipeline pipeline;

    @BeforeAll
    static void startPipeline() {
        servers = SharedServers.take();
        TestDatabase source = TestDatabase.create(servers.source(), "mapping");
        TestDatabase target = TestDatabase.create(servers.target(), "mapping");
        source.execute(SqlScript.text("mapping-both.sql") + SqlScript.text("mapping-source.sql"));
        target.execute(SqlScript.text("mapping-both.sql") + SqlScript.text("mapping-target.sql"));
        pipeline = new InProcessPipeline(
                servers.config("mapping", source.config("source"), target.config("target"), tables(source)), source, target);
        pipeline.start();
        pipeline.awaitApplied();
    }

    private static List<TableMapping> tables(TestDatabase source) {
        List<TableMapping> tables = new ArrayList<>();
        Map<String, String> constants = Map.of("origin", "it's the \"monolith\"", "imported_on", "2026-01-31", "tenant", "7");
        tables.add(mapping(
                "legacy.cust_order",
                "sales.orders",
                Map.of("id", "order_id", "cust_id", "customer_id", "amount", "total"),
                Set.of("internal_note", "shouted"),
                constants));
        tables.add(mapping(
                "legacy.line",
                "sales.Order Line",
                Map.of("order_id", "orderId", "line_no", "lineNo", "qty", "quantity"),
                Set.of(),
                Map.of("tenant", "7")));
        source.tables().stream()
                .filter(table -> !table.schema().equals("legacy"))
                .forEach(table -> tables.add(TableMapping.identity(table, ThreeServers.LANE)));
        return tables;
    }

    private static TableMapping mapping(
            String source, String target, Map<String, String> rename, Set<String> exclude, Map<String, String> constants) {
        return new TableMapping(
                TableId.parse(source), TableId.parse(target), ThreeServers.LANE, rename, exclude, constants);
    }

    @AfterAll
    static void stopPipeline() {
        if (pipeline != null) {
            pipeline.close();
        }
        SharedServers.empty();
    }

    @AfterEach
    void bothSidesAreEqual() {
        pipeline.requireEqual();
    }

    private static void commit(String transaction) {
        pipeline.source().execute(transaction);
    }

    // ---- mappings

    @Test
    void renamedExcludedAndConstantColumns() {
        commit("INSERT INTO legacy.cust_order VALUES (repeat('n', 5000), 1, 11, 9.99, 'new', repeat('l', 5000)), (NULL, 2, NULL, NULL, NULL, NULL)");
        commit("INSERT INTO legacy.line VALUES (1, 1, 5), (1, 2, NULL), (2, 1, 0)");
        pipeline.awaitApplied();
        pipeline.target().execute("UPDATE sales.orders SET touched = 42");

        commit("UPDATE legacy.cust_order SET amount = 10, state = NULL WHERE id = 1"); // long_note is not sent
        commit("UPDATE legacy.cust_order SET internal_note = 'other' WHERE id = 1");
        commit("UPDATE legacy.line SET qty = qty + 1");
        pipeline.awaitApplied();
        assertThat(pipeline.target().ask("SELECT string_agg(touched::text, ' ') FROM sales.orders")).isEqualTo("42 42");

        commit("DELETE FROM legacy.line WHERE order_id = 2; UPDATE legacy.cust_order SET id = 3, cust_id = 12 WHERE id = 2");
        commit("INSERT INTO legacy.cust_order (id) VALUES (4); UPDATE legacy.cust_order SET id = 5 WHERE id = 4");
        commit("UPDATE legacy.cust_order SET id = 6, amount = 1 WHERE id = 5; DELETE FROM legacy.cust_order WHERE id = 3");
        pipeline.requireEqual();
        assertThat(pipeline.target().ask("SELECT string_agg(DISTINCT origin || imported_on || tenant, ' ') FROM sales.orders"))
                .isEqualTo("it's the \"monolith\"2026-01-317");
    }

    @Test
    void namesThatMeanSomethingElse() {
        for (int user = 1; user <= 3; user++) {
            commit("INSERT INTO \"Select\".\"Order\" VALUES (%d, 'u%d', '2026-01-01', 1, 's', 'q', 'd', 'ü', 'c0', 'u', 't', 'o1', 'old', 'e', 'a', 'op', 'id')"
                    .formatted(user, user));
        }
        commit("UPDATE \"Select\".\"Order\" SET \"camelCase\" = 2, \"with space\" = NULL, \"quote\"\"d\" = '\"', \"dot.ted\" = '.', \"ünïcödé\" = '😀'");
        commit("UPDATE \"Select\".\"Order\" SET \"user\" = 'U1', u = 'uu', t = 'tt', old = NULL WHERE \"group\" = 1");
        commit("DELETE FROM \"Select\".\"Order\" WHERE \"group\" = 2");
        for (String table : List.of("\"table.with.dots\"", "\"a$b (c) [d]* e+f?\"", "\"Ünïcödé 😀\"")) {
            commit("INSERT INTO \"odd.schema\".%s VALUES (1, 'a'), (2, 'b'), (3, 'c')".formatted(table));
            commit("UPDATE \"odd.schema\".%s SET v = 'x' WHERE id = 1; UPDATE \"odd.schema\".%s SET id = 4 WHERE id = 2".formatted(table, table));
            commit("DELETE FROM \"odd.schema\".%s WHERE id = 3".formatted(table));
        }
    }

    // ---- keys

    @Test
    void aUniqueIndexAsReplicaIdentity() {
        commit("INSERT INTO keys.by_index VALUES ('v', 'a', 1, repeat('x', 5000)), ('v', 'b', 1, NULL), ('v', 'c', 2, '')");
        commit("UPDATE keys.by_index SET v = 'w'");
        commit("UPDATE keys.by_index SET area = 3, v = NULL WHERE code = 'a'");
        commit("DELETE FROM keys.by_index WHERE code = 'b'");
    }

    @Test
    void theWholeOldRowAsReplicaIdentity() {
        commit("INSERT INTO keys.full_row VALUES (1, 'a', repeat('x', 5000), 1.50), (2, NULL, NULL, 'NaN'), (3, '', repeat('y', 5000), 0)");
        commit("UPDATE keys.full_row SET v = 'b'");
        commit("UPDATE keys.full_row SET id = id + 10");
        commit("DELETE FROM keys.full_row WHERE id = 12");
    }

    @Test
    void aTableThatIsAllKey() {
        commit("INSERT INTO keys.only VALUES (1, ''), (1, 'x'), (2, 'x')");
        commit("DELETE FROM keys.only WHERE a = 2; INSERT INTO keys.only VALUES (2, 'x'), (3, 'y')");
        commit("UPDATE keys.only SET b = 'z' WHERE a = 1 AND b = ''");
    }

    @Test
    void keysThatAreEqualThoughWrittenDifferently() {
        commit("INSERT INTO keys.by_numeric VALUES (1.0, 'a'), (2, 'b'), ('NaN', 'c')");
        commit("UPDATE keys.by_numeric SET id = 1.00, v = 'x' WHERE id = 1; UPDATE keys.by_numeric SET v = 'y' WHERE id = 1");
        commit("DELETE FROM keys.by_numeric WHERE id = 2; INSERT INTO keys.by_numeric VALUES (2.000, 'again')");
        commit("INSERT INTO keys.by_citext VALUES ('Key', 'a'), ('other', 'b')");
        commit("UPDATE keys.by_citext SET id = 'KEY', v = 'x' WHERE id = 'key'; DELETE FROM keys.by_citext WHERE id = 'OTHER'");
        commit("DELETE FROM keys.by_citext WHERE id = 'key'; INSERT INTO keys.by_citext VALUES ('kEy', 'new')");
        commit("INSERT INTO keys.by_char VALUES ('a', '1'), ('b    ', '2')");
        commit("UPDATE keys.by_char SET v = 'x' WHERE id = 'a'; DELETE FROM keys.by_char WHERE id = 'b'");
    }

    @Test
    void aKeyOfManyTypes() {
        commit(
                """
                INSERT INTO keys.by_many VALUES
                  (true, 0.1, '2026-01-01 00:00:00.000001+00', '00000000-0000-0000-0000-000000000001', '\\x00ff', '2026-01-01', 'a'),
                  (false, 'NaN', 'infinity', '00000000-0000-0000-0000-000000000002', '', '-infinity', 'b'),
                  (false, '-Infinity', '0044-03-15 12:00:00 BC', '00000000-0000-0000-0000-000000000003', '\\x5c', '4713-01-01 BC', 'c')""");
        commit("UPDATE keys.by_many SET v = v || v");
        commit("UPDATE keys.by_many SET f = 1e-300, d = 'infinity' WHERE v = 'bb'; DELETE FROM keys.by_many WHERE v = 'cc'");
    }

    @Test
    void changedKeysInEveryOrder() {
        commit("INSERT INTO constrained.shifted SELECT n, 'v' || n FROM generate_series(300, 1, -1) AS n");
        commit("INSERT INTO constrained.shifted_child SELECT n, n FROM generate_series(1, 300, 10) AS n");
        commit("UPDATE constrained.shifted SET id = id + 1");
        commit("UPDATE constrained.shifted SET id = -1 WHERE id = 2; UPDATE constrained.shifted SET id = 2 WHERE id = 3; UPDATE constrained.shifted SET id = 3 WHERE id = -1");
        commit("INSERT INTO constrained.shifted VALUES (1000, 'a'); UPDATE constrained.shifted SET id = 1001 WHERE id = 1000; UPDATE constrained.shifted SET id = 1002, v = 'b' WHERE id = 1001");
        commit("UPDATE constrained.shifted SET id = 1000 WHERE id = 1002; INSERT INTO constrained.shifted VALUES (1002, 'c'); DELETE FROM constrained.shifted WHERE id = 1000");
        commit("DELETE FROM constrained.shifted WHERE id = 1002; INSERT INTO constrained.shifted VALUES (1002, 'd')");
        commit("DELETE FROM constrained.shifted WHERE id = 1002; INSERT INTO constrained.shifted VALUES (1003, 'e'); UPDATE constrained.shifted SET id = 1002 WHERE id = 1003");
        commit("INSERT INTO constrained.shifted VALUES (1004, 'f'); DELETE FROM constrained.shifted WHERE id = 1004");
    }

    @Test
    void keysThatAreDoubledInsideOfATransaction() {
        commit("INSERT INTO deferred.seat SELECT n, 'v' || n, n FROM generate_series(1, 300) AS n");
        commit("UPDATE deferred.seat SET number = number + 1");
        commit("UPDATE deferred.seat SET id = id + 1");
        commit("UPDATE deferred.seat SET id = id - 1, number = number - 1, v = v || v");
        commit("UPDATE deferred.seat SET id = id + 1 WHERE id > 100; DELETE FROM deferred.seat WHERE id > 200; UPDATE deferred.seat SET id = id - 1 WHERE id > 100");
    }

    // ---- columns

    @Test
    void columnsThatTheServerFills() {
        commit("INSERT INTO filled.always (v, toast) VALUES ('a', repeat('x', 5000)), ('b', NULL), ('c', repeat('y', 5000))");
        commit("UPDATE filled.always SET v = 'z' WHERE id = 1; UPDATE filled.always SET id = DEFAULT WHERE id = 3");
        commit("DELETE FROM filled.always WHERE id = 2");
        commit("INSERT INTO filled.by_default (v) VALUES ('a'), ('b')");
        commit("INSERT INTO filled.by_default (id, n, v) OVERRIDING SYSTEM VALUE VALUES (100, 200, 'c')");
        commit("UPDATE filled.by_default SET id = id + 1000, v = 'x'");
        commit("INSERT INTO filled.computed (id, v) VALUES (1, 'a'), (2, NULL)");
        commit("UPDATE filled.computed SET v = 'bcd', id = 3 WHERE id = 1; UPDATE filled.computed SET v = 'x' WHERE id = 2");
    }

    @Test
    void nullsInColumnsWithDefaults() {
        commit("INSERT INTO filled.defaults (v, n, at, j, b) VALUES (NULL, NULL, NULL, NULL, NULL), ('v', 1, '2026-01-01', '[]', false)");
        commit("INSERT INTO filled.defaults DEFAULT VALUES");
        commit("UPDATE filled.defaults SET v = NULL, n = NULL, at = NULL, j = 'null', b = NULL WHERE id > 1");
    }

    @Test
    void threeHundredColumns() {
        commit("INSERT INTO types.wide (id, c0, c299) SELECT n, n, n FROM generate_series(1, 50) AS n");
        commit("UPDATE types.wide SET c150 = id");
    }

    @Test
    void valuesOutOfLineThatAreNotSentAgain() {
        commit("INSERT INTO toasted.document SELECT n, 't', repeat('b', 9000), decode(repeat('00ff', 4000), 'hex'), jsonb_build_object('k', repeat('j', 9000)) FROM generate_series(1, 5) AS n");
        commit("UPDATE toasted.document SET title = 'u'");
        commit("UPDATE toasted.document SET title = 'v', body = repeat('c', 9000) WHERE id = 1; UPDATE toasted.document SET extra = '{}' WHERE id = 1; UPDATE toasted.document SET title = 'w' WHERE id = 1");
        commit("UPDATE toasted.document SET id = id + 10 WHERE id < 3");
        commit("UPDATE toasted.document SET id = 30, title = 'x' WHERE id = 11; UPDATE toasted.document SET title = 'y' WHERE id = 30");
        commit("INSERT INTO toasted.document SELECT 20, 't', repeat('d', 9000), NULL, NULL; UPDATE toasted.document SET title = 'z' WHERE id = 20; UPDATE toasted.document SET id = 21 WHERE id = 20");
        commit("DELETE FROM toasted.document WHERE id = 21; INSERT INTO toasted.document VALUES (21, 'new'); UPDATE toasted.document SET body = NULL WHERE id = 12");
        commit("UPDATE toasted.document SET title = 'unchanged', body = 'absent' WHERE id = 4");
        commit("UPDATE toasted.document SET title = '__debezium_unavailable_value', body = '__debezium_unavailable_value' WHERE id = 5");
    }

    // ---- constraints

    @Test
    void rowsThatReferToLaterOnes() {
        commit("INSERT INTO constrained.node VALUES (1, 2, 'a'), (2, 3, 'b'), (3, NULL, 'c')");
        commit("UPDATE constrained.node SET parent = CASE id WHEN 1 THEN NULL ELSE id - 1 END");
        commit("DELETE FROM constrained.node WHERE id IN (1, 2, 3)");
        commit("INSERT INTO constrained.hen VALUES (1, 1), (2, 2); INSERT INTO constrained.egg VALUES (1, 1), (2, 2)");
        commit("UPDATE constrained.hen SET egg = 3 - egg; UPDATE constrained.egg SET hen = 3 - hen");
        commit("DELETE FROM constrained.hen; DELETE FROM constrained.egg");
    }

    @Test
    void rowsThatReferToLaterOnesInATransactionLargerThanABatch() {
        commit("INSERT INTO constrained.node SELECT n, nullif(n + 1, 2201), 'x' FROM generate_series(1001, 2200) AS n");
        commit("UPDATE constrained.node SET v = 'y' WHERE id > 1000");
        commit("DELETE FROM constrained.node WHERE id > 1000");
    }

    @Test
    void uniqueValuesThatChangeHands() {
        commit("INSERT INTO constrained.holder SELECT n, 'c' || n, n FROM generate_series(1, 300) AS n");
        commit("UPDATE constrained.holder SET code = 'temp' WHERE id = 1; UPDATE constrained.holder SET code = 'c1' WHERE id = 2; UPDATE constrained.holder SET code = 'c2' WHERE id = 1");
        commit("UPDATE constrained.holder SET place = 301 - place");
        commit("DELETE FROM constrained.holder WHERE id = 3; INSERT INTO constrained.holder VALUES (1003, 'c3', 1003)");
        commit("UPDATE constrained.holder SET code = NULL WHERE id = 5; UPDATE constrained.holder SET code = 'c5', id = 1006 WHERE id = 6");
        commit("INSERT INTO constrained.booking SELECT n, 1, int4range(n, n + 1) FROM generate_series(1, 50) AS n");
        commit("DELETE FROM constrained.booking WHERE id = 1; UPDATE constrained.booking SET during = '[1,3)' WHERE id = 2");
        commit("UPDATE constrained.booking SET room = 2 WHERE id = 3; UPDATE constrained.booking SET during = '[3,5)' WHERE id = 4; UPDATE constrained.booking SET room = 1, during = '[100,101)' WHERE id = 3");
    }

    @Test
    void rowsThatMoveAwayBeforeTheirParentIsDeletedWithAllItsOwn() {
        commit("INSERT INTO constrained.grandparent VALUES (1, 'a'), (2, 'b'), (3, 'c')");
        commit("INSERT INTO constrained.parent VALUES (1, 1), (2, 1), (3, 2); INSERT INTO constrained.child VALUES (1, 1, 1, 'a'), (2, 2, 2, 'b'), (3, 3, 3, 'c'), (4, NULL, 1, 'd'), (5, 1, NULL, 'kept')");
        pipeline.awaitApplied();

        commit("UPDATE constrained.parent SET grandparent = 2 WHERE id = 1; DELETE FROM constrained.grandparent WHERE id = 1");
        commit("UPDATE constrained.grandparent SET id = 20 WHERE id = 2; UPDATE constrained.parent SET id = 30 WHERE id = 3");
        commit("DELETE FROM constrained.grandparent WHERE id = 3; INSERT INTO constrained.grandparent VALUES (3, 'again')");
        commit("DELETE FROM constrained.parent WHERE id = 30; INSERT INTO constrained.parent VALUES (30, 3); INSERT INTO constrained.child VALUES (3, 30, NULL, 'e')");
    }

    @Test
    void truncatedTables() {
        commit("INSERT INTO keys.only VALUES (50, 'truncated'); TRUNCATE keys.only; INSERT INTO keys.only VALUES (51, 'kept')");
        commit("INSERT INTO constrained.grandparent VALUES (50, 'a'); INSERT INTO constrained.parent VALUES (50, 50); INSERT INTO constrained.child VALUES (50, 50, 50, 'a')");
        commit("INSERT INTO constrained.holder VALUES (2001, 'x'), (2002, 'y'); UPDATE constrained.holder SET code = 't' WHERE id = 2001; UPDATE constrained.holder SET code = 'x' WHERE id = 2002; UPDATE constrained.holder SET code = 'y' WHERE id = 2001; TRUNCATE constrained.grandparent CASCADE; INSERT INTO constrained.grandparent VALUES (51, 'b')");
        commit("INSERT INTO constrained.parent VALUES (51, 51); TRUNCATE constrained.parent, constrained.child, filled.defaults RESTART IDENTITY; INSERT INTO filled.defaults DEFAULT VALUES");
        commit("INSERT INTO parts.event VALUES (50, 'north', '2026-05-05', 'v'); TRUNCATE parts.event CASCADE");
    }

    @Test
    void rowsThatMoveBetweenPartitions() {
        commit("INSERT INTO parts.event SELECT n, (ARRAY['north', 'south', 'east'])[1 + n % 3], date '2025-12-25' + n, 'v' || n, repeat('t', 5000) FROM generate_series(1, 30) AS n");
        commit("INSERT INTO parts.note SELECT id, id, region, at FROM parts.event WHERE id % 2 = 0");
        commit("UPDATE parts.event SET v = 'same partition'");
        commit("UPDATE parts.event SET region = 'south' WHERE id % 5 = 1");
        commit("UPDATE parts.event SET at = at + 10, v = NULL WHERE region = 'north'");
        commit("UPDATE parts.event SET id = id + 100, region = 'west' WHERE id % 7 = 0");
        commit("DELETE FROM parts.event WHERE id % 4 = 0");
    }

    // ---- types

    @Test
    void everyTypeAtItsEnds() {
        commit(
                """
                INSERT INTO types.every VALUES (
                  1,
                  -32768, -2147483648, -9223372036854775808, 'NaN', 1.5, 12345, '-0', 'NaN', '-92233720368547758.08',
                  true, E'quote \\' double " back \\\\ tab \\t newline \\n brace { } comma , \\u0001 é 😀 \\ufeff', 'a ', 'pad', 'x', 'a name', B'10101', B'', '\\x00ff5c27', '00000000-0000-0000-0000-000000000000',
                  '4713-01-01 BC', '24:00:00', '12:00:00.000001+15:59', '4713-01-01 00:00:00 BC', '0044-03-15 12:00:00+00 BC', '2026-01-01 00:00:01', '-1 year -2 mons +3 days -04:05:06.789', '5 hours',
                  '{"b": 1, "a": 1.0, "a": null,  "s": "\\u00e9"}', '{"b": 1, "a": 1.00, "s": "x\\"y", "n": 12345678901234567890.123456789}', '$.a[*] ? (@ > 1)', '<a b="c">&lt;<!-- d --></a>', $$'it''s':1A a:2,3B$$, 'a & (b | !c:*A)',
                  '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05',
                  '(1e-300,-0)', '{1,2,3}', '[(0,0),(1,1)]', '(2,2),(1,1)', '[(0,0),(1,1),(2,0)]', '((0,0),(1,1),(2,0))', '<(0,0),5>',
                  'empty', '[-9223372036854775808,)', '(1.5,NaN]', '[2026-01-01,infinity]', '["2026-01-01 00:00:00",)', '(,"2026-01-01 00:00:00+00"]', '(0.1,0.2]',
                  '{}', '{[2026-01-01 00:00:00+00,2026-01-02 00:00:00+00),[2027-01-01 00:00:00+00,)}',
                  4294967295, 'FFFFFFFF/FFFFFFFF', '18446744073709551615', '10:20:10,14,15', '1 -2 3', '1 4294967295',
                  '', ROW(1, 'a,"b"\\c', 'sad'), 1, '{1,NULL,3}',
                  'a=>1, "b c"=>NULL, "q\\"q"=>"\\\\"', 'CiText', 'Top.Science',
                  '[0:2]={1,NULL,3}', ARRAY['', NULL, 'NULL', 'a,b', '{c}', '"d"', E'e\\\\f', E'g\\nh', ' i '], '{NaN,1.10,NULL}', '{infinity,"2026-01-01 00:00:00+00"}', ARRAY['\\x00'::bytea, '\\x5c'::bytea], ARRAY['{"a": "b,\\"c\\""}'::jsonb, 'null', NULL], '{(1,1),(0,0);(2,2),(1,1)}', ARRAY['it''s "great", {really}', '', NULL]::types.mood[],
                  ARRAY[ROW(1, 'a "quoted", one', 'ok'), NULL, ROW(NULL, NULL, NULL)]::types.pair[], '{1,2}', '{"{1,2}","{3}"}', ARRAY['[1,5)'::int4range, 'empty'], '{"1 day","-1 mons"}', '{t,f,NULL}',
                  '{00000000-0000-0000-0000-000000000001}', '{::1,10.0.0.1/8}', ARRAY['<a/>'::xml, '<b>c,d</b>'], '{a,"bb "}', ARRAY['a=>"b,c"'::hstore, ''])""");
        commit(
                """
                INSERT INTO types.every (id, i2, i4, i8, num, num2, num_negative, f4, f8, cash, b, t, vc, ch, bytes, d, ti, ts, tstz, iv, j, jb, x, a_int, a_text, mood, m4) VALUES
                  (2, 32767, 2147483647, 9223372036854775807, 'Infinity', 1234567890123456789012345678.0123456789, -99, '3.4028235e38', '1.7976931348623157e308', '92233720368547758.07',
                   false, '', '', '', '', 'infinity', '00:00:00', 'infinity', '-infinity', '0', '[]', '"x"', '', '{}', '{{a,b},{c,NULL}}', 'ok', '{[1,3),[5,7)}'),
                  (3, 0, 0, 0, ('1' || repeat('0', 2000) || '.' || repeat('1', 2000))::numeric, 0.0000000001, 0, '1e-45', '4.9e-324', 0,
                   NULL, repeat('long ', 20000), NULL, NULL, decode(repeat('de', 20000), 'hex'), '5874897-12-31', '23:59:59.999999', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00',
                   '178000000 years', ' {"a" :1 } ', '{}', 'text only', '{{{1}},{{2}}}', ARRAY[repeat('x', 5000)], NULL, NULL),
                  (4, NULL, NULL, NULL, '-Infinity', NULL, NULL, 'Infinity', '-Infinity', NULL, NULL, NULL, NULL, NULL, NULL, '-infinity', NULL, '-infinity', 'infinity', 'infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
                  (5, NULL, NULL, NULL, 1.10, NULL, NULL, 0.1, 0.1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '-infinity', NULL, NULL, NULL, NULL, NULL, NULL, NULL)""");
        commit("INSERT INTO types.every (id) VALUES (6)");
        pipeline.requireEqual();

        commit("UPDATE types.every SET t = t || 'x', jb = jb || '[1]', a_text = NULL WHERE id IN (2, 3)");
        commit("UPDATE types.every SET id = id + 10");
        commit("DELETE FROM types.every WHERE id = 11");
    }
}
