package dev.sluice.apply;

import dev.sluice.catalog.ForeignKey;
import dev.sluice.schemas.TableId;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/**
 * Parents before children, by the target's foreign keys. Tables that refer to each other in a circle stand in an
 * arbitrary but fixed order; what that breaks, the exact order of the source mends.
 */
final class TableOrder {
    private final Map<TableId, Integer> rank = new HashMap<>();
    private final Map<TableId, Set<TableId>> parents = new HashMap<>();

    TableOrder(Collection<TableId> tables, Collection<ForeignKey> foreignKeys) {
        foreignKeys.forEach(key -> {
            if (!key.child().equals(key.parent())) {
                parents.computeIfAbsent(key.child(), child -> new TreeSet<>()).add(key.parent());
            }
        });
        List<TableId> order = new ArrayList<>();
        Set<TableId> seen = new HashSet<>();
        new TreeSet<>(tables).forEach(table -> visit(table, seen, order));
        for (int i = 0; i < order.size(); i++) {
            rank.put(order.get(i), i);
        }
    }

    private void visit(TableId table, Set<TableId> seen, List<TableId> order) {
        if (seen.add(table)) {
            parents.getOrDefault(table, Set.of()).forEach(parent -> visit(parent, seen, order));
            order.add(table);
        }
    }

    Comparator<TableId> parentsFirst() {
        return Comparator.comparing(table -> rank.getOrDefault(table, 0));
    }

    /** The tables, their parents, and so on. */
    Set<TableId> withAncestors(Collection<TableId> tables) {
        Set<TableId> found = new HashSet<>();
        tables.forEach(table -> visit(table, found, new ArrayList<>()));
        return found;
    }
}
