package dev.sluice.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.process.Finding;
import dev.sluice.process.Finding.Level;
import java.util.List;

/** What {@code sluice check} prints. */
final class CheckReport {
    private static final List<String> SIDES = List.of("source", "kafka", "target");

    private final String pipeline;
    private final List<Finding> findings;

    CheckReport(String pipeline, List<Finding> findings) {
        this.pipeline = pipeline;
        this.findings = findings;
    }

    long errors() {
        return findings.stream().filter(finding -> finding.level() == Level.ERROR).count();
    }

    /** By side; of each finding the problem and, below it, the cure, ready to be copied. */
    String table() {
        StringBuilder text = new StringBuilder();
        for (String side : SIDES) {
            List<Finding> own = findings.stream().filter(finding -> finding.subject().startsWith(side + " ")).toList();
            text.append(side).append(own.isEmpty() ? ": nothing found\n" : "\n");
            int width = own.stream().mapToInt(finding -> subject(finding, side).length()).max().orElse(0);
            for (Finding finding : own) {
                text.append("  %-7s  %s  %s%n"
                        .formatted(finding.level(), padded(subject(finding, side), width), finding.problem()));
                text.append(" ".repeat(width + 13)).append("cure: ").append(finding.cure()).append('\n');
            }
        }
        long errors = errors();
        return text.append("%s: %s, %s".formatted(
                        pipeline, count(errors, "error"), count(findings.size() - errors, "warning")))
                .toString();
    }

    /** One object: {@code pipeline}, {@code errors}, {@code warnings}, and {@code findings} with the record's fields. */
    String json() {
        ObjectNode report = JsonNodeFactory.instance.objectNode();
        report.put("pipeline", pipeline).put("errors", errors()).put("warnings", findings.size() - errors());
        ArrayNode list = report.putArray("findings");
        for (Finding finding : findings) {
            list.addObject()
                    .put("level", finding.level().name())
                    .put("subject", finding.subject())
                    .put("problem", finding.problem())
                    .put("cure", finding.cure());
        }
        return report.toPrettyString();
    }

    private static String subject(Finding finding, String side) {
        return finding.subject().substring(side.length() + 1);
    }

    private static String padded(String text, int width) {
        return text + " ".repeat(width - text.length());
    }

    private static String count(long count, String what) {
        return count + " " + what + (count == 1 ? "" : "s");
    }
}
