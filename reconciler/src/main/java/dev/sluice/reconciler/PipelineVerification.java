package dev.sluice.reconciler;

import dev.sluice.schemas.Stop;
import java.util.List;

/** What the verification of all tables that were asked for has found. */
record PipelineVerification(List<TableVerification> tables, List<ReferenceVerification> references, CutOverHazards hazards) {
    boolean isDiverged() {
        return diverged() + broken() > 0;
    }

    boolean isInSync() {
        return tables.stream().allMatch(TableVerification::isInSync) && references.stream().allMatch(ReferenceVerification::holds);
    }

    /** Of the hazards nothing: they are none of the rows. */
    Stop stop() {
        return isDiverged() ? Stop.DIFFERENT : isInSync() ? Stop.CLEAN : Stop.UNKNOWN;
    }

    String word() {
        return isDiverged() ? "diverged" : isInSync() ? "in sync" : "unknown";
    }

    private long diverged() {
        return tables.stream().filter(TableVerification::isDiverged).count();
    }

    private long broken() {
        return references.stream().filter(ReferenceVerification::isBroken).count();
    }

    String verdict() {
        long unknown = tables.stream().filter(table -> !table.isDiverged() && !table.isInSync()).count();
        long untold = references.stream().filter(reference -> !reference.isBroken() && !reference.holds()).count();
        if (isDiverged()) {
            return "DIVERGED: %d of %d tables%s%s%s".formatted(
                    diverged(),
                    tables.size(),
                    broken() == 0 ? "" : "; %d of %d references broken".formatted(broken(), references.size()),
                    unknown == 0 ? "" : "; of %d it could not be told".formatted(unknown),
                    untold == 0 ? "" : "; of %d references it could not be told".formatted(untold));
        }
        String ofReferences = untold == 0 ? "" : "; of %d of %d references".formatted(untold, references.size());
        if (unknown + untold > 0) {
            return "UNKNOWN: of %d of %d tables it could not be told for every row%s".formatted(unknown, tables.size(), ofReferences);
        }
        long rows = tables.stream().mapToLong(TableVerification::rows).sum();
        return "IN SYNC: %d tables, %,d rows%s".formatted(
                tables.size(), rows, references.isEmpty() ? "" : ", %d references hold".formatted(references.size()));
    }
}
