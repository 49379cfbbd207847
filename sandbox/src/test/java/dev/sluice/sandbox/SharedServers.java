package dev.sluice.sandbox;

import dev.sluice.schemas.TableId;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;

/**
 * One set of servers for the test classes of this JVM that leave their servers as they are: two new PostgreSQL servers take
 * seconds. Each class begins with empty ones. A class that stops or configures its servers starts some of its own.
 *
 * <p>Threads: one at a time; classes run one after the other.
 */
final class SharedServers {
    private static Optional<ThreeServers> servers = Optional.empty();

    private SharedServers() {}

    /** Started with the first class that asks; they end with the JVM. */
    static ThreeServers take() {
        if (servers.isEmpty()) {
            servers = Optional.of(ThreeServers.start());
        }
        return servers.get();
    }

    /** Takes away whatever a class has made: databases, slots, roles, topics. */
    static void empty() {
        ThreeServers used = servers.orElseThrow();
        empty(used.source());
        empty(used.target());
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", used.kafka().bootstrapServers()))) {
            Set<String> topics = admin.listTopics().names().get().stream()
                    .filter(topic -> !topic.startsWith("__"))
                    .collect(Collectors.toSet());
            admin.deleteTopics(topics).all().get();
        } catch (ExecutionException e) {
            throw new IllegalStateException("could not delete the topics of the class before", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted", e);
        }
    }

    private static void empty(PostgresServer server) {
        try (Connection connection = server.connect("postgres");
                Statement statement = connection.createStatement()) {
            // a walsender outlives its client for a moment
            statement.execute(
                    """
                    DO $$ DECLARE slot name; BEGIN
                      FOR slot IN SELECT slot_name FROM pg_replication_slots LOOP
                        LOOP
                          BEGIN
                            PERFORM pg_drop_replication_slot(slot);
                            EXIT;
                          EXCEPTION WHEN object_in_use THEN
                            PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = slot;
                          END;
                        END LOOP;
                      END LOOP;
                    END $$""");
            for (String database : names(statement, "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'")) {
                statement.execute("DROP DATABASE " + TableId.quote(database) + " WITH (FORCE)");
            }
            statement.execute("SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin");
            for (String role : names(statement, "SELECT rolname FROM pg_roles WHERE oid >= 16384")) {
                statement.execute("DROP OWNED BY " + TableId.quote(role) + "; DROP ROLE " + TableId.quote(role));
            }
        } catch (SQLException e) {
            throw new IllegalStateException("could not take away what the class before has left", e);
        }
    }

    private static List<String> names(Statement statement, String sql) throws SQLException {
        List<String> names = new ArrayList<>();
        try (ResultSet row = statement.executeQuery(sql)) {
            while (row.next()) {
                names.add(row.getString(1));
            }
        }
        return names;
    }
}
