package dev.sluice.sandbox;

import dev.sluice.sandbox.RandomChanges.Change;
import dev.sluice.sandbox.RandomChanges.Kind;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.postgresql.PGConnection;
import org.postgresql.copy.CopyManager;

/**
 * Transactions of several sessions at once, interleaved by one thread, so that the same seed makes nearly the same of them:
 * whoever would wait for another session gives up soon. Each statement has a savepoint, to which some go back.
 */
final class RandomSessions implements AutoCloseable {
    private static final int SESSIONS = 4;
    private static final int TRUNCATE_EVERY = 80;

    private final RandomChanges changes;
    private final SplittableRandom random;
    private final List<Session> sessions = new ArrayList<>();
    private final Map<Kind, Integer> done = new EnumMap<>(Kind.class);
    private final Map<String, Integer> refused = new TreeMap<>();
    private final List<String> log = new ArrayList<>();

    private final class Session {
        private final Connection connection;
        private final int number = sessions.size();
        private int left;

        Session(Connection connection) {
            this.connection = connection;
        }

        void execute(String sql) throws SQLException {
            log.add("/* %d */ %s;".formatted(number, sql));
            try (Statement statement = connection.createStatement()) {
                statement.execute(sql);
            }
        }

        void begin() throws SQLException {
            left = 1 + random.nextInt(9);
            execute("BEGIN; SET LOCAL lock_timeout = 15; SELECT setseed(0.%d)".formatted(random.nextInt(1_000_000)));
        }

        void step() throws SQLException {
            if (left == 0) {
                begin();
            }
            change(changes.next());
            if (--left == 0) {
                end();
            }
        }

        void change(Change change) throws SQLException {
            execute("SAVEPOINT before");
            try {
                if (change.kind() == Kind.COPY) {
                    copy(change);
                } else {
                    execute(change.sql());
                }
            } catch (SQLException e) {
                refused.merge(e.getSQLState(), 1, Integer::sum);
                execute("ROLLBACK TO before");
                return;
            }
            if (random.nextInt(12) == 0) {
                execute("ROLLBACK TO before");
            } else {
                done.merge(change.kind(), 1, Integer::sum);
                if (random.nextInt(2) == 0) {
                    execute("RELEASE before");
                }
            }
        }

        private void copy(Change change) throws SQLException {
            CopyManager copy = connection.unwrap(PGConnection.class).getCopyAPI();
            ByteArrayOutputStream rows = new ByteArrayOutputStream();
            log.add("/* %d */ -- COPY %s from %s".formatted(number, RandomChanges.name(change.table()), change.sql()));
            try {
                copy.copyOut("COPY (" + change.sql() + ") TO STDOUT", rows);
                copy.copyIn(
                        "COPY %s (%s) FROM STDIN".formatted(
                                RandomChanges.name(change.table()), RandomChanges.names(changes.copied(change.table()))),
                        new ByteArrayInputStream(rows.toByteArray()));
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        }

        /** A commit may fail at what was deferred. */
        void end() throws SQLException {
            left = 0;
            try {
                execute(random.nextInt(9) == 0 ? "ROLLBACK" : "COMMIT");
            } catch (SQLException e) {
                refused.merge(e.getSQLState(), 1, Integer::sum);
            }
        }
    }

    RandomSessions(TestDatabase source, SplittableRandom random) throws SQLException {
        this.random = random;
        for (int i = 0; i < SESSIONS; i++) {
            sessions.add(new Session(source.server().connect(source.name())));
        }
        changes = new RandomChanges(sessions.get(0).connection, random);
    }

    List<ForeignTable> tables() {
        return changes.tables();
    }

    /** A few rows in every table, so that there is something to change. */
    void fill() throws SQLException {
        Session first = sessions.get(0);
        for (int round = 0; round < 3; round++) {
            for (ForeignTable table : changes.tables()) {
                first.begin();
                first.change(changes.insert(table));
                first.end();
            }
        }
    }

    void run(int transactions) throws SQLException {
        for (int ended = 0; ended < transactions; ) {
            Session session = sessions.get(random.nextInt(SESSIONS));
            session.step();
            if (session.left == 0 && ++ended % TRUNCATE_EVERY == 0) {
                truncate();
            }
        }
        endAll();
    }

    /** Waits for nobody, so nobody may be in the middle of something. */
    private void truncate() throws SQLException {
        endAll();
        Session first = sessions.get(0);
        first.begin();
        first.change(changes.next());
        first.change(changes.truncate());
        first.change(changes.next());
        first.end();
        fill();
    }

    private void endAll() throws SQLException {
        for (Session session : sessions) {
            if (session.left > 0) {
                session.end();
            }
        }
    }

    /** How many statements of each kind were taken, rolled back transactions included. */
    Map<Kind, Integer> done() {
        return done;
    }

    /** How many were refused, by SQLSTATE. */
    Map<String, Integer> refused() {
        return refused;
    }

    /** Every statement, as it was sent. */
    List<String> log() {
        return log;
    }

    @Override
    public void close() throws SQLException {
        for (Session session : sessions) {
            session.connection.close();
        }
    }
}
