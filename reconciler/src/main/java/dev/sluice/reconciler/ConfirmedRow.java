package dev.sluice.reconciler;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.sluice.divergence.Divergence;
import java.util.List;

/**
 * A row that differs, with what both snapshots tell about it.
 *
 * @param evidence JSON; what else becomes known is added
 * @param causes that fit, the first of which explains it; for a person
 * @param doubt why other causes cannot be told; empty if there is no such reason
 */
record ConfirmedRow(Divergence divergence, ObjectNode evidence, List<String> causes, String doubt) {
    /** @param looked where events were looked for */
    Divergence explained(List<KeyEvent> events, String looked) {
        ArrayNode last = evidence.putArray("lastEvents");
        events.forEach(event -> last.add(event.json()));
        evidence.put("lastEventsLookedFor", looked);
        return divergence.explained(explanation(), evidence.toString());
    }

    private String explanation() {
        if (!causes.isEmpty()) {
            return causes.get(0);
        }
        return doubt.isEmpty() ? "unexplained" : "unexplained (%s)".formatted(doubt);
    }
}
