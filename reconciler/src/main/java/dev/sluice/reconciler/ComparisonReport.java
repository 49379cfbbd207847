package dev.sluice.reconciler;

import java.util.ArrayList;
import java.util.List;

/**
 * What a comparison of both databases found.
 *
 * @param tables in the order of the configuration
 */
public record ComparisonReport(List<TableComparison> tables) {

    public boolean isEqual() {
        return tables.stream().allMatch(TableComparison::isEqual);
    }

    /** One line: equal or not, and how much was looked at. */
    public String verdict() {
        long rows = tables.stream().mapToLong(TableComparison::sourceRows).sum();
        if (isEqual()) {
            return "EQUAL: %d tables, %,d rows, every compared column the same".formatted(tables.size(), rows);
        }
        long different = tables.stream().filter(table -> !table.isEqual()).count();
        return "DIFFERENT: %d of %d tables; %,d rows missing in the target, %,d extra, %,d differing"
                .formatted(
                        different,
                        tables.size(),
                        tables.stream().mapToLong(TableComparison::missing).sum(),
                        tables.stream().mapToLong(TableComparison::extra).sum(),
                        tables.stream().mapToLong(TableComparison::differing).sum());
    }

    /** A line per table, below it the rows that differ, at last the verdict. Keys are in it, no other values. */
    public List<String> lines() {
        List<String> lines = new ArrayList<>();
        for (TableComparison table : tables) {
            lines.add(table.summary());
            table.differences().forEach(difference -> lines.add("  " + difference));
            long shown = table.differences().size();
            if (table.differenceCount() > shown) {
                lines.add("  … and %,d more".formatted(table.differenceCount() - shown));
            }
        }
        lines.add(verdict());
        return lines;
    }
}
