package dev.sluice.sandbox;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;

/**
 * What sessions of a server have used, by the name of their application: samples of {@code pg_stat_activity} and of the backends'
 * processes. A session that comes and goes between two samples is in {@link #unseenMicros}, whosever it was.
 *
 * <p>Threads: one.
 */
final class ServerSessions implements AutoCloseable {
    private final Connection connection;
    private final PreparedStatement query;
    private final long postmaster;
    private final Map<Long, Session> sessions = new HashMap<>();
    private final long endedBefore;
    private int samples;

    private static final class Session {
        private final String application;
        /** In the first sample; 0 if it has begun since. */
        private final long before;
        private long micros;
        private int lastSample;

        Session(String application, long before) {
            this.application = application;
            this.before = before;
        }
    }

    /** Counts from now. */
    ServerSessions(DatabaseConfig database, long postmaster) {
        this.postmaster = postmaster;
        try {
            connection = Databases.connect(database, "benchmark-sessions");
            query = connection.prepareStatement("SELECT pid, application_name FROM pg_stat_activity");
        } catch (SQLException e) {
            throw new IllegalStateException("could not ask for the sessions of " + database.address(), e);
        }
        sample();
        endedBefore = ProcessUsage.endedCpuMicros(postmaster);
    }

    void sample() {
        samples++;
        try (ResultSet row = query.executeQuery()) {
            while (row.next()) {
                long pid = row.getLong(1);
                String application = row.getString(2);
                OptionalLong micros = ProcessUsage.ownCpuMicros(pid);
                if (micros.isPresent()) {
                    Session session = sessions.computeIfAbsent(
                            pid, p -> new Session(application, samples == 1 ? micros.getAsLong() : 0));
                    session.micros = micros.getAsLong();
                    session.lastSample = samples;
                }
            }
        } catch (SQLException e) {
            throw new IllegalStateException("could not ask for sessions", e);
        }
    }

    /** Microseconds of user and system time since the first sample, by application. */
    Map<String, Long> micros() {
        Map<String, Long> micros = new TreeMap<>();
        sessions.values().forEach(session -> micros.merge(session.application, session.micros - session.before, Long::sum));
        return micros;
    }

    /** How many sessions of an application were seen. */
    long count(String application) {
        return sessions.values().stream().filter(session -> session.application.equals(application)).count();
    }

    /** Of sessions that have ended: what no sample has. */
    long unseenMicros() {
        long seen = sessions.values().stream()
                .filter(session -> session.lastSample < samples)
                .mapToLong(session -> session.micros)
                .sum();
        return Math.max(0, ProcessUsage.endedCpuMicros(postmaster) - endedBefore - seen);
    }

    @Override
    public void close() {
        try (connection) {
            query.close();
        } catch (SQLException e) {
            throw new IllegalStateException("could not close", e);
        }
    }
}
