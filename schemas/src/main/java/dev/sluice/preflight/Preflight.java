package dev.sluice.preflight;

import dev.sluice.config.DatabaseConfig;
import dev.sluice.config.Databases;
import dev.sluice.config.KafkaClients;
import dev.sluice.config.LaneConfig;
import dev.sluice.config.PipelineConfig;
import dev.sluice.process.Finding;
import dev.sluice.schemas.Failure;
import dev.sluice.schemas.Stop;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.KafkaException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** All checks of a pipeline; what cannot be reached is a finding too, and the rest is checked without it. */
public final class Preflight {
    private static final Logger log = LoggerFactory.getLogger(Preflight.class);
    private static final String APPLICATION = "sluice-check";

    private final PipelineConfig config;
    private final Set<Finding> findings = new LinkedHashSet<>();

    private Preflight(PipelineConfig config) {
        this.config = config;
    }

    /** Every finding of source, Kafka and target, in this order, each once. Opens and closes its own connections. */
    public static List<Finding> findings(PipelineConfig config) {
        Preflight preflight = new Preflight(config);
        preflight.withSource();
        return List.copyOf(preflight.findings);
    }

    /**
     * For a process that is about to start: logs the warnings, and goes no further if there are errors.
     *
     * @param said warnings logged before; new ones are added and logged
     * @throws Failure.Fatal {@link Stop#SETUP}, with every error in its message and every cure in its remedy
     */
    public static void require(List<Finding> findings, Set<Finding> said) {
        List<Finding> errors = new ArrayList<>();
        for (Finding finding : findings) {
            if (finding.level() == Finding.Level.ERROR) {
                errors.add(finding);
            } else if (said.add(finding)) {
                log.warn("{}: {}; cure: {}", finding.subject(), finding.problem(), finding.cure());
            }
        }
        if (!errors.isEmpty()) {
            throw new Failure.Fatal(
                    Stop.SETUP,
                    errors.stream().map(e -> e.subject() + ": " + e.problem()).collect(Collectors.joining("; ")),
                    errors.stream().map(Finding::cure).distinct().collect(Collectors.joining(" | ")));
        }
    }

    private void withSource() {
        Optional<Connection> source = connect(config.source());
        try {
            if (source.isPresent()) {
                for (LaneConfig lane : config.lanes()) {
                    findings.addAll(SourcePreflight.findings(source.get(), config, lane));
                }
            }
        } catch (SQLException e) {
            findings.add(incomplete(config.source(), e));
        }
        kafka();
        withTarget(source);
        source.ifPresent(Preflight::close);
    }

    private void kafka() {
        try {
            Admin admin = Admin.create(KafkaClients.base(config.kafka(), APPLICATION));
            try {
                findings.addAll(KafkaPreflight.findings(admin, config));
            } finally {
                admin.close(Duration.ZERO);
            }
        } catch (Failure.Fatal e) {
            kafkaError(e.getMessage(), e.remedy());
        } catch (Failure e) {
            kafkaError(
                    e.getMessage(),
                    "correct kafka.bootstrapServers, start the broker, or, if it wants TLS or SASL, set security.protocol in"
                            + " kafka.properties");
        } catch (KafkaException e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            kafkaError(
                    "no client can be made for %s: ".formatted(config.kafka().bootstrapServers()) + cause.getMessage(),
                    "correct kafka.bootstrapServers and kafka.properties");
        }
    }

    private void kafkaError(String problem, String cure) {
        findings.add(new Finding(Finding.Level.ERROR, "kafka bootstrapServers", problem, cure));
    }

    private void withTarget(Optional<Connection> source) {
        Optional<Connection> target = connect(config.target());
        if (target.isEmpty()) {
            return;
        }
        try {
            for (LaneConfig lane : config.lanes()) {
                findings.addAll(TargetPreflight.findings(source, target.get(), config, lane));
                if (source.isPresent()) {
                    findings.addAll(SequenceChecks.findings(source.get(), target.get(), lane));
                }
            }
        } catch (SQLException e) {
            findings.add(incomplete(config.target(), e));
        }
        close(target.get());
    }

    private Optional<Connection> connect(DatabaseConfig database) {
        try {
            return Optional.of(Databases.connect(database, APPLICATION));
        } catch (SQLException e) {
            findings.add(new Finding(
                    Finding.Level.ERROR,
                    database.role() + " " + database.address(),
                    "cannot connect: " + Databases.reason(e),
                    cure(database, String.valueOf(e.getSQLState()))));
            return Optional.empty();
        }
    }

    private static String cure(DatabaseConfig database, String state) {
        String role = database.role();
        if (Databases.isAccessRefused(state)) {
            return "correct %s.user, the password (SLUICE_%s_PASSWORD or its _FILE) and .sslmode, or let the role in by pg_hba.conf"
                    .formatted(role, role.toUpperCase(Locale.ROOT));
        }
        if (state.equals("3D000")) {
            return "correct %s.database, or create it".formatted(role);
        }
        return "correct %s.host, .port and .sslmode, start the server, open the way to it".formatted(role);
    }

    private static Finding incomplete(DatabaseConfig database, SQLException e) {
        return new Finding(
                Finding.Level.ERROR,
                database.role() + " " + database.address(),
                "the checks could not be finished: %s (SQLSTATE %s)".formatted(e.getMessage(), e.getSQLState()),
                "check again; if it stays, allow the role to read pg_catalog");
    }

    private static void close(Connection connection) {
        try {
            connection.close();
        } catch (SQLException e) {
            // everything has been read
        }
    }
}
